"""Devices: what one alone leaves unchanged, and equal shares for several."""

import json
import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from vision.errors import ConfigError
from vision.training import batches, devices
from vision.training.batches import OrderedBatches

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def four_devices(monkeypatch):
    for module in (devices, batches):
        monkeypatch.setattr(module, "devices_sharing", lambda: 4)


def test_accelerator_names_processor_and_cores(monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC 7763\nflags\t: fpu\n")
    monkeypatch.setattr(devices, "PROCESSOR", tmp_path / "cpuinfo")
    assert devices.accelerator() == f"{joblib.cpu_count()} cores of AMD EPYC 7763"


def test_accelerator_counts_gpus(monkeypatch):
    monkeypatch.setattr(devices.keras.distribution, "list_devices", lambda: ["gpu:0", "gpu:1"])
    monkeypatch.setattr(devices, "_name_of_device", lambda: "NVIDIA H200")
    assert devices.accelerator() == "2 x NVIDIA H200"


def test_one_device_shares_with_none():
    with devices.data_parallel():
        assert devices.devices_sharing() == 1
    assert devices.shareable(13) == 13


def test_gpus_are_asked_for_memory_as_needed(monkeypatch):
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    with devices.data_parallel():
        assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
        assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true", "what the user has set is kept"


@pytest.mark.parametrize(("batch_size", "expected"), [(32, 32), (31, 28), (4, 4), (3, 4)])
def test_shareable_batch_is_a_multiple_of_the_devices(four_devices, batch_size, expected):
    assert devices.shareable(batch_size) == expected


def test_predict_answers_once_an_image_however_many_there_are(four_devices, monkeypatch):
    asked = []

    def doubled(model, images, *, batch_size):
        asked.append((len(images), batch_size))
        return 2.0 * images[:, 0, 0]

    monkeypatch.setattr(devices.keras_batches, "predict", doubled)
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3))
    answers = devices.predict(None, images, batch_size=6)
    assert answers[:, 0].tolist() == [0, 2, 4, 6, 8]
    assert asked == [(8, 4)]


def test_ordered_batches_of_several_devices_are_equal_shares(four_devices):
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    ordered = OrderedBatches(images, np.zeros((10, 3), np.float32), batch_size=9)
    numbers = [ordered[place][0]["images"][:, 0, 0, 0].tolist() for place in range(len(ordered))]
    assert numbers == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 0, 1]]


def test_accumulation_is_refused_to_several_gpus_of_tensorflow(four_devices):
    devices.refuse_accumulation(1)
    with pytest.raises(ConfigError, match=r"accumulate is 2.*4 GPUs.*config\.train\.accumulate"):
        devices.refuse_accumulation(2)


def test_accumulation_is_fine_on_one_device():
    devices.refuse_accumulation(8)


@pytest.mark.slow
def test_two_devices_of_tensorflow_train_as_one_does():
    """MirroredStrategy over two halves of the processor; twice, because the second once met the first."""
    command = [sys.executable, "-W", "ignore", ROOT / "tests" / "unit" / "fit_on_two_devices.py"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["devices"] == 2
    assert answer["moved"] > 0.1
    assert answer["apart"] < 1e-5
    assert answer["again"] < 1e-5
