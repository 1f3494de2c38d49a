"""A month in minutes: drift sets in, is found, people label a day's images, a better version takes over.

The clock is driven; registry, bundles, drift detection, training, gate and service are the real ones. Each
drift has its own month, which begins with the same first champion.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cifar10_arrays import divided, read_cifar10
from benchmarks.month_days import Day, days_to_detection, false_alarms, live, mean_accuracy
from benchmarks.month_picture import write_picture
from benchmarks.month_service import Served, served
from benchmarks.month_stream import DRIFTS, Draw, Stream, draw_known, known_only
from benchmarks.month_system import NAME, RealSystem
from benchmarks.month_versions import AGAIN, FIRST, Data, Trained, encoded, train
from benchmarks.record import ROOT, table, write_section
from registry.champion import rollback
from registry.workspace import Workspace
from vision.operation_config import MonitorConfig, RetrainConfig
from vision.prepared import LabelledImages
from vision.training_config import TrainConfig

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PICTURE = ROOT / "docs" / "month.png"


Pools = tuple[LabelledImages, LabelledImages]  # those that arrive, those that are reviewed


@dataclass(frozen=True)
class Plan:
    """How much is simulated."""

    clean_days: int = 100
    days: int = 30
    onset: int = 5
    ramp_days: int = 10
    images_a_day: int = 500
    stream_images: int = 5000  # of the test images; the others judge
    review_images: int = 17_500  # of the training images
    validation_images: int = 2500
    first: TrainConfig = FIRST
    again: TrainConfig = AGAIN
    monitor: MonitorConfig = field(default_factory=MonitorConfig)
    retrain: RetrainConfig = field(default_factory=lambda: RetrainConfig(min_hours=5 * 24))

    def stream(self, pools: Pools, draw: Draw, onset: int | None) -> Stream:
        return Stream(*pools, draw, self.images_a_day, onset, self.ramp_days, seed=1)


@dataclass(frozen=True)
class Month:
    """What came of one drift."""

    days: Sequence[Day]
    service: Served
    rollbacks: int

    @property
    def decisions(self) -> list[str]:
        return [day.decision for day in self.days if day.decision]


def main(plan: Plan = Plan()) -> None:
    arriving, judge = divided(read_cifar10("test"), plan.stream_images)
    reviewed, rest = divided(read_cifar10("train"), plan.review_images)
    validation, learned = divided(known_only(rest), plan.validation_images)
    pools = (arriving, reviewed)
    data = Data(learned, validation, known_only(judge))
    first = train(data, CLASS_NAMES, config=plan.first)
    with tempfile.TemporaryDirectory() as folder:
        clean = clean_days(Path(folder), first, data, pools, plan)
        months = {
            name: month(Path(folder) / name, first, data, plan.stream(pools, draw, plan.onset), plan)
            for name, draw in DRIFTS.items()
        }
    write_picture({name: found.days for name, found in months.items()}, PICTURE)
    write_section("month", report(clean, months, plan))


def clean_days(folder: Path, first: Trained, data: Data, pools: Pools, plan: Plan) -> Sequence[Day]:
    """Days without drift, on which nothing is retrained."""
    system = _system(folder / "clean", first, data, plan)
    never = plan.retrain.model_copy(update={"on_drift": False})
    stream = plan.stream(pools, draw_known, None)
    return list(live(system, first, stream, days=plan.clean_days, config=never))


def month(folder: Path, first: Trained, data: Data, stream: Stream, plan: Plan) -> Month:
    """A drift from its first day to a rollback after the last, with the service on all the time."""
    system, days = _system(folder, first, data, plan), list[Day]()
    with served(Workspace(folder), encoded(data.validation.images[:1])[0]) as service:
        for day in live(system, first, stream, days=plan.days, config=plan.retrain):
            days.append(day)
            if day.decision == "promote":
                service.follow(system.version)
        rollbacks = int(system.version > 1)
        if rollbacks:
            service.follow(rollback(Workspace(folder), NAME, who="the month", why="its end").version)
    return Month(days, service, rollbacks)


def _system(folder: Path, first: Trained, data: Data, plan: Plan) -> RealSystem:
    return RealSystem(
        Workspace(folder), first, data, class_names=CLASS_NAMES, monitor=plan.monitor, again=plan.again
    )


def report(clean: Sequence[Day], months: Mapping[str, Month], plan: Plan) -> str:
    """The section of BENCHMARKS.md."""
    head = (
        "drift", "found on its day", "alarms before", "retrainings", "promoted", "accuracy without", "with",
        "rollbacks", "requests", "lost", "slowest to follow, s",
    )  # fmt: skip
    rows = [_row(name, found) for name, found in months.items()]
    alarms, expected = false_alarms(clean), plan.monitor.false_alarms * len(clean)
    return (
        f"{len(clean)} days without drift: {alarms} false alarms, expected {expected:g} at most.\n\n"
        f"{table(head, rows)}\n\n![Accuracy by day](docs/month.png)"
    )


def _row(name: str, found: Month) -> tuple[object, ...]:
    days, service = found.days, found.service
    return (
        name,
        days_to_detection(days) or "never",
        false_alarms(days),
        len(found.decisions),
        found.decisions.count("promote"),
        f"{mean_accuracy(days, without=True):.4f}",
        f"{mean_accuracy(days):.4f}",
        found.rollbacks,
        f"{service.requests:,}",
        service.lost,
        f"{max(service.seconds_to_follow, default=float('nan')):.1f}",
    )


if __name__ == "__main__":
    main()
