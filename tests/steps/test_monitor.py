"""The steps of one look at the service, on a real registry and log; drift is found by the real tests."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

import steps.decide_retraining as decide_module
import steps.detect_drift as detect_module
import steps.read_service as read_module
from registry import champion, monitoring
from registry.drift_look import KEPT_PAGES, Look, pages_folder
from registry.pointer import ChampionPointer
from registry.prediction_files import kept_images_folder
from registry.prediction_rows import Answered
from registry.service_window import ServiceWindow
from registry.versions import register_version
from steps.tracking import Tracker
from tests.registry import fake_classifier as fake
from tests.registry.conftest import MODEL
from tests.registry.log_rows import make_prediction, write
from vision.drift.embedding import embed
from vision.drift.profile import Answering, Profile
from vision.drift.properties import see_images
from vision.errors import ContractBreach
from vision.operation_config import AlertsConfig, MonitorConfig, RetrainConfig
from vision.retraining import RetrainingDecision

NOW = datetime.now(UTC)
# At 5 % a permutation test needs fewer draws.
CONFIG = MonitorConfig(least_answers=20, most_images=60, permutations=100, false_alarms=0.05)
CLASSIFIER = fake.make_classifier(0.05)


@pytest.fixture(autouse=True)
def logged(monkeypatch):
    """What the steps log as metadata, where there is no run to log it to."""
    entries = []
    for module in (read_module, detect_module, decide_module):
        monkeypatch.setattr(module, "log_metadata", entries.append)
    return entries


def draw_images(seed, *, shift=0.0):
    """Sixty small PNGs of any colour, `shift` levels darker."""
    random = np.random.default_rng(seed)
    for colour in random.integers(60, 250, (60, 1, 1, 3)):
        noise = random.normal(colour - shift, 20, (8, 8, 3)).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "PNG")
        yield buffer.getvalue()


def profile_of(images):
    seen = see_images(images, CLASSIFIER.preprocessing)
    judgement = CLASSIFIER.judge(CLASSIFIER.logits(seen.pixels))
    return Profile(
        judgement.probabilities, judgement.energy, np.ones(60, bool), np.zeros(0, bool), seen.properties,
        embed(CLASSIFIER, seen.pixels), Answering(CLASSIFIER.class_names),
    )  # fmt: skip


@pytest.fixture(scope="module")
def reference():
    return profile_of(draw_images(0))


@pytest.fixture
def version(workspace, reference):
    """A champion that knows what its validation images were like."""
    made = register_version(
        workspace, MODEL, CLASSIFIER, samples=fake.make_samples(), lineage=fake.make_lineage("c"),
        metrics=fake.METRICS, reference=reference,
    )  # fmt: skip
    champion.promote(workspace, MODEL, made.version, who="test", why="test")
    return made


def serve(workspace, version, images, **changes):
    """Logs the answers of the last minutes, and keeps every image."""
    rows = []
    for number, data in enumerate(images):
        pixels = CLASSIFIER.preprocessing.apply(data)[None]
        judgement = CLASSIFIER.judge(CLASSIFIER.logits(pixels))
        name = CLASSIFIER.class_names[int(judgement.probabilities.argmax())]
        pointer = ChampionPointer(MODEL, version.version, version.digest)
        answered = Answered(pointer, "champion", "multi_class", CLASSIFIER.class_names, (name,))
        row = make_prediction(
            int(NOW.timestamp() * 1000) - 60_000 + number, number, answered=answered, abstain=False,
            sha256=f"{number:064x}", probabilities=judgement.probabilities[0], energy=judgement.energy[0],
        )  # fmt: skip
        rows.append(replace(row, **changes))
        path = kept_images_folder(workspace) / "date=today" / row.id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    write(workspace, *rows)


def look_once():
    window, _ = read_module.read_service.entrypoint(CONFIG, name=MODEL)
    return detect_module.detect_drift.entrypoint(window, CONFIG, seed=1)


def test_service_as_it_should_be_is_no_drift_and_a_point_in_mlflow(workspace, version):
    serve(workspace, version, draw_images(1))

    look, page = look_once()
    look_once()

    assert (look.verdict, look.answers, look.images) == ("no drift", 60, 60), look.reasons
    assert look.page.read_text() == str(page) and look.page.parent == workspace.reports / MODEL / "drift"
    tracker = Tracker.open(workspace, MODEL)
    [run] = tracker.client.search_runs([tracker.experiment_id])
    assert run.info.run_name == "monitoring version 1" and run.info.status == "FINISHED"
    assert len(tracker.client.get_metric_history(run.info.run_id, "answers")) == 2


def test_images_that_have_become_dark_are_drift(workspace, version):
    serve(workspace, version, draw_images(1, shift=50))

    look, _ = look_once()

    assert look.is_drift and any("brightness" in reason for reason in look.reasons), look.reasons


def test_an_empty_log_is_not_judged(workspace, version):
    look, _ = look_once()

    assert (look.verdict, look.answers) == ("not judged", 0)
    assert "monitor.least_answers" in look.reasons[0]


def test_answers_of_another_version_are_not_the_champions(workspace, version):
    serve(workspace, replace(version, version=7, digest="e" * 64), draw_images(1))

    assert look_once()[0].answers == 0


def test_without_a_champion_a_look_says_how_to_make_one(workspace):
    look, page = look_once()

    assert (look.verdict, look.version, look.page) == ("not judged", None, None)
    assert "`make train`" in look.reasons[0] and "make train" in page


def test_without_a_reference_a_look_says_how_to_make_one(workspace, register):
    made = register(0.05)
    champion.promote(workspace, MODEL, 1, who="test", why="test")
    serve(workspace, made, draw_images(1))

    look, _ = look_once()

    assert (look.verdict, look.answers) == ("not judged", 60)
    assert "`sightline retrain` makes a version that has one" in look.reasons[0]


def test_images_that_cannot_be_decoded_are_counted(workspace, version):
    serve(workspace, version, draw_images(1))
    for path in list(kept_images_folder(workspace).rglob("*"))[1:31]:
        path.write_bytes(b"\xff\xd8 no JPEG")

    look, _ = look_once()

    assert (look.images, look.unreadable, look.verdict) == (30, 30, "no drift"), look.reasons


def test_a_page_that_cannot_be_written_loses_no_finding(workspace, version, caplog):
    serve(workspace, version, draw_images(1, shift=50))
    workspace.reports.write_text("a file where the folder should be")

    look, page = look_once()

    assert look.is_drift and look.page is None and "<html" in page
    assert "the page of this look is not kept" in caplog.text


def test_the_newest_pages_are_kept(workspace, version):
    folder = pages_folder(workspace, MODEL)
    folder.mkdir(parents=True)
    for number in range(KEPT_PAGES):
        (folder / f"2020-01-01T00-00-00.{number:06}Z.html").touch()

    look, _ = look_once()

    pages = sorted(path.name for path in folder.iterdir())
    assert len(pages) == KEPT_PAGES and pages[0].endswith("000001Z.html") and pages[-1] == look.page.name


def test_answers_that_break_their_contract_stop_the_look(workspace, version):
    serve(workspace, version, draw_images(1), probabilities=np.array([0.9, 0.9, 0.9], np.float32))

    with pytest.raises(ContractBreach, match=r"answers of colours version 1: .*do not sum to 1"):
        look_once()


@pytest.fixture
def told(monkeypatch):
    """The alerts; a retraining is due whenever there is drift."""
    alerts = []
    monkeypatch.setattr(decide_module, "alert", lambda on, kind, **words: alerts.append((on, kind, words)))
    monkeypatch.setattr(monitoring, "last_registered", lambda *_: None)
    return alerts


def decide(verdict, digest="d"):
    look = Look(
        model=MODEL,
        version=1,
        digest=digest,
        since=NOW,
        until=NOW,
        verdict=verdict,
        reasons=("it is darker",),
    )
    alerts = AlertsConfig(kinds=("drift",))
    return decide_module.decide_retraining.entrypoint(look, RetrainConfig(), alerts)


def test_drift_is_recorded_and_told_once_while_it_lasts(workspace, told):
    for verdict in ("no drift", "drift", "drift", "no drift", "drift"):
        decide(verdict)
    decide("drift", digest="e")  # of the next champion

    [first, *_] = told
    assert len(told) == 3 and first[:2] == (("drift",), "drift")
    assert first[2]["title"] == "colours version 1: drift" and "it is darker" in first[2]["text"]
    assert len(monitoring.read_looks(workspace, MODEL)) == 6


def test_the_decision_travels_with_the_look(workspace, told, logged):
    decision = decide("drift")

    assert decision == RetrainingDecision(trigger="drift", reason="drift: it is darker")
    assert monitoring.read_looks(workspace, MODEL)[-1].decision == decision
    assert logged == [{"trigger": "drift", "reason": "drift: it is darker"}]


def test_a_window_is_of_the_days_that_are_asked_for(workspace, version):
    window, _ = read_module.read_service.entrypoint(MonitorConfig(days=0.5), name=MODEL)

    assert isinstance(window, ServiceWindow) and (window.version, window.digest) == (1, version.digest)
    assert window.until - window.since == timedelta(hours=12)
