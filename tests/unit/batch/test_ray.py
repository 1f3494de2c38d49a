"""Ray: a real cluster of two nodes on this machine, one of which is killed midway."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.unit.batch.conftest import write_images
from vision.batch.engines import on_ray
from vision.batch.part import PartDone
from vision.batch.plan import BatchModel, make_plan
from vision.batch.run import predict_plan
from vision.batch_config import BatchConfig
from vision.errors import BundleError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings

IMAGES, PART = 1500, 25
OBJECT_STORE_BYTES = 100 * 2**20


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head of one processor; `add_node` gives it others."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "180")  # on a machine that has other work
    utils = pytest.importorskip("ray.cluster_utils")
    options = {"num_cpus": 1, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    made = utils.Cluster(initialize_head=True, head_node_args=options)
    yield made
    made.shutdown()


def config(tmp_path: Path, cluster: Any) -> BatchConfig:
    return BatchConfig(
        paths=(str(tmp_path / "photos"),),
        output=str(tmp_path / "out"),
        engine="ray",
        address=cluster.address,
        part_images=PART,
    )


def report_process(folder: Path, part: int) -> PartDone:
    """In place of `images` the process that did it, once there are two; of `unreadable` its processors."""
    (folder / str(os.getpid())).touch()
    until = time.monotonic() + 200
    while len(list(folder.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    return PartDone(part, os.getpid(), len(os.sched_getaffinity(0)))


def fail(part: int) -> PartDone:
    raise BundleError("no bundle on this machine")


def test_parts_are_shared_by_two_nodes_and_done_once(tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)
    (tmp_path / "processes").mkdir()
    work = partial(report_process, tmp_path / "processes")
    done = list(on_ray(work, range(60), config(tmp_path, cluster)))
    assert sorted(each.part for each in done) == list(range(60))
    assert len({each.images for each in done}) == 2
    assert {each.unreadable for each in done} == {1}


def test_a_node_that_is_killed_costs_no_row(model: BatchModel, tmp_path: Path, cluster: Any) -> None:
    node = cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)
    paths, settings = write_images(tmp_path / "photos", IMAGES), config(tmp_path, cluster)
    plan, left = make_plan(settings, model), []

    def kill_midway() -> None:
        while len(plan.missing()) > plan.parts - 3:
            time.sleep(0.01)
        cluster.remove_node(node, allow_graceful=False)
        left.append(len(plan.missing()))

    killer = threading.Thread(target=kill_midway)
    killer.start()
    summary = predict_plan(plan, settings)
    killer.join()
    assert left[0] > 0
    assert (summary.images, summary.answered) == (IMAGES, IMAGES)
    assert sorted(pd.read_parquet(tmp_path / "out")["path"]) == sorted(map(str, paths))


def test_an_error_of_ours_is_told_as_it_is(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(BundleError, match="no bundle on this machine"):
        list(on_ray(fail, range(2), config(tmp_path, cluster)))
