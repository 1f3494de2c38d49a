"""Runs the benchmarks named on the command line, or all."""

from __future__ import annotations

import sys

from benchmarks import digits, flowers, leakage, quality, reading, service

BENCHMARKS = {
    "reading": reading.main,
    "quality": quality.main,
    "leakage": leakage.main,
    "digits": digits.main,
    "flowers": flowers.main,
    "service": service.main,
}


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise SystemExit(f"unknown benchmark {', '.join(unknown)}: choose among {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
