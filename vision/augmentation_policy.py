"""What augmentation may do to a training image: the values, without Keras, which takes 4 s to import."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AugmentationPolicy(BaseModel):
    """Ranges of the random changes. The defaults are the reference set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation_degrees: float = Field(20.0, ge=0, le=180, description="either way")
    horizontal_flip: bool = True
    zoom: float = Field(0.2, ge=0, lt=1, description="share of the size, in or out")
    shift: float = Field(0.0, ge=0, lt=1, description="share of height and width, either way")
    brightness: float = Field(0.2, ge=0, le=1, description="share of the range 0..255, either way")

    @property
    def is_off(self) -> bool:
        return not (
            self.rotation_degrees or self.horizontal_flip or self.zoom or self.shift or self.brightness
        )
