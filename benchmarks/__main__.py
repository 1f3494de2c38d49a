"""Runs the benchmarks named on the command line, or all."""

from __future__ import annotations

import sys

from benchmarks import (
    architectures,
    batch,
    compression,
    coverage,
    digits,
    drift,
    evaluating,
    examples,
    few_labels,
    flowers_detail,
    formats,
    gate,
    go_service,
    leakage,
    month,
    quality,
    reading,
    reference_a,
    replicas,
    robustness,
    rollback,
    scale,
    service,
    serving,
    throughput,
)

BENCHMARKS = {
    "reading": reading.main,
    "quality": quality.main,
    "leakage": leakage.main,
    "digits": digits.main,
    "throughput": throughput.main,
    "throughput_fine_tuning": throughput.fine_tuning,
    "architectures": architectures.main,
    "few_labels": few_labels.main,
    "cifar10_fast": examples.cifar10_fast,
    "cifar10": examples.cifar10,
    "robustness": robustness.main,
    "flowers": examples.flowers,
    "flowers_detail": flowers_detail.main,
    "flowers_scratch": examples.flowers_scratch,
    "grocery": examples.grocery,
    "grocery_ensemble": examples.grocery_ensemble,
    "bccd": examples.bccd,
    "own_data": examples.own_data,
    "compression_cifar10": compression.cifar10,
    "compression_grocery": compression.grocery,
    "reference_a": reference_a.main,
    "formats": formats.main,
    "coverage": coverage.main,
    "gate": gate.main,
    "drift": drift.main,
    "rollback": rollback.main,
    "month": month.main,
    "evaluating": evaluating.main,
    "service": service.main,
    "serving": serving.main,
    "replicas": replicas.main,
    "batch": batch.main,
    "batch_ray": batch.ray,
    "scale": scale.main,
    "go": go_service.main,
}


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise SystemExit(f"unknown benchmark {', '.join(unknown)}: choose among {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
