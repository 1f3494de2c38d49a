"""Flowers from scratch by configs/flowers.yaml: accuracy and time of the whole pipeline."""

from __future__ import annotations

from pathlib import Path

from benchmarks import service
from benchmarks.record import table, write_section
from benchmarks.runs import ROOT, empty_home, read_config, run_pipeline

CONFIG = "configs/flowers.yaml"
SHOWN = ("accuracy", "macro_f1", "roc_auc", "ece")


def main() -> None:
    config = read_config(CONFIG)
    data = ROOT / config["parameters"]["config"]["data"]["path"]
    if not data.is_dir():
        print(f"flowers: left out, {data} is not there")
        return
    with empty_home() as environment:
        run = run_pipeline(config, environment)
        metrics = run.status["metrics"]
        figures = service.measure(Path(run.status["bundle"]))
    rows = [
        (name, f"{metrics[name]['value']:.4f}", f"{metrics[name]['low']:.4f} to {metrics[name]['high']:.4f}")
        for name in SHOWN
    ]
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.step_seconds.items())
    write_section(
        "flowers",
        f"{table(('test metric', 'value', '95 % interval'), rows)}\n\n"
        f"Whole command {run.seconds:.0f} s. Seconds a step: {steps}.",
    )
    write_section("service-flowers", service.as_table(figures))


if __name__ == "__main__":
    main()
