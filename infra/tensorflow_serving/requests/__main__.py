"""`python -m infra.tensorflow_serving.requests rest|grpc ADDRESS MODEL FILE ...`: a line a file, its class.

The address is http://127.0.0.1:8501 for rest and 127.0.0.1:8500 for grpc. Without --label the newest version
answers.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.tensorflow_serving.requests")
    parser.add_argument("api", choices=("rest", "grpc"))
    parser.add_argument("address")
    parser.add_argument("model")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--label", help="stable or canary; the newest version answers without it")
    given = parser.parse_args(arguments)
    client = importlib.import_module(f"{__package__}.{given.api}_client")  # gRPC's takes seconds
    answers = client.classify(
        given.address, given.model, [file.read_bytes() for file in given.files], given.label
    )
    for file, (name, probability) in zip(given.files, answers, strict=True):
        sys.stdout.write(f"{file}: {name} {probability:.3f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
