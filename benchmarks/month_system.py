"""The system whose month is simulated: a real registry, bundles, drift detection, training and gate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.month_versions import Data, Trained, encoded, profile, train
from registry.champion import promote
from registry.model_version import Lineage
from registry.versions import register_version
from registry.workspace import Workspace
from vision.comparison import in_classes
from vision.drift.detection import detect
from vision.image_array import ImageArray
from vision.intervals import estimate
from vision.metrics import measure
from vision.operation_config import MonitorConfig
from vision.prepared import LabelledImages
from vision.promotion.decision import PromotionDecision, decide
from vision.promotion.figures import Comparison, Figures, PairedCounts
from vision.promotion.rules import PromotionRules
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training_config import TrainConfig

NAME = "month"


class RealSystem:
    """Begins with `first` as champion version 1 of the workspace."""

    def __init__(
        self,
        workspace: Workspace,
        first: Trained,
        data: Data,
        *,
        class_names: Sequence[str],
        monitor: MonitorConfig,
        again: TrainConfig,
    ) -> None:
        self._workspace, self._data, self._class_names = workspace, data, tuple(class_names)
        self._monitor, self._again = monitor, again
        self.version = 0
        self._serve(first, self._register(first), why="the first", gate="")

    def answer(self, images: ImageArray) -> NDArray[np.intp]:
        return self._champion.answer(images)

    def look(self, images: ImageArray, *, day: int) -> tuple[str, ...]:
        now = profile(self._champion.classifier, images)
        report = detect(self._champion.reference, now, self._monitor, seed=day)
        return report.reasons if report.is_drift else ()

    def retrain(self, reviewed: LabelledImages) -> str:
        self._data = self._data.with_reviewed(reviewed)
        candidate = train(self._data, self._class_names, config=self._again, begin=self._champion.network)
        decision = self._judge(candidate)
        version = self._register(candidate)
        if decision.action == "promote":
            why = "; ".join(decision.reasons)
            self._serve(candidate, version, why=why, gate=decision.model_dump_json())
        return decision.action

    def _judge(self, candidate: Trained) -> PromotionDecision:
        judge, names = self._data.judge, self._class_names[: 1 + int(self._data.judge.labels.max())]
        was, now = (
            in_classes(each.classifier.predict(judge.images), each.classifier.class_names, names)
            for each in (self._champion, candidate)
        )
        figures = Figures(
            images=len(judge.labels),
            metrics={name: measure(name, judge.labels, now) for name in ("accuracy", "ece")},
        )
        before, after = (answers.argmax(axis=1) == judge.labels for answers in (was, now))
        everywhere = np.ones(len(before), np.bool_)
        present = np.unique(judge.labels)
        classes = (count_pairs(names[place], judge.labels == place, before, after) for place in present)
        found = Comparison(
            version=self.version,
            all_images=count_pairs("all images", everywhere, before, after),
            classes=tuple(classes),
        )
        return decide(figures, found, PromotionRules())

    def _register(self, trained: Trained) -> int:
        classifier, judge = trained.classifier, self._data.judge
        names = classifier.class_names
        known = np.flatnonzero(judge.labels < len(names))
        answers = classifier.predict(judge.images[known])
        return register_version(
            self._workspace,
            NAME,
            classifier,
            samples=dict(zip(("a.png", "b.png"), encoded(judge.images[:2]), strict=True)),
            lineage=Lineage(
                data_revision=hashlib.sha256(self._data.train.labels.tobytes()).hexdigest(),
                config_digest=hashlib.sha256(self._again.model_dump_json().encode()).hexdigest(),
                git_commit="unknown",
                classifier_digest=classifier.digest,
                parent=self.version or None,
            ),
            metrics={"accuracy": estimate("accuracy", judge.labels[known], answers)},
            network=replace(classifier, runtime=KerasRuntime(trained.network)),
            reference=trained.reference,
        ).version

    def _serve(self, trained: Trained, version: int, *, why: str, gate: str) -> None:
        expected = self.version or None
        promote(self._workspace, NAME, version, who="the month", why=why, gate=gate, expected=expected)
        self._champion, self.version = trained, version


def count_pairs(
    name: str, among: NDArray[np.bool_], before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> PairedCounts:
    return PairedCounts(
        name=name,
        images=int(among.sum()),
        lost=int((among & before & ~after).sum()),
        gained=int((among & after & ~before).sum()),
    )
