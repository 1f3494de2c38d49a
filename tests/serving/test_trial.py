"""The second blessing: given to what answers as its bundle does and to nothing else; nothing runs on."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil
import pytest

from registry.bundles import store_bundle
from registry.pointer import ChampionPointer, bundle_path
from serving.bento import trial
from serving.bento.build import build_bento
from serving.bento.sandbox import started
from serving.bento.trial import Question, ask, choose_images, make_questions, try_bento
from serving.versions.embedded import BUNDLE, FOLDER, EmbeddedSource
from vision.classifier import ImageClassifier
from vision.errors import BundleError
from vision.manifest import Manifest
from vision.promotion.blessing import Blessing

TAG = "sightline-digits:1"
PATIENT = 300  # seconds: the machine of a test may be busy


@pytest.fixture(scope="module")
def built(make_registry, tmp_path_factory):
    """A registry with version 1 and a store with its Bento; no test changes them."""
    registry = make_registry(tmp_path_factory.mktemp("trial") / "workspace")
    registry.store(1)
    home = registry.workspace.bentoml
    assert build_bento(bundle_of(registry), model="digits", version=1, bento_home=home) == TAG
    return registry


def bundle_of(registry, version: int = 1) -> Path:
    return bundle_path(registry.workspace, "digits", version)


def running(store: Path) -> list[psutil.Process]:
    """Processes that serve from the store, whoever started them."""
    processes = psutil.process_iter(["environ"])
    return [one for one in processes if (one.info["environ"] or {}).get("BENTOML_HOME") == str(store)]


def test_a_bento_that_answers_as_its_bundle_is_blessed(built, encoded, monkeypatch) -> None:
    """Whatever this process is told of proxies, keys and homes."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "SIGHTLINE_REDIS_URL", "SIGHTLINE_KEYS_FILE", "BENTOML_PORT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    store, images = built.workspace.bentoml, {"a photo": encoded["photo.jpg"], "again": encoded["photo.jpg"]}
    before = sorted(built.workspace.root.rglob("*.parquet"))

    blessing = try_bento(TAG, bundle=bundle_of(built), images=images, bento_home=store, seconds=PATIENT)

    assert (blessing.given, blessing.reasons) == (True, ())
    assert blessing.asked == 16 + 2  # the hostile images of vision.golden, and ours
    assert 0.3 < blessing.ready_seconds < PATIENT
    assert 0.1 < blessing.p50_ms < 10_000
    assert 30 < blessing.megabytes < 2_000
    assert not running(store)
    assert sorted(built.workspace.root.rglob("*.parquet")) == before


def test_a_bento_that_loads_but_answers_wrongly_is_not_blessed(built, encoded, tmp_path) -> None:
    """Its bundle was sealed again, golden answers and all, with another temperature."""
    store = shutil.copytree(built.workspace.bentoml, tmp_path / "store")
    code = store / "bentos/sightline-digits/1/src" / FOLDER
    classifier = ImageClassifier.load(bundle_of(built)).with_temperature(0.3)
    shutil.rmtree(code / BUNDLE)
    other = replace(built, workspace=type(built.workspace)(tmp_path / "other"))
    digest = store_bundle(other.workspace, "digits", 1, classifier, samples={}, description={})
    shutil.copytree(bundle_of(other), code / BUNDLE)
    EmbeddedSource(code).write_pointer(ChampionPointer("digits", 1, digest))
    images = {"a photo": encoded["photo.jpg"]}

    blessing = try_bento(TAG, bundle=bundle_of(built), images=images, bento_home=store, seconds=PATIENT)

    assert not blessing.given
    assert blessing.ready_seconds is not None
    assert "golden noise.png: probabilities differ by" in blessing.reasons[0]
    assert not running(store)


def test_a_bento_that_ends_is_not_blessed(tmp_path, built) -> None:
    """There is none in that store."""
    options = {"bundle": bundle_of(built), "images": {}, "bento_home": tmp_path}

    blessing = try_bento(TAG, seconds=PATIENT, **options)

    assert not blessing.given
    assert f"{TAG} ended with status 1: " in blessing.reasons[0]
    assert f"'{TAG}' is not found in BentoML store" in blessing.reasons[0]


def test_a_bento_that_takes_too_long_is_not_blessed_and_killed(built) -> None:
    store = built.workspace.bentoml

    blessing = try_bento(TAG, bundle=bundle_of(built), images={}, bento_home=store, seconds=0.2)

    assert not blessing.given
    assert blessing.ready_seconds is None
    assert f"{TAG} was not ready within 0.2 s (nothing answered): " in blessing.reasons[0]
    assert not running(store)


def test_an_error_during_the_trial_leaves_nothing_running(built) -> None:
    store = built.workspace.bentoml
    with pytest.raises(KeyboardInterrupt), started(TAG, bento_home=store, variables={}) as bento:
        assert running(store)
        raise KeyboardInterrupt

    assert not running(store)
    assert not bento.home.exists()


def test_an_altered_bundle_is_no_ground_for_questions(registry) -> None:
    registry.store(1)
    (bundle_of(registry) / "model.bin").write_bytes(b"altered")

    with pytest.raises(BundleError, match="altered"):
        try_bento(TAG, bundle=bundle_of(registry), images={}, bento_home=registry.workspace.bentoml)


def test_questions_are_golden_answers_and_the_bundles_own(built, encoded) -> None:
    classifier = ImageClassifier.load(bundle_of(built))

    questions = {one.name: one for one in make_questions(bundle_of(built), {"ours": encoded["photo.jpg"]})}

    for name, image in (("ours", encoded["photo.jpg"]), ("golden cmyk.jpg", None)):
        question = questions[name]
        expected = dict(
            zip(classifier.class_names, classifier.classify(question.image).tolist(), strict=True)
        )
        assert question.expected == pytest.approx(expected, abs=1e-5)
        assert image in (None, question.image)


CAT = {"cat": 0.7, "dog": 0.2, "ant": 0.1}
Reply = Callable[[int], httpx.Response]


def answered(probabilities: dict[str, float | None], **changes: Any) -> Reply:
    """Every answer the same, as /v1/classify gives it."""
    classes = [{"name": name, "probability": value} for name, value in probabilities.items()]
    milliseconds = {"queue": 0, "decode": 0, "infer": 0, "total": 0}
    body = {"id": "0" * 32, "model": "Pets", "version": 3, "arm": "champion", "task": "multi_class"}
    body |= {"class": "cat", "classes": classes, "uncertainty": None, "cached": False}
    content = json.dumps(body | {"milliseconds": milliseconds} | changes).encode()
    return lambda number: httpx.Response(200, content=content)


def asked(reply: Reply, questions: int = 8) -> Blessing:
    """The blessing of a service that gives these replies, numbered from 0 after those that warm it."""
    count = iter(range(-trial.WARMING, 1000))
    transport = httpx.MockTransport(lambda request: reply(next(count)))
    put = [Question(f"image {number}", b"image", CAT) for number in range(questions)]
    return ask("http://service", put, tag="sightline-pets:3", transport=transport)


def test_right_answers_are_blessed() -> None:
    blessing = asked(answered(CAT))

    assert (blessing.given, blessing.reasons, blessing.asked) == (True, (), 8)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answered(CAT | {"cat": 0.721}), "image 0: probabilities differ by 0.021 "),
        (answered({"cat": 0.7, "dog": 0.2}), "image 0: probabilities differ by nan "),
        (answered(CAT | {"dog": None}), "image 0: probabilities differ by nan "),
        (answered(CAT, version=2), "image 0 was answered by sightline-pets:2, not by sightline-pets:3"),
        (answered(CAT, model="cars"), "image 0 was answered by sightline-cars:3"),
        (lambda number: httpx.Response(200, json={"ok": True}), "image 0 was not answered: KeyError"),
        (lambda number: httpx.Response(200, content=b"<html>"), "image 0 was not answered: "),
        (lambda number: httpx.Response(503, content=b"busy"), "image 0 was not answered: busy"),
        (
            lambda number: httpx.Response(500, json={"error": {"code": "c", "message": "m"}}),
            "m (c, HTTP 500)",
        ),
    ],
)
def test_one_fault_of_any_kind_is_told_and_not_blessed(reply, words) -> None:
    blessing = asked(reply, questions=1)

    assert not blessing.given
    assert words in blessing.reasons[0]


@pytest.mark.parametrize(("probability", "is_given"), [(0.7199, True), (0.6801, True), (0.6799, False)])
def test_the_tolerance_is_that_of_golden_vectors(probability, is_given) -> None:
    assert asked(answered(CAT | {"cat": probability})).given == is_given


def test_one_wrong_answer_among_many_is_enough() -> None:
    right, wrong = answered(CAT), answered(CAT | {"cat": math.nan})
    blessing = asked(lambda number: (wrong if number == 5 else right)(number))

    assert not blessing.given
    assert (blessing.asked, len(blessing.reasons)) == (8, 1)
    assert blessing.reasons[0].startswith("image 5: ")


def test_few_of_many_reasons_are_shown() -> None:
    reasons = asked(answered(CAT, version=4), questions=12).reasons

    assert len(reasons) == trial.SHOWN + 1
    assert reasons[-1] == "and 7 more"


def test_a_service_that_is_gone_is_asked_nothing_more() -> None:
    def reply(number: int) -> httpx.Response:
        if number >= 2:
            raise httpx.ReadTimeout("stuck")
        return answered(CAT)(number)

    blessing = asked(reply)

    assert (blessing.given, blessing.asked, len(blessing.reasons)) == (False, 3, 1)
    assert "image 2 was not answered: " in blessing.reasons[0]


@pytest.mark.parametrize(("images", "chosen"), [(0, 0), (5, 5), (100, trial.REAL_IMAGES)])
def test_images_are_chosen_by_seed(tmp_path, images, chosen) -> None:
    paths = [f"{number}.png" for number in range(images)]
    for path in paths:
        (tmp_path / path).write_text(path)
    manifest = Manifest(str(tmp_path), pd.DataFrame({"path": pd.Series(paths, dtype=str)}))

    found = choose_images(manifest, seed=1)

    assert len(found) == chosen
    assert all(data == path.encode() for path, data in found.items())
    assert found == choose_images(manifest, seed=1)
    assert images < 10 or found != choose_images(manifest, seed=2)
