"""The engines: parts in processes of one thread, each part once; what is said where one cannot work."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from tests.unit.batch.conftest import write_images
from vision.batch.engines import ENGINES, in_processes
from vision.batch.part import PartDone
from vision.batch.plan import BatchModel, make_plan
from vision.batch.run import predict_plan
from vision.batch_config import BatchConfig
from vision.errors import ConfigError, DataError


def report_process(part: int) -> PartDone:
    """In place of `images` the process, of `unreadable` its processor, -1 where it has several."""
    processors = sorted(os.sched_getaffinity(0))
    return PartDone(part, os.getpid(), processors[0] if len(processors) == 1 else -1)


def die(part: int) -> PartDone:
    os._exit(1)


def test_engines_are_those_of_the_docs() -> None:
    assert list(ENGINES) == ["processes", "ray"]


def test_an_unknown_engine_lists_the_choices() -> None:
    with pytest.raises(ValidationError, match='unknown engine "spark": choose one of processes, ray'):
        BatchConfig(engine="spark")


def test_one_part_is_done_in_this_process() -> None:
    (done,) = in_processes(report_process, [5], BatchConfig())
    assert done[:2] == (5, os.getpid())


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes are tied to processors on Linux")
def test_processes_do_each_part_once_on_a_processor_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where processors are taken: not from another batch
    count = min(2, len(os.sched_getaffinity(0)))
    done = list(in_processes(report_process, range(6), BatchConfig(processes=count)))
    assert sorted(each.part for each in done) == list(range(6))
    processor = {each.images: each.unreadable for each in done}
    assert os.getpid() not in processor
    assert -1 not in processor.values()
    assert len(set(processor.values())) == len(processor)


@pytest.mark.parametrize("address", ("127.0.0.1:1", "head:port"))
def test_an_address_without_a_cluster_says_how_to_start_one(address: str) -> None:
    with pytest.raises(ConfigError, match=rf'no Ray cluster at "{address}".*ray start --head.*--address'):
        list(ENGINES["ray"](report_process, range(2), BatchConfig(engine="ray", address=address)))


def test_a_process_that_dies_ends_the_run_with_advice() -> None:
    with pytest.raises(DataError, match=r"lack of memory.*what is finished is kept.*--processes"):
        list(in_processes(die, range(2), BatchConfig(processes=1)))


def test_processes_predict_a_folder(model: BatchModel, tmp_path: Path) -> None:
    paths = write_images(tmp_path / "photos", 9)
    config = BatchConfig(
        paths=(str(tmp_path / "photos"),), output=str(tmp_path / "out"), part_images=2, processes=1
    )
    summary = predict_plan(make_plan(config, model), config)
    assert (summary.images, summary.answered) == (9, 9)
    assert sorted(pd.read_parquet(tmp_path / "out")["path"]) == sorted(map(str, paths))
