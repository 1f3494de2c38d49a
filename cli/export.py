"""`sightline export BUNDLE --format FORMAT`: a model in the formats of other engines, each proven equal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.bundles import Bundle, BundleName, find_bundle
from cli.options import AsJson
from cli.output import fail, show_json
from vision.errors import ConfigError, one_of

if TYPE_CHECKING:
    from vision.exporting.checked import Exported

ALL = "all"

Formats = Annotated[
    list[str], typer.Option("--format", help="may be given several times; all: every one that can be made")
]
Output = Annotated[Path, typer.Option("--output", help="where each format gets a folder of its own")]
CalibrationFolder = Annotated[
    Path | None, typer.Option("--calibration", help="training images for int8; else the model's own")
]


def export(
    bundle: BundleName,
    formats: Formats,
    output: Output = Path("exports"),
    calibration: CalibrationFolder = None,
    as_json: AsJson = False,
) -> int:
    """Export a model: Keras, HDF5, SavedModel, ONNX, OpenVINO, LiteRT, TensorRT; 1 where one fails."""
    names, source = _chosen(formats), find_bundle(bundle)
    rows: list[dict[str, Any]] = []
    for row in _exports(names, source, output, calibration, is_all=ALL in formats):
        rows.append(row)
        if not as_json:
            typer.echo(_line(row))
    failed = [str(row["format"]) for row in rows if row["status"] == "failed"]
    if as_json:
        show_json({"bundle": source.folder, "exports": rows})
    elif failed:
        return fail(
            f"{len(failed)} of {len(rows)} formats failed: {', '.join(failed)}", status=1, as_json=False
        )
    return 1 if failed else 0


def _exports(
    names: Sequence[str], source: Bundle, output: Path, calibration: Path | None, *, is_all: bool
) -> Iterator[dict[str, Any]]:
    """A row a format, as soon as it is made. What the converters print goes to standard error."""
    with redirect_stdout(sys.stderr):
        from vision.exporting.checked import export_checked
        from vision.exporting.files import ExportSkipped
        from vision.exporting.formats import keras_original
        from vision.exporting.images import parity_images

        classifier = keras_original(source.folder)
        pixels = parity_images(source.folder, classifier.preprocessing)
        images = source.calibration(classifier.preprocessing, calibration)
    for name in names:
        try:
            with redirect_stdout(sys.stderr):
                made = export_checked(name, classifier, output / name, calibration=images, pixels=pixels)
            yield {"format": name, "status": "written", **_facts(made)}
        except ExportSkipped as error:
            yield {"format": name, "status": "skipped" if is_all else "failed", "reason": str(error)}
        except Exception as error:  # a converter raises what it likes; the other formats go on
            yield {"format": name, "status": "failed", "reason": _first_line(error)}


def _facts(made: Exported) -> dict[str, Any]:
    parity = made.parity and {**made.parity.model_dump(), "difference": made.parity.difference}
    return {"path": made.path, "size_bytes": made.size_bytes, "parity": parity}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _line(row: dict[str, Any]) -> str:
    start = f"{row['format']:<14}{row['status']}: "
    if row["status"] != "written":
        return start + str(row["reason"])
    parity = row["parity"]
    compared = "nothing here runs it, so it was not compared"
    if parity:
        compared = (
            f"{parity['judged']} difference of probabilities {parity['difference']:.2g} (allowed:"
            f" {parity['tolerance']:g}), same answer on {parity['same_answer']:.1%} of images"
        )
    return f"{start}{row['path']}, {row['size_bytes'] / 1e6:.2f} MB, {compared}"


def _chosen(formats: Sequence[str]) -> list[str]:
    from vision.exporting.formats import FORMATS

    for name in formats:
        if name not in (*FORMATS, ALL):
            raise ConfigError(one_of("format", name, (*FORMATS, ALL), "--format"))
    return [name for name in FORMATS if name in formats or ALL in formats]
