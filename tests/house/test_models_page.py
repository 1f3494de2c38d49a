"""docs/models.md says what the reference's networks are made of; Keras counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models import ARCHITECTURES

PAGE = (Path(__file__).resolve().parents[2] / "docs/models.md").read_text()
CLASSES = 10


def rows(heading: str) -> list[tuple[str, int]]:
    """Output and parameters of each row of the table below a heading."""
    section = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    found = re.findall(r"^\| .* \| ([\d x,]+) \| ([\d,]+) \|$", section, re.MULTILINE)
    return [(output, int(parameters.replace(",", ""))) for output, parameters in found]


@pytest.mark.parametrize("name", ["reference_a", "reference_b"])
def test_tables_of_layers_are_kerass(name) -> None:
    described = rows(f"CNN {name[-1].upper()} of the reference")
    network = ARCHITECTURES[name].build((224, 224, 3), CLASSES)
    shapes = {" x ".join(f"{side:,}" for side in layer.output.shape[1:]) for layer in network.layers}

    assert {output for output, _ in described} <= shapes
    assert sum(parameters for _, parameters in described) == network.count_params()
