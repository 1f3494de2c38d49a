"""Prediction sets, fitted by MAPIE to images that the temperature has not seen.

Split conformal prediction (Vovk et al. 2005; Angelopoulos & Bates 2021, A Gentle Introduction). MAPIE's
conformity scores are called without its SplitConformalClassifier, which refuses aps and raps for two
classes, has no sets with a promise for each class, and wants two images of every class for raps.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.config import CalibrateConfig
from vision.task import Labels, Probabilities
from vision.uncertainty.rules import UNREACHABLE, SetMethod, SetRule, in_double

logger = logging.getLogger(__name__)

# Of the images, those that choose raps' penalty; MAPIE's default (RAPSConformityScore, size_raps).
TUNING_SHARE = 0.2


class Halves(np.random.RandomState):
    """In place of MAPIE's draws: of each image's class a half counts, as in SetRule."""

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.full(size, (low + high) / 2)


@dataclass(frozen=True)
class Scores:
    """How far each image's class was from being first, (n,), and the labels (n,) of these images."""

    scores: NDArray[np.float64]
    labels: Labels
    penalty: float = 0.0
    free_classes: float = 0.0


def fit_sets(
    probabilities: Probabilities,
    labels: Labels,
    config: CalibrateConfig,
    *,
    class_names: Sequence[str],
    seed: int,
) -> SetRule | None:
    """The rule whose sets hold the class of a new image in config.coverage of cases; None for sets: none.

    The promise is for images that are exchangeable with these (N, K), (N,): drawn as they were, and not
    seen by whatever made the probabilities. With fewer than 1 / (1 - coverage) - 1 images, all or of a
    class where the promise is for each, no number can be promised: then every set holds every class, or
    that class, and the log says so.
    """
    if config.sets == "none":
        return None
    found = _scores(config.sets, in_double(probabilities), labels, coverage=config.coverage, seed=seed)
    groups = found.labels[:, None] == np.arange(len(class_names)) if config.per_class else None
    members = [found.scores] if groups is None else [found.scores[column] for column in groups.T]
    limits = tuple(_limit(scores, config.coverage) for scores in members)
    _warn(limits, config, class_names)
    return SetRule(
        method=config.sets,
        coverage=config.coverage,
        limits=limits,
        penalty=found.penalty,
        free_classes=found.free_classes,
    )


def images_needed(coverage: float) -> int:
    """The fewest images from which a coverage below 1 can be promised: 9 for 0.9, 19 for 0.95."""
    return math.ceil(round(1 / (1 - coverage) - 1, 9))


def _limit(scores: NDArray[np.float64], coverage: float) -> float:
    """The conformal quantile of scores (n,): the ceil((n + 1) * coverage)-th smallest."""
    from mapie.conformity_scores import LACConformityScore

    if len(scores) < images_needed(coverage):
        return UNREACHABLE
    quantiles = LACConformityScore().get_conformity_score_quantiles
    return float(quantiles(scores[:, None], np.array([1 - coverage]), cv="prefit")[0])


def _scores(
    method: SetMethod, probabilities: NDArray[np.float64], labels: Labels, *, coverage: float, seed: int
) -> Scores:
    from mapie.conformity_scores import APSConformityScore, LACConformityScore

    if method == "lac":
        score = LACConformityScore()
        return Scores(score.get_conformity_scores(labels, probabilities, y_enc=labels)[:, 0], labels)
    # MAPIE makes one column of the labels of two classes: a third, impossible class changes no sum.
    missing = max(0, 3 - probabilities.shape[1])
    padded = np.pad(probabilities, ((0, 0), (0, missing)))
    if method == "raps":
        return _raps(padded, labels, coverage=coverage, seed=seed)
    score = APSConformityScore()
    score.set_external_attributes(classes=np.arange(padded.shape[1]), random_state=Halves())
    return Scores(score.get_conformity_scores(labels, padded, y_enc=labels)[:, 0], labels)


class _Given:
    """MAPIE's idea of a fitted model, for which an image is its own probabilities."""

    @property
    def single_estimator_(self) -> _Given:
        return self

    def predict_proba(self, probabilities: NDArray[Any]) -> NDArray[Any]:
        return probabilities


def _raps(probabilities: NDArray[np.float64], labels: Labels, *, coverage: float, seed: int) -> Scores:
    """Some of the images choose penalty and free classes, the others are scored with them."""
    from mapie.conformity_scores import RAPSConformityScore

    order = np.random.default_rng(seed).permutation(len(labels))
    tuning, rest = np.split(order, [round(TUNING_SHARE * len(labels))])
    if len(tuning) < 1 / (1 - coverage):  # so few that MAPIE refuses them
        return Scores(np.zeros(0), np.zeros(0, labels.dtype))
    score = RAPSConformityScore()
    score.set_external_attributes(classes=np.arange(probabilities.shape[1]), random_state=Halves())
    score.set_ref_predictor(_Given())
    # In place of split_data, whose stratified draw fails on a class of one image.
    score.X_raps, score.y_raps, score.y_raps_no_enc = probabilities[tuning], labels[tuning], labels[tuning]
    plain = score.get_conformity_scores(labels[rest], probabilities[rest], y_enc=labels[rest])
    score.get_conformity_score_quantiles(plain, np.array([1 - coverage]), cv="prefit")  # sets the two below
    penalty, free_classes = float(score.lambda_star), float(score.k_star[0])
    # The scores with the penalty, algorithm 2 of the paper; score.cutoff is the rank of the image's class.
    penalised = plain[:, 0] + penalty * np.maximum(0, score.cutoff - free_classes)
    return Scores(penalised, labels[rest], penalty, free_classes)


def _warn(limits: Sequence[float], config: CalibrateConfig, class_names: Sequence[str]) -> None:
    out_of_reach = np.flatnonzero(np.array(limits) == UNREACHABLE)
    if not len(out_of_reach):
        return
    names = [class_names[index] for index in out_of_reach[:5]] if config.per_class else []
    more = f" and {len(out_of_reach) - 5} more" if len(out_of_reach) > 5 else ""
    logger.warning(
        "too few validation images%s to promise that %g %% of the sets hold the image's class: every set"
        " holds %s; %d such images are needed in the half that fits the sets%s, so raise"
        " config.split.validation or lower config.calibrate.coverage",
        f" of {', '.join(names)}{more}" if names else "",
        100 * config.coverage,
        "these classes" if names else "every class",
        images_needed(config.coverage),
        f" ({100 * TUNING_SHARE:g} % of it for choosing the penalty)" if config.sets == "raps" else "",
    )
