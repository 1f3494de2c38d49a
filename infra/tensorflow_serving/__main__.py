"""`python -m infra.tensorflow_serving`: exports checked, laid side by side, and labelled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from vision.errors import ConfigError, SightlineError

P = ParamSpec("P")
R = TypeVar("R")

Export = Annotated[Path, typer.Argument(help="the folder that `sightline export --format saved_model` made")]
Model = Annotated[Path, typer.Argument(help="the model's folder, which has a folder a version")]
ConfigFile = Annotated[Path, typer.Option(help="the ModelServerConfig; other models in it stay")]
Base = Annotated[str | None, typer.Option(help="the model's folder as the server sees it")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _one_line(command: Callable[P, R]) -> Callable[P, R]:
    """The command, whose user's mistakes are one line on standard error, status 1."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return command(*arguments, **options)
        except SightlineError as error:
            sys.exit(str(error))

    return run


@app.command()
@_one_line
def check(export: Export) -> None:
    """Layout, signatures, warm-up, and the answers of TensorFlow's C library beside Python's."""
    from infra.tensorflow_serving.export_check import check_export
    from infra.tensorflow_serving.placing import TOLERANCE, compare_with_c_library

    checked = check_export(export)
    typer.echo(f"version {checked.version} of {export}")
    for name, signature in checked.signatures.items():
        sides = (", ".join(map(_described, side.items())) for side in (signature.inputs, signature.outputs))
        typer.echo(f"  {name}: {' -> '.join(sides)}")
    asked = ", ".join(request.model_spec.signature_name for request in checked.warm_up)
    typer.echo(f"  warm-up: {asked}")
    difference = compare_with_c_library(export, checked)
    typer.echo(f"  C library: differs by {difference:.2g} in a probability (allowed: {TOLERANCE:g})")


@app.command()
@_one_line
def place(export: Export, model: Model, version: Annotated[int, typer.Option()]) -> None:
    """Check an export and copy it to MODEL/VERSION, whole or not at all."""
    from infra.tensorflow_serving.placing import place_export

    typer.echo(f"placed: {place_export(export, model, version)}")


@app.command()
@_one_line
def label(
    model: Model,
    stable: Annotated[int, typer.Option(help="the version that answers")],
    canary: Annotated[int | None, typer.Option(help="the version that is tried")] = None,
    config: ConfigFile = Path("models.config"),
    base: Base = None,
) -> None:
    """Serve the labelled versions of MODEL, and no others, from the next time that the file is read."""
    from infra.tensorflow_serving.model_config import write_model

    labels = {"stable": stable} | ({} if canary is None else {"canary": canary})
    for name, version in labels.items():
        if not (model / str(version) / "saved_model.pb").is_file():
            raise ConfigError(f"no version {version} in {model}: place it there first, or set --{name}")
    typer.echo(write_model(config, model.name, base or str(model.resolve()), labels), nl=False)


def _described(item: tuple[str, object]) -> str:
    name, spec = item
    return f"{name} {tuple(spec.shape)} {spec.dtype.name}"  # type: ignore[attr-defined]


if __name__ == "__main__":
    app(prog_name="python -m infra.tensorflow_serving")
