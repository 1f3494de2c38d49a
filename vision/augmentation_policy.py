"""What augmentation may do to a training image: the values, without Keras, which takes 4 s to import."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# Field that only says how strong a change is -> the field that turns that change on. All others turn
# something on themselves, and 0 or false turns it off.
STRENGTHS = {"rand_augment_magnitude": "rand_augment_operations"}


class AugmentationPolicy(BaseModel):
    """Ranges of the random changes. The defaults are the reference set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation_degrees: float = Field(20.0, ge=0, le=180, description="either way")
    horizontal_flip: Literal[True, False, "alternating"] = Field(
        True,
        description="alternating (Jordan 2024): drawn for the first epoch, the other way round in each next",
    )
    zoom: float = Field(0.2, ge=0, lt=1, description="share of the size, in or out")
    shift: float = Field(0.0, ge=0, lt=1, description="share of height and width, either way")
    brightness: float = Field(0.2, ge=0, le=1, description="share of the range 0..255, either way")
    rand_augment_operations: int = Field(
        0,
        ge=0,
        le=14,
        description="RandAugment (Cubuk et al. 2020): operations one after the other, drawn for each batch",
    )
    rand_augment_magnitude: float = Field(
        0.3, ge=0, le=1, description="of RandAugment's operations; 0.3 is 9 on the paper's scale of 30"
    )
    aug_mix: float = Field(
        0.0, ge=0, le=1, description="AugMix (Hendrycks et al. 2020): severity; the paper's 3 of 10 is 0.3"
    )
    erasing: float = Field(
        0.0, ge=0, le=1, description="Random Erasing (Zhong et al. 2020): share of images; the paper's is 0.5"
    )
    noise: float = Field(
        0.0, ge=0, le=1, description="standard deviation of Gaussian noise, share of the range 0..255"
    )
    mixup: float = Field(
        0.0, ge=0, le=1, description="alpha of mixup (Zhang et al. 2018): 0.2 mixes little, 1 evenly"
    )
    cutmix: float = Field(
        0.0, ge=0, le=1, description="alpha of CutMix (Yun et al. 2019); with mixup, a batch gets one of them"
    )

    @property
    def in_force(self) -> tuple[str, ...]:
        """The fields that have an effect, in the order of the fields."""
        return tuple(name for name in type(self).model_fields if getattr(self, STRENGTHS.get(name, name)))

    @property
    def mirrors(self) -> bool:
        return bool(self.horizontal_flip)

    @property
    def alternates(self) -> bool:
        """Whether an image that was mirrored in one epoch is not in the next."""
        return self.horizontal_flip == "alternating"

    @property
    def is_off(self) -> bool:
        return not self.in_force
