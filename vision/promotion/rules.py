"""What a candidate must reach before it may serve: the section `promote` of the YAML.

Two kinds of rules, as in TFX: a value is asked of the candidate itself, a change against the champion on the
same test images.
"""

from __future__ import annotations

from pydantic import Field, FiniteFloat, field_validator

from vision.errors import one_of
from vision.metrics import METRICS, MULTI_LABEL_METRICS
from vision.section import Section

SMALLER_IS_BETTER = frozenset({"log_loss", "ece", "hamming_loss"})


class MetricRule(Section):
    """Of one metric, in its own unit: 0.01 of a share is a percentage point."""

    limit: FiniteFloat | None = Field(
        None, description="at least; of log_loss, ece and hamming_loss at most; null: not asked"
    )
    margin: FiniteFloat | None = Field(
        None, ge=0, description="that it may be worse than the champion; null: not asked"
    )


class PromotionRules(Section):
    """What is asked; what each answer of the gate promises stands in `vision.promotion.decision.decide`."""

    min_accuracy: float = Field(0.5, ge=0, le=1, description="on test, share 0..1")
    max_accuracy_drop: FiniteFloat = Field(
        1.0,
        ge=0,
        description="percentage points that it may be below the champion on the same images; 0: it must be"
        " shown to be better",
    )
    max_ece: float = Field(1.0, ge=0, le=1, description="expected calibration error on test")
    metrics: dict[str, MetricRule] = Field({}, description="metric of vision.metrics -> what is asked of it")
    max_recall_drop: FiniteFloat = Field(
        10.0, ge=0, description="percentage points that the recall of any class may be below the champion's"
    )
    class_margins: dict[str, FiniteFloat] = Field(
        {}, description="class -> percentage points, in place of max_recall_drop"
    )
    min_slice_accuracy: float = Field(0.0, ge=0, le=1, description="on every slice, share 0..1")
    max_slice_drop: FiniteFloat = Field(
        10.0, ge=0, description="percentage points that the accuracy on any slice may be below the champion's"
    )
    max_latency_ratio: FiniteFloat | None = Field(
        None, gt=0, description="time for one image over the champion's; null: not measured"
    )
    max_size_ratio: FiniteFloat | None = Field(
        None, gt=0, description="bytes of the model's files over the champion's; null: not measured"
    )
    max_memory_ratio: FiniteFloat | None = Field(
        None, gt=0, description="memory of a process that has the model, likewise; null: not measured"
    )

    @field_validator("metrics")
    @classmethod
    def _metrics_known(cls, metrics: dict[str, MetricRule]) -> dict[str, MetricRule]:
        known = METRICS | MULTI_LABEL_METRICS
        for name in metrics:
            if name not in known:
                raise ValueError(one_of("metric", name, known, "config.promote.metrics"))
        return metrics
