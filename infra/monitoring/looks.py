"""What `sightline monitor` found last, as metrics: drift, and when somebody looked.

A look is a job that ends: nothing of it is there to be scraped. This reads what it recorded, at each scrape.

    python -m infra.monitoring.looks                    # serves /metrics on 127.0.0.1:9464 until stopped
    python -m infra.monitoring.looks --textfile FILE    # writes them once, for node_exporter's collector
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from registry.drift_look import Look
from registry.monitoring import read_looks, read_retrainings
from registry.workspace import Workspace

PORT = 9464
OF_LOOK = ("model", "version")


class Looks(Collector):
    """The last look at each model of the workspace; `version` is "0" where it had no champion.

    Drift is left out where the look could not judge: neither 0 nor 1 would be true.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def collect(self) -> Iterator[GaugeMetricFamily]:
        looked = GaugeMetricFamily(
            "sightline_look_timestamp_seconds", "When the service was last looked at", labels=["model"]
        )
        judged = GaugeMetricFamily(
            "sightline_look_judged", "1: the last look had enough to judge by", labels=OF_LOOK
        )
        drift = GaugeMetricFamily("sightline_look_drift", "1: the last look found drift", labels=OF_LOOK)
        answers = GaugeMetricFamily("sightline_look_answers", "Answers that it compared", labels=OF_LOOK)
        images = GaugeMetricFamily("sightline_look_images", "Kept images that it compared", labels=OF_LOOK)
        for look in last_looks(self._workspace):
            labels = (look.model, str(look.version or 0))
            looked.add_metric(labels[:1], look.until.timestamp())
            judged.add_metric(labels, look.verdict != "not judged")
            if look.verdict != "not judged":
                drift.add_metric(labels, look.is_drift)
            answers.add_metric(labels, look.answers)
            images.add_metric(labels, look.images)
        yield from (looked, judged, drift, answers, images, self._retrained())

    def _retrained(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "sightline_retraining_timestamp_seconds", "When a retraining last began", labels=["model"]
        )
        for model in monitored_models(self._workspace):
            for retraining in read_retrainings(self._workspace, model)[-1:]:
                family.add_metric([model], retraining.when.timestamp())
        return family


def monitored_models(workspace: Workspace) -> tuple[str, ...]:
    """Names, sorted, of the models that somebody looked at or retrained."""
    return tuple(sorted(path.name for path in (workspace.root / "monitoring").glob("*") if path.is_dir()))


def last_looks(workspace: Workspace) -> tuple[Look, ...]:
    """The newest look at each model that was looked at."""
    rows = (read_looks(workspace, model)[-1:] for model in monitored_models(workspace))
    return tuple(row.look for last in rows for row in last)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m infra.monitoring.looks", description="Drift of SIGHTLINE_HOME's models as metrics."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s")
    parser.add_argument("--textfile", type=Path, metavar="FILE", help="write them to FILE (*.prom) and end")
    options = parser.parse_args(arguments)
    registry = CollectorRegistry()
    registry.register(Looks(Workspace.from_environment()))
    if options.textfile:
        write_to_textfile(str(options.textfile), registry)
        return
    _, thread = start_http_server(options.port, options.host, registry)
    thread.join()


if __name__ == "__main__":
    main()
