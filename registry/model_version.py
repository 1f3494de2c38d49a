"""What is known of a registered version, and how it stands in the tags of MLflow's registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vision.intervals import MetricEstimate

PREFIX = "sightline."
DIGEST = PREFIX + "bundle_digest"
INCOMING = PREFIX + "incoming"
REPORT = PREFIX + "report"
BENTO_TAG = PREFIX + "bento_tag"
METRIC = PREFIX + "metric."


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from; `parent` is the version it was made from, `run_id` the MLflow run.

    `weights`: what training began with, "random", "imagenet" or a file and its sha256.
    """

    data_revision: str
    config_digest: str
    git_commit: str
    classifier_digest: str
    parent: int | None = None
    run_id: str | None = None
    weights: str = "random"
    weights_licence: str = ""

    def tags(self) -> dict[str, str]:
        return {PREFIX + name: str(value) for name, value in vars(self).items() if value not in (None, "")}

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Lineage:
        parent = tags.get(PREFIX + "parent")
        return cls(
            data_revision=tags[PREFIX + "data_revision"],
            config_digest=tags[PREFIX + "config_digest"],
            git_commit=tags[PREFIX + "git_commit"],
            classifier_digest=tags[PREFIX + "classifier_digest"],
            parent=int(parent) if parent else None,
            run_id=tags.get(PREFIX + "run_id"),
            weights=tags.get(PREFIX + "weights", cls.weights),
            weights_licence=tags.get(PREFIX + "weights_licence", cls.weights_licence),
        )


@dataclass(frozen=True)
class ModelVersion:
    """A registered version. `metrics` are those of the test images; `digest` is the bundle's."""

    model: str
    version: int
    bundle: Path
    digest: str
    lineage: Lineage
    metrics: Mapping[str, MetricEstimate]
    report: Path | None = None
    bento_tag: str | None = None

    @classmethod
    def from_tags(cls, model: str, version: int, *, bundle: Path, tags: Mapping[str, str]) -> ModelVersion:
        report = tags.get(REPORT)
        return cls(
            model=model,
            version=version,
            bundle=bundle,
            digest=tags[DIGEST],
            lineage=Lineage.from_tags(tags),
            metrics=metrics_from_tags(tags),
            report=Path(report) if report else None,
            bento_tag=tags.get(BENTO_TAG),
        )


def metric_tags(metrics: Mapping[str, MetricEstimate]) -> dict[str, str]:
    """A tag a metric, so that MLflow's page shows each with its interval."""
    return {METRIC + name: estimate.model_dump_json() for name, estimate in metrics.items()}


def metrics_from_tags(tags: Mapping[str, str]) -> dict[str, MetricEstimate]:
    return {
        key.removeprefix(METRIC): MetricEstimate.model_validate_json(value)
        for key, value in tags.items()
        if key.startswith(METRIC)
    }
