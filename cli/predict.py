"""`sightline predict PATH...`: the answers for any number of images, as a folder of parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.bundles import find_bundle
from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from vision.batch.plan import BatchModel
    from vision.batch.summary import BatchSummary
    from vision.batch_config import BatchConfig

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATH]...", help="images, folders, globs in quotes, .parquet tables; local or URLs"
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="a model's name (its champion), NAME:VERSION, or a bundle's folder"),
]
Output = Annotated[
    str | None, typer.Option("--output", help="folder or URL; the same one again: goes on there")
]
EngineName = Annotated[str | None, typer.Option("--engine", help="processes (of this machine), or ray")]
Address = Annotated[str | None, typer.Option("--address", help="of the Ray cluster: auto, or HOST:PORT")]
Processes = Annotated[int | None, typer.Option("--processes", help="default: one a processor")]


def predict(
    paths: Paths = None,
    model: Model = None,
    output: Output = None,
    engine: EngineName = None,
    address: Address = None,
    processes: Processes = None,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Predict many images; goes on where it was killed. The rest is config.batch of the YAML."""
    from vision.batch.page import PAGE
    from vision.batch.plan import make_plan
    from vision.batch.run import predict_plan

    given = {"output": output, "engine": engine, "address": address, "processes": processes}
    settings, name = _settings(config, {"paths": tuple(paths or ()) or None, **given})
    plan = make_plan(settings, _model(model or name))
    summary = predict_plan(plan, settings)
    page = plan.folder.join(PAGE)
    if as_json:
        show_json(summary.model_dump() | {"page": page})
    else:
        show_rows(_rows(summary) | {"page": page})


def _settings(config: Path, given: dict[str, Any]) -> tuple[BatchConfig, str]:
    """config.batch with what was given in its place, and whose champion answers where no model is named."""
    from pydantic import ValidationError

    from vision.batch_config import BatchConfig
    from vision.config_file import load_config
    from vision.errors import ConfigError

    tree = load_config(config)
    name = tree.name if tree.batch.version is None else f"{tree.name}:{tree.batch.version}"
    chosen = {option: value for option, value in given.items() if value is not None}
    try:
        return BatchConfig(**tree.batch.model_dump() | chosen), name
    except ValidationError as error:
        detail = error.errors()[0]
        option = str(detail["loc"][0]) if detail["loc"] else ""
        raise ConfigError(f"--{option}: {detail['msg']}, received {detail['input']!r}") from error


def _model(name: str) -> BatchModel:
    from vision.batch.plan import BatchModel
    from vision.bundle import bundle_digest, open_bundle

    bundle = find_bundle(name)
    open_bundle(bundle.folder)  # a damaged one is told before anything is listed
    folder = bundle.folder.resolve()
    return BatchModel(
        folder=str(folder),
        name=bundle.model or str(folder),
        version=bundle.version or None,
        digest=bundle_digest(folder),
    )


def _rows(summary: BatchSummary) -> dict[str, object]:
    run = summary.last_run
    speed = f"{run.images_per_second:,.0f} images/s by {run.engine}"
    most = ", ".join(f"{name} {count:,}" for name, count in list(summary.classes.items())[:5])
    doubt = {"left to a person": summary.abstained, "unusual": summary.unusual}
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in list(summary.reasons.items())[:3])
    return {
        "model": summary.model,
        "images": f"{summary.images:,}, {summary.answered:,} answered",
        **({"named most": most} if most else {}),
        **{name: f"{count:,}" for name, count in doubt.items() if count is not None},
        **({"unreadable": f"{summary.unreadable:,}: {reasons}"} if reasons else {}),
        "last run": f"{run.images:,} images in {run.seconds:,.1f} s, {speed}",
        "answers": summary.output,
    }
