"""What a classifier says of its doubt: by its rules, the same after a bundle's way to disk and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_expit, logsumexp, softmax

from tests.registry import fake_classifier
from tests.unit.simulated_answers import classifier_of
from vision.bundle import DESCRIPTION
from vision.classifier import ImageClassifier
from vision.runtimes import RUNTIMES
from vision.uncertainty.rules import UNREACHABLE, SetRule, Uncertainty, energy

RULES = Uncertainty(
    sets=SetRule(method="raps", coverage=0.9, limits=(0.8, UNREACHABLE, 0.3), penalty=0.1, free_classes=2),
    target_error=0.01,
    abstain_below=0.7,
    unusual_above=-1.5,
)
# Probabilities 2/3, 1/4, 1/12, then 0.9, 0.05, 0.05; energies are -ln(12) and -ln(2).
LOGITS = np.log(np.array([[8, 3, 1], [1.8, 0.1, 0.1]], np.float32))


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch) -> ImageClassifier:
    monkeypatch.setitem(RUNTIMES, fake_classifier.NAME, fake_classifier.load)
    return fake_classifier.make_classifier()


def test_judgement_by_hand() -> None:
    lac = SetRule(method="lac", coverage=0.9, limits=(0.8,))
    rules = Uncertainty(sets=lac, abstain_below=0.7, unusual_above=-1.5)
    judgement = classifier_of(LOGITS).with_uncertainty(rules).judge(LOGITS)
    np.testing.assert_allclose(judgement.probabilities, [[8 / 12, 3 / 12, 1 / 12], [0.9, 0.05, 0.05]], 1e-6)
    assert judgement.sets.tolist() == [[True, True, False], [True, False, False]]
    assert judgement.abstains.tolist() == [True, False]
    np.testing.assert_allclose(judgement.energy, [-np.log(12), -np.log(2)], 1e-6)
    assert judgement.unusual.tolist() == [False, True]


@pytest.mark.parametrize("rules", [None, Uncertainty()])
def test_without_rules_the_answer_stands(rules: Uncertainty | None) -> None:
    classifier = classifier_of(LOGITS)
    judgement = (classifier.with_uncertainty(rules) if rules else classifier).judge(LOGITS)
    assert judgement.sets.tolist() == [[True, False, False]] * 2
    assert not judgement.abstains.any()
    assert not judgement.unusual.any()


def test_the_sets_of_labels_are_the_labels_given() -> None:
    classifier = classifier_of(LOGITS, "multi_label").with_thresholds([0.5, 0.75, 0.5])
    judgement = classifier.with_uncertainty(Uncertainty(unusual_above=-2)).judge(LOGITS)
    # Sigmoids of the logits are 8/9, 3/4, 1/2, then 9/14, 1/11, 1/11.
    assert judgement.sets.tolist() == [[True, True, True], [True, False, False]]
    assert not judgement.abstains.any()
    # The sums of ln(1 + odds) are ln(9 * 4 * 2) and ln(2.8 * 1.1 * 1.1).
    np.testing.assert_allclose(judgement.energy, [-np.log(72), -np.log(3.388)], 1e-6)
    assert judgement.unusual.tolist() == [False, True]


@pytest.mark.parametrize("classes", [1, 2, 1000])
def test_energy_is_that_of_scipy(classes: int) -> None:
    logits = np.random.default_rng(0).normal(0, 300, (50, classes)).astype(np.float32)
    exact = logits.astype(np.float64)
    np.testing.assert_allclose(energy(logits, "multi_class"), -logsumexp(exact, axis=1), 1e-12)
    np.testing.assert_allclose(energy(logits, "multi_label"), log_expit(-exact).sum(axis=1), 1e-12)


def test_energy_has_a_temperature_that_counts_the_greatest_logits_more() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 7))
    at_fifth = energy(logits, "multi_class", temperature=0.2)
    np.testing.assert_allclose(at_fifth, -0.2 * logsumexp(logits / 0.2, axis=1), 1e-12)
    np.testing.assert_allclose(energy(logits, "multi_class", temperature=1e-3), -logits.max(axis=1), 1e-9)


def test_an_image_is_judged_at_the_temperature_that_its_rules_name() -> None:
    rules = RULES.model_copy(update={"energy_temperature": 0.2})
    judgement = classifier_of(LOGITS).with_uncertainty(rules).judge(LOGITS)
    np.testing.assert_allclose(judgement.energy, energy(LOGITS, "multi_class", temperature=0.2), 1e-12)


def test_no_image_is_judged() -> None:
    judgement = classifier_of(LOGITS).with_uncertainty(RULES).judge(LOGITS[:0])
    assert judgement.sets.shape == judgement.probabilities.shape == (0, 3)
    assert judgement.abstains.shape == judgement.energy.shape == judgement.unusual.shape == (0,)


def test_an_unreachable_confidence_always_asks() -> None:
    certain = np.array([[1e4, 0, 0]], np.float32)
    always = Uncertainty(abstain_below=UNREACHABLE)
    assert classifier_of(certain).with_uncertainty(always).judge(certain).abstains.all()


def test_vectors_scale_each_class() -> None:
    classifier = classifier_of(LOGITS).with_temperature(3).with_vector([1, 2, 0.5], [0, -1, 1])
    expected = softmax(LOGITS * [1, 2, 0.5] + [0, -1, 1], axis=1)
    np.testing.assert_allclose(classifier.to_probabilities(LOGITS), expected, 1e-5)
    assert classifier.with_temperature(1).scales == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda classifier: classifier.with_temperature(2),
        lambda classifier: classifier.with_vector([1, 1, 1], [0, 0, 0]),
        lambda classifier: classifier.with_runtime(fake_classifier.FakeRuntime(2)),
    ],
    ids=["temperature", "vector", "runtime"],
)
def test_rules_go_with_the_logits_that_they_were_fitted_to(change) -> None:  # type: ignore[no-untyped-def]
    assert change(classifier_of(LOGITS).with_uncertainty(RULES)).uncertainty is None


def test_a_bundle_keeps_vector_and_rules(bundled: ImageClassifier, tmp_path: Path) -> None:
    saved = bundled.with_vector([1, 2, 0.5], [0.1, -1, 1]).with_uncertainty(RULES)
    saved.save(tmp_path / "bundle")
    loaded = ImageClassifier.load(tmp_path / "bundle")
    assert loaded == saved
    before, after = saved.judge(LOGITS), loaded.judge(LOGITS)
    for field in ("probabilities", "sets", "abstains", "energy", "unusual"):
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field))


def test_rules_are_plain_json(bundled: ImageClassifier, tmp_path: Path) -> None:
    everything = RULES.model_copy(update={"abstain_below": UNREACHABLE})
    bundled.with_uncertainty(everything).save(tmp_path / "bundle")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    text = (tmp_path / "bundle" / DESCRIPTION).read_text()
    written = json.loads(text, parse_constant=refuse)["uncertainty"]
    assert Uncertainty.model_validate(written) == everything


def test_a_bundle_of_before_there_were_rules_loads(bundled: ImageClassifier, tmp_path: Path) -> None:
    bundled.save(tmp_path / "bundle")
    path = tmp_path / "bundle" / DESCRIPTION
    old = json.loads(path.read_text())
    for name in ("task", "thresholds", "scales", "biases", "uncertainty"):
        del old[name]
    path.write_text(json.dumps(old))
    assert ImageClassifier.load(tmp_path / "bundle") == bundled


@pytest.mark.parametrize("fields", [{"scales": (1.0,)}, {"scales": (1.0,) * 3}, {"biases": (1.0,) * 3}])
def test_vectors_have_one_number_a_class(fields: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(AssertionError, match="scales and biases"):
        ImageClassifier(
            fake_classifier.FakeRuntime(), classifier_of(LOGITS).preprocessing, ("a", "b"), **fields
        )  # type: ignore[arg-type]
