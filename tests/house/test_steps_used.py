"""One step a file, named after it, and no step that no pipeline takes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Beside the steps; see the docstring of the package.
NO_STEPS = {"__init__", "materializers", "tracking"}
FILES = sorted(path for path in (ROOT / "steps").glob("*.py") if path.stem not in NO_STEPS)

every_step = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def steps_in(path: Path) -> list[str]:
    """Names of the functions under `@step` or `@step(...)`."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return [function.name for function in functions if any(map(is_step, function.decorator_list))]


def is_step(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(named, ast.Name) and named.id == "step"


def calls_in(path: Path) -> set[str]:
    """Names that are called as they are, `f(...)`."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


@every_step
def test_file_has_one_step_of_its_name(path: Path) -> None:
    assert steps_in(path) == [path.stem]


@every_step
def test_step_is_taken_by_a_pipeline(path: Path) -> None:
    pipelines = sorted((ROOT / "pipelines").glob("*.py"))
    assert any(path.stem in calls_in(pipeline) for pipeline in pipelines)


@pytest.mark.parametrize("name", sorted(NO_STEPS))
def test_other_files_hold_no_step(name: str) -> None:
    assert steps_in(ROOT / "steps" / f"{name}.py") == []
