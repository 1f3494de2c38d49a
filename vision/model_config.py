"""The section of the configuration that names the network, without Keras, which takes 4 s to import."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from vision.errors import one_of
from vision.section import Section


class ModelConfig(Section):
    """The architecture."""

    name: str = Field("residual", description="a name in models.ARCHITECTURES")
    weights: str | None = Field(
        None, description="imagenet, a file of weights, or null: random; for architectures that take them"
    )
    weights_licence: str = Field(
        "", description="of these weights; goes into bundle.json, which is handed on"
    )
    options: dict[str, Any] = Field({}, description="keyword arguments of its build function")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        from models import ARCHITECTURES

        if name not in ARCHITECTURES:
            raise ValueError(one_of("architecture", name, ARCHITECTURES, "config.model.name"))
        return name

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        from models import ARCHITECTURES

        allowed = ARCHITECTURES[self.name].options
        where = "config.model.options"
        for name, value in self.options.items():
            if name not in allowed:
                raise ValueError(one_of(f"option of {self.name}", name, allowed, where))
            kind = allowed[name].__name__
            # Exactly: True is an int to isinstance, and no number of filters.
            if type(value) is not int and type(value) is not allowed[name]:
                raise ValueError(f"{name} is {value!r}, allowed is a number ({kind}); set {where}.{name}")
        return self

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        from models import ARCHITECTURES

        if self.weights is not None and not ARCHITECTURES[self.name].takes_weights:
            taking = [name for name, row in ARCHITECTURES.items() if row.takes_weights]
            raise ValueError(
                f"{self.name} takes no pretrained weights, but weights is {self.weights!r}: remove"
                f" config.model.weights, or set config.model.name to one of {', '.join(taking)}"
            )
        return self
