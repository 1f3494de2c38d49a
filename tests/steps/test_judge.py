"""The gate's steps on a real registry: what is judged, what moves, what is told, whatever is broken."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

import steps.choose_candidate as choose_module
import steps.judge as judge_module
import steps.promote as promote_module
from registry import champion
from registry.pointer import bundle_path
from registry.versions import register_version
from tests.registry import fake_classifier as fake
from tests.registry.conftest import MODEL
from vision.errors import PromotionConflict, RegistryError, UnknownVersion
from vision.ingest import read_images
from vision.operation_config import AlertsConfig
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.promotion.blessing import Blessing
from vision.promotion.decision import PromotionRules
from vision.sources.listing import ListedImage, Listing

COLOURS = {"blue": (20, 20, 220), "green": (20, 220, 20), "red": (220, 20, 20)}
# 30 images answered alike: an interval of 1.96 / 32 each way, 6.1 points.
RULES = PromotionRules(max_accuracy_drop=10, max_ece=1)
GIVEN = Blessing(given=True, asked=3)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Ten test images of each colour."""
    folder = tmp_path_factory.mktemp("images")
    rows = []
    for label, colour in COLOURS.items():
        (folder / label).mkdir()
        for number in range(10):
            buffer = io.BytesIO()
            Image.new("RGB", (8 + number, 8), colour).save(buffer, "PNG")
            (folder / label / f"{number}.png").write_bytes(buffer.getvalue())
            rows.append(ListedImage(f"{label}/{number}.png", label, "test", len(buffer.getvalue()), 0))
    return read_images(
        Listing(str(folder), tuple(rows)), PixelStore(folder / "pixels", Preprocessing(image_size=(2, 2)))
    )


@pytest.fixture(autouse=True)
def logged(monkeypatch):
    """What the steps log as metadata, where there is no run to log it to."""
    entries = []
    for module in (judge_module, promote_module):
        monkeypatch.setattr(module, "log_metadata", entries.append)
    return entries


@pytest.fixture
def told(monkeypatch):
    """The alerts that were sent."""
    alerts = []
    monkeypatch.setattr(promote_module, "alert", lambda on, kind, **text: alerts.append((on, kind, text)))
    return alerts


@pytest.fixture
def register_blind(workspace):
    """Registers a classifier that takes red for green and green for red."""

    def register():
        classifier = replace(fake.make_classifier(), class_names=("green", "red", "blue"))
        lineage, samples = fake.make_lineage("blind"), fake.make_samples()
        return register_version(
            workspace, MODEL, classifier, samples=samples, lineage=lineage, metrics=fake.METRICS
        )

    return register


def crown(workspace, version):
    champion.promote(workspace, MODEL, version, who="me", why="because")


def judge(manifest, version, rules=RULES):
    return judge_module.judge.entrypoint(version, manifest, rules, name=MODEL)[0]


def promote(decision, version, blessing=GIVEN):
    return promote_module.promote.entrypoint(version, decision, blessing, name=MODEL, alerts=AlertsConfig())


def test_a_first_version_is_judged_and_promoted(workspace, register, manifest, logged, told):
    version = register(0.02).version
    decision, page = judge_module.judge.entrypoint(version, manifest, RULES, name=MODEL)
    assert (decision.action, decision.champion) == ("promote", None)
    assert champion.find_champion(workspace, MODEL) is None  # nothing was moved yet
    assert "| promote.min_accuracy | holds |" in page
    assert promote(decision, version) == decision
    assert champion.champion(workspace, MODEL).version == version
    [alert] = told
    assert alert[1:] == (
        "gate",
        {"title": "colours version 1, decision: promote", "text": decision.reasons[0]},
    )
    assert [entry["action"] for entry in logged] == ["promote", "promote"]


def test_the_ledger_remembers_gate_and_blessing(workspace, register, manifest, told):
    version = register(0.02).version
    promote(judge(manifest, version), version)
    [row] = champion.history(workspace, MODEL)
    assert (row.who, row.why) == ("the gate", "first champion, accuracy 1.0000 on 30 test images")
    gate = json.loads(row.gate)
    assert gate["decision"]["action"] == "promote" and gate["blessing"]["asked"] == 3


def test_an_equal_version_replaces_the_champion(workspace, register, manifest):
    crown(workspace, register(0.02).version)
    candidate = register(0.03).version
    decision = judge(manifest, candidate)
    assert (decision.action, decision.champion) == ("promote", 1)
    narrow = judge(manifest, candidate, RULES.model_copy(update={"max_accuracy_drop": 1.0}))
    assert narrow.action == "not_enough_data"


def test_a_worse_version_is_rejected_and_nothing_moves(workspace, register, register_blind, manifest, told):
    crown(workspace, register(0.02).version)
    decision = judge(manifest, register_blind().version)
    assert decision.action == "reject"
    failed = [check.rule for check in decision.checks if check.verdict == "fails"]
    assert failed == [
        "promote.min_accuracy", "promote.max_accuracy_drop", "promote.max_recall_drop"
    ]  # fmt: skip
    assert promote(decision, 2) == decision
    assert champion.champion(workspace, MODEL).version == 1
    assert told[0][2]["title"] == "colours version 2, decision: reject"


def test_no_blessing_no_promotion(workspace, register, manifest, told):
    version = register(0.02).version
    refused = promote(judge(manifest, version), version, Blessing(given=False, reasons=("it is mute",)))
    assert (refused.action, refused.reasons) == (
        "reject",
        ("its Bento was tried and not blessed: it is mute",),
    )
    assert champion.find_champion(workspace, MODEL) is None


def test_the_champion_is_not_judged_again_and_nobody_told(workspace, register, manifest, told):
    crown(workspace, register(0.02).version)
    decision = judge(manifest, 1)
    assert decision.reasons == ("version 1 is the champion already",)
    promote(decision, 1)
    assert told == []
    assert len(champion.history(workspace, MODEL)) == 1


def test_what_was_rolled_back_does_not_come_back_by_itself(workspace, register, manifest):
    crown(workspace, register(0.02).version)
    crown(workspace, register(0.03).version)
    champion.rollback(workspace, MODEL, who="ann", why="complaints")
    decision = judge(manifest, 2)
    assert decision.action == "reject"
    assert "rolled back by ann (complaints)" in decision.reasons[0]


def test_a_champion_that_moved_in_between_is_a_conflict(workspace, register, manifest, told):
    crown(workspace, register(0.02).version)
    decision = judge(manifest, register(0.03).version)
    crown(workspace, register(0.04).version)
    with pytest.raises(PromotionConflict, match="moved in between"):
        promote(decision, 2)
    assert champion.champion(workspace, MODEL).version == 3
    assert told == []


def test_a_candidate_whose_bundle_is_damaged_is_rejected(workspace, register, manifest):
    version = register(0.02).version
    (bundle_path(workspace, MODEL, version) / "fake.json").write_text('{"scale": 1}')
    decision = judge(manifest, version)
    assert decision.action == "reject"
    assert decision.reasons[0].startswith("version 1:") and "fake.json" in decision.reasons[0]


def test_a_candidate_that_loads_but_answers_wrongly_is_rejected(workspace, register, manifest, monkeypatch):
    version = register(0.02).version
    monkeypatch.setattr(fake.FakeRuntime, "logits", lambda self, images: -images.mean(axis=(1, 2)))
    decision = judge(manifest, version)
    assert decision.action == "reject" and "probabilities of golden image" in decision.reasons[0]


def test_a_champion_whose_files_are_gone_is_not_enough_data(workspace, register, manifest):
    crown(workspace, register(0.02).version)
    candidate = register(0.03).version
    (bundle_path(workspace, MODEL, 1) / "bundle.json").unlink()
    decision = judge(manifest, candidate)
    assert (decision.action, decision.champion) == ("not_enough_data", 1)
    assert "champion version 1 cannot be compared with" in decision.reasons[0]
    assert "`sightline promote 2`" in decision.reasons[0]


def test_a_version_that_is_not_registered_is_an_error(workspace, register, manifest):
    register(0.02)
    with pytest.raises(UnknownVersion, match="registered are 1"):
        judge(manifest, 9)


def test_promote_mends_what_a_killed_run_began(workspace, register, manifest, told):
    crown(workspace, register(0.02).version)
    pointer = workspace.registry / MODEL / "champion.json"
    pointer.unlink()
    promote(judge(manifest, 1), 1)
    assert json.loads(pointer.read_text())["version"] == 1


def choose(version=None):
    return choose_module.choose_candidate.entrypoint(MODEL, version)


def test_choose_candidate_takes_the_newest_that_is_not_champion(workspace, register):
    with pytest.raises(RegistryError, match="no version is registered"):
        choose()
    crown(workspace, register(0.02).version)
    with pytest.raises(UnknownVersion, match="only the champion is registered"):
        choose()
    register(0.03)
    register(0.04)
    assert (choose(), choose(2)) == (3, 2)
    crown(workspace, 3)
    assert choose() == 2
    with pytest.raises(UnknownVersion, match="no version 7"):
        choose(7)
