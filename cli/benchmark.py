"""`sightline benchmark BUNDLE`: what each format of a model costs on this machine, measured side by side."""

from __future__ import annotations

import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.bundles import Bundle, BundleName, find_bundle
from cli.options import AsJson
from cli.output import show_json

if TYPE_CHECKING:
    from vision.classifier import ImageClassifier
    from vision.exporting.measuring import FormatMeasurement
    from vision.prepared import LabelledImages

PICTURE = "formats.png"

Images = Annotated[
    Path | None,
    typer.Option("--images", help="labelled images to judge on, a folder a class; else the model's own test"),
]
CalibrationFolder = Annotated[
    Path | None, typer.Option("--calibration", help="training images for int8; else the model's own")
]
Output = Annotated[Path, typer.Option("--output", help=f"folder in which {PICTURE} is written")]


def benchmark(
    bundle: BundleName,
    images: Images = None,
    calibration: CalibrationFolder = None,
    output: Output = Path(),
    as_json: AsJson = False,
) -> None:
    """Measure every format of a model: size, accuracy, time, throughput, memory. Takes minutes."""
    source = find_bundle(bundle)
    with redirect_stdout(sys.stderr):  # converters talk
        measured = _measured(source, images, calibration)
        output.mkdir(parents=True, exist_ok=True)
        from vision.exporting.measured_table import write_picture

        write_picture(measured, output / PICTURE)
    if as_json:
        rows = [row.model_dump() for row in measured]
        show_json({"bundle": source.folder, "formats": rows, "picture": output / PICTURE})
    else:
        _show(measured, output / PICTURE)


def _measured(source: Bundle, images: Path | None, calibration: Path | None) -> list[FormatMeasurement]:
    from vision.exporting.formats import keras_original
    from vision.exporting.images import parity_images
    from vision.exporting.measuring import measure_formats

    classifier = keras_original(source.folder)
    with tempfile.TemporaryDirectory() as folder:
        return measure_formats(
            classifier,
            Path(folder),
            calibration=source.calibration(classifier.preprocessing, calibration),
            pixels=parity_images(source.folder, classifier.preprocessing),
            test=_test(source, classifier, images),
            on_format=lambda name: typer.echo(f"benchmark: {name}", err=True),
        )


def _test(source: Bundle, classifier: ImageClassifier, folder: Path | None) -> LabelledImages | None:
    from vision.exporting.images import read_labelled

    if folder is not None:
        return read_labelled(folder, classifier)
    prepared = source.prepared()
    return None if prepared is None else prepared.labelled("test")


def _show(measured: list[FormatMeasurement], picture: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from vision.exporting.measured_table import failures, table_rows

    head, *rows = table_rows(measured)
    table = Table(box=None)
    for number, title in enumerate(head):
        table.add_column(title, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(soft_wrap=True).print(table)
    for line in (*failures(measured), f"picture: {picture}"):
        typer.echo(line)
