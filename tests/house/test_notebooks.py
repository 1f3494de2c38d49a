"""The notebooks: stored clean, and run from top to bottom in the workspace of one training."""

from __future__ import annotations

import ast
import os
import re
import shutil
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from tests.pipelines.conftest import Project, check_out

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NAMES = ("exploring_a_data_set", "comparing_models", "performance_analysis", "looking_at_predictions")
FEWEST_PICTURES = 3
# A network that has learned something after seconds, and is wrong now and then: mistakes are to be shown.
QUICK = {
    "tune": {"trials": 0},
    "model": {"name": "residual", "options": {"filters": 16}},
    "compress": {"runtimes": ["litert"]},
    "promote": {"min_accuracy": 0.3, "max_ece": 1.0},
}
QUICK_EPOCHS = 6


@pytest.fixture(params=NAMES)
def notebook(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=nbformat.NO_CONVERT)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_notebook_is_known() -> None:
    links = re.findall(r"\]\((\w+)\.ipynb\)", (FOLDER / "README.md").read_text())
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NAMES) == set(links)


def test_notebook_is_stored_clean(notebook: Any) -> None:
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(cell.execution_count is None and cell.outputs == [] for cell in code_cells(notebook))
    assert all(cell.metadata == {} for cell in notebook.cells)


def test_notebook_names_no_machine(notebook: Any) -> None:
    text = "\n".join(cell.source for cell in notebook.cells)
    assert re.findall(r"(?:/|[A-Z]:\\)(?:home|root|Users|tmp|work|mnt|opt)\b\S*", text) == []


def test_notebook_links_lead_somewhere(notebook: Any) -> None:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert [name for name in re.findall(r"\]\(([^)]+)\)", text) if not (FOLDER / name).exists()] == []


def test_notebook_parses_and_its_imports_exist(notebook: Any) -> None:
    trees = [ast.parse(cell.source) for cell in code_cells(notebook)]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import)]
    froms = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for name in (alias.name for node in imports for alias in node.names):
        import_module(name)
    for node in froms:
        module = import_module(str(node.module))
        assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@dataclass(frozen=True)
class Desk:
    """A checkout with notebooks, the workspace of its training, and a place for what Jupyter writes."""

    project: Project
    jupyter: Path

    def run(self, name: str, home: Path | None = None) -> Any:
        """The executed notebook; CellExecutionError where a cell raises."""
        from nbclient import NotebookClient

        folder = self.project.checkout / "notebooks"
        notebook = nbformat.read(folder / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
        client = NotebookClient(
            notebook, kernel_name="python3", timeout=900, resources={"metadata": {"path": str(folder)}}
        )
        return client.execute(env=self._environment(home or self.project.workspace.root))

    def _environment(self, home: Path) -> dict[str, str]:
        ours = {
            "SIGHTLINE_HOME": str(home),
            "ZENML_CONFIG_PATH": str(home / "zenml"),
            "BENTOML_HOME": str(home / "bentoml"),
            "IPYTHONDIR": str(self.jupyter / "ipython"),
        }
        dropped = ("MLFLOW_TRACKING_URI", "MPLBACKEND", "PYTHONPATH")
        return {key: value for key, value in os.environ.items() if key not in dropped} | ours


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One short training on digits, by the run file that the notebooks read."""
    project = Project(tmp_path_factory.mktemp("project"))
    check_out(project.checkout)
    shutil.copytree(FOLDER, project.checkout / "notebooks")
    document = yaml.safe_load((ROOT / "zenml_config.yaml").read_text())
    tree = document["parameters"]["config"] | QUICK
    tree["train"] = tree["train"] | {"epochs": QUICK_EPOCHS}
    text = yaml.safe_dump({"parameters": {"config": tree}})
    for file in (project.config, project.checkout / "zenml_config.yaml"):
        file.write_text(text)
    done = project.run()
    assert done.status == 0, done.log
    return Desk(project, tmp_path_factory.mktemp("jupyter"))


@pytest.fixture
def jupyter(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Jupyter writes nothing into the user's home."""
    for kind in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{kind}", str(desk.jupyter / kind.lower()))
    return desk


def pictures(executed: Any) -> int:
    outputs = [output for cell in code_cells(executed) for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_from_top_to_bottom(name: str, jupyter: Desk) -> None:
    assert pictures(jupyter.run(name)) >= FEWEST_PICTURES


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_registered_rival_is_compared(jupyter: Desk, tmp_path: Path) -> None:
    """The champion without its calibration, as version 2 of a copy of the workspace."""
    from registry.champion import champion
    from registry.versions import get_version, register_version
    from registry.workspace import Workspace
    from vision.classifier import ImageClassifier

    workspace = Workspace(Path(shutil.copytree(jupyter.project.workspace.root, tmp_path / "home")))
    first = get_version(workspace, "digits", champion(workspace, "digits").version)
    plain = ImageClassifier.load(first.bundle).with_temperature(3.0)
    register_version(
        workspace, "digits", plain,
        samples={}, metrics=first.metrics, lineage=replace(first.lineage, classifier_digest="another"),
        report=first.report,
    )  # fmt: skip
    executed = jupyter.run("comparing_models", home=workspace.root)
    assert pictures(executed) >= FEWEST_PICTURES
    assert "other versions: [2]" in str(executed.cells)
