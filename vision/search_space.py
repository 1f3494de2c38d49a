"""The space of a search: paths of fields below model, train and augment, and what each may become.

It is checked when the YAML is read, so it knows neither Optuna nor Keras.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ValidationError

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.errors import ConfigError, one_of
from vision.model_config import ModelConfig
from vision.training_config import Choices, Range, TrainConfig

if TYPE_CHECKING:  # it takes seconds to import
    from optuna import Trial

Value = bool | int | float | str
Values = Mapping[str, Value]
Space = Mapping[str, Range | Choices]

# Each of these replaces more than itself, so it is chosen before the fields that may refine it.
ARCHITECTURE, RECIPE = "model.name", "train.recipe"
EPOCHS = "train.epochs"
WHERE = "config.tune.space"


class Settings(NamedTuple):
    """What a search may change."""

    model: ModelConfig
    train: TrainConfig
    augment: AugmentationPolicy


def in_place(values: Values, settings: Settings) -> Settings:
    """The settings with the values at their paths; ValidationError where the schema refuses one.

    A recipe replaces all that the YAML says in `train`; another architecture keeps those of the YAML's
    options that it takes. Single fields come after both.
    """
    model, train, augment = settings
    recipe = values.get(RECIPE)
    tree = {
        "model": _of_architecture(str(values.get(ARCHITECTURE, model.name)), model),
        "train": (TrainConfig.model_validate({"recipe": recipe}) if recipe else train).model_dump(),
        "augment": augment.model_dump(),
    }
    for path, value in values.items():
        *sections, field = path.split(".")
        section: dict[str, Any] = tree
        for name in sections:
            section = section[name]
        section[field] = value
    return Settings(
        type(model).model_validate(tree["model"]),
        TrainConfig.model_validate(tree["train"]),
        AugmentationPolicy.model_validate(tree["augment"]),
    )


def check_space(space: Space, model: ModelConfig, train: TrainConfig, augment: AugmentationPolicy) -> None:
    """ConfigError where a path names no field, or the schema refuses one of its values."""
    settings = Settings(model, train, augment)
    for path, dimension in space.items():
        if path == EPOCHS:
            raise ConfigError(
                f"{EPOCHS} cannot be searched: each trial has config.tune.epochs; remove it from {WHERE}"
            )
        if dimension == ():
            raise ConfigError(f"{path} has no choices: give one at least; set {WHERE}")
    for path in sorted(space, key=_is_single):
        frames = list(_frames(space)) if _is_single(path) else [{}]
        known = [frame for frame in frames if has_field(in_place(frame, settings), path)]
        if not known:
            raise ConfigError(_no_field(path, [in_place(frame, settings) for frame in frames]))
        for frame, value in product(known, _extremes(space[path])):
            _check_value(path, value, frame, settings)


def suggest(trial: Trial, space: Space, settings: Settings) -> dict[str, Value]:
    """A value a path, drawn by Optuna; a field that the drawn architecture or recipe has not is left out."""
    values = {path: _draw(trial, path, space[path]) for path in space if not _is_single(path)}
    chosen = in_place(values, settings)
    fields = [path for path in space if _is_single(path) and has_field(chosen, path)]
    return values | {path: _draw(trial, path, space[path]) for path in fields}


def own_values(space: Space, settings: Settings) -> dict[str, Value]:
    """The settings' own values, moved into the space; left out where they are none of the choices."""
    own = {path: _nearest(_value_at(settings, path), dimension) for path, dimension in space.items()}
    return {path: value for path, value in own.items() if value is not None}


def fits(values: Values, space: Space) -> bool:
    """Could these values have been drawn from the space?"""
    return bool(values) and all(
        path in space and value == _nearest(value, space[path]) for path, value in values.items()
    )


def has_field(settings: Settings, path: str) -> bool:
    """Does the path name a single value that these settings have, or an option of their architecture?"""
    section, _, rest = path.partition(".")
    if section not in Settings._fields:
        return False
    group, _, option = rest.partition(".")
    if (section, group) == ("model", "options"):
        return option in ARCHITECTURES[settings.model.name].options
    return rest in _fields(getattr(settings, section))


def _fields(section: BaseModel, prefix: str = "") -> Iterator[str]:
    """Dotted names of the single values in a section; those of a section that is null are not there."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _fields(value, f"{prefix}{name}.")
        elif not isinstance(value, Mapping):
            yield f"{prefix}{name}"


def _is_single(path: str) -> bool:
    return path not in (ARCHITECTURE, RECIPE)


def _of_architecture(name: str, model: ModelConfig) -> dict[str, Any]:
    if name == model.name or name not in ARCHITECTURES:  # the schema says what is wrong with an unknown one
        return model.model_dump()
    row = ARCHITECTURES[name]
    options = {option: value for option, value in model.options.items() if option in row.options}
    weights = model.weights if row.takes_weights else None
    return {"name": name, "options": options, "weights": weights}


def _frames(space: Space) -> Iterator[dict[str, Value]]:
    """Every combination of architecture and recipe in the space; {} where it has neither."""
    replacing = [path for path in space if not _is_single(path)]
    for values in product(*(_extremes(space[path]) for path in replacing)):
        yield dict(zip(replacing, values, strict=True))


def _extremes(dimension: Range | Choices) -> Choices:
    return (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension


def _check_value(path: str, value: Value, frame: Values, settings: Settings) -> None:
    try:
        in_place({**frame, path: value}, settings)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path} cannot be {value!r}: {reason}; set {WHERE}") from error


def _no_field(path: str, found: list[Settings]) -> str:
    section = path.partition(".")[0]
    if section not in Settings._fields:
        return one_of("section", section, Settings._fields, f'{WHERE}, where "{path}" stands')
    allowed = {f"{section}.{name}" for settings in found for name in _fields(getattr(settings, section))}
    if section == "model":
        rows = [ARCHITECTURES[settings.model.name] for settings in found]
        allowed |= {f"model.options.{option}" for row in rows for option in row.options}
    return one_of("field", path, allowed - {EPOCHS}, WHERE)


def _draw(trial: Trial, path: str, dimension: Range | Choices) -> Value:
    if not isinstance(dimension, Range):
        choice: Value = trial.suggest_categorical(path, dimension)
        return choice
    draw = trial.suggest_int if _is_whole(dimension) else trial.suggest_float
    number: Value = draw(path, dimension.low, dimension.high, log=dimension.log)
    return number


def _is_whole(dimension: Range) -> bool:
    return isinstance(dimension.low, int) and isinstance(dimension.high, int)


def _value_at(settings: Settings, path: str) -> Any:
    value: Any = settings._asdict()
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value


def _nearest(value: Any, dimension: Range | Choices) -> Value | None:
    if not isinstance(dimension, Range):
        return value if value in dimension else None
    if not isinstance(value, int | float):
        return None
    inside = min(max(value, dimension.low), dimension.high)
    return round(inside) if _is_whole(dimension) else inside
