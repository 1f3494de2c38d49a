"""What one look at a time of service found, as values that go through JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vision.drift.finding import Subject
from vision.intervals import MetricEstimate


class Record(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DriftTest(Record):
    """One test. `p_adjusted` is its p-value after Holm's correction for all tests of the look.

    `effect` says how much has changed, in the unit `effect_name`: with many answers the smallest change is
    sure. `meaning` is all of it in one sentence.
    """

    name: str
    subject: Subject
    method: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    effect_name: str
    is_rejected: bool
    meaning: str


class Accuracy(Record):
    """Shares of right answers: of the reference; estimated of the answers, by the model's own doubt; measured
    of those that people judged, or None. `mean_confidence` is what the answers say of themselves."""

    reference: MetricEstimate
    estimated: MetricEstimate
    mean_confidence: MetricEstimate
    measured: MetricEstimate | None


class PredictedClass(Record):
    """Share of the answers that name a class, 0..1: of the reference, and now."""

    name: str
    before: float
    now: float


class DriftReport(Record):
    """`is_drift`: a test was rejected; without drift that happens in at most `false_alarms` of all looks.

    `reasons` are sentences for people: what has drifted, or why nothing is said. `not_tested` says what could
    not be looked at. Without enough data (`enough_data`) there are no tests and no drift.
    """

    answers: int
    images: int  # that were kept
    judged: int  # by people
    reference_answers: int
    enough_data: bool
    is_drift: bool
    false_alarms: float
    reasons: tuple[str, ...]
    not_tested: tuple[str, ...] = ()
    tests: tuple[DriftTest, ...] = ()
    accuracy: Accuracy | None = None
    predicted: tuple[PredictedClass, ...] = ()
