"""Versions side by side, their labels, the files that TensorFlow Serving is started with, the C library."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from infra.tensorflow_serving.__main__ import app
from infra.tensorflow_serving.export_check import check_export
from infra.tensorflow_serving.model_config import read_models, write_model
from infra.tensorflow_serving.placing import compare_with_c_library, place_export
from tests.infra.serving_exports import export_colours
from vision.bundle import DESCRIPTION, seal
from vision.errors import BundleError, ConfigError

FOLDER = Path(__file__).parents[2] / "infra" / "tensorflow_serving"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_colours(tmp_path_factory.mktemp("made") / "saved_model")


def command(*arguments: object) -> None:
    app([str(one) for one in arguments], standalone_mode=False)


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_placed_versions_lie_side_by_side_and_load(made: Path, tmp_path: Path) -> None:
    for version in (3, 10):
        assert place_export(made, tmp_path / "colours", version) == tmp_path / "colours" / str(version)
    assert sorted(path.name for path in (tmp_path / "colours").iterdir()) == ["10", "3"]
    assert files_of(tmp_path / "colours" / "10") == files_of(made / "1")
    names = tf.saved_model.load(str(tmp_path / "colours" / "10")).signatures["class_names"]
    assert names(indices=tf.constant([2], tf.int64))["names"].numpy().tolist() == [b"blue"]


def test_a_placed_version_is_never_replaced(made: Path, tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    with pytest.raises(ConfigError, match=r"3 is there already.*--version"):
        place_export(made, tmp_path, 3)
    with pytest.raises(ConfigError, match="version 0 is not allowed, 1 or more is"):
        place_export(made, tmp_path, 0)
    assert files_of(tmp_path) == set()


def test_an_altered_export_is_not_placed(made: Path, tmp_path: Path) -> None:
    spoilt = Path(shutil.copytree(made, tmp_path / "export"))
    (spoilt / "1" / "saved_model.pb").write_bytes(b"other")
    with pytest.raises(BundleError, match="altered"):
        place_export(spoilt, tmp_path / "colours", 1)
    assert not (tmp_path / "colours").exists()


def test_a_model_serves_its_labelled_versions_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    write_model(path, "digits", "/models/digits", {"stable": 3, "canary": 4})
    (model,) = read_models(path).model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("digits", "/models/digits", "tensorflow")
    assert dict(model.version_labels) == {"stable": 3, "canary": 4}
    assert list(model.model_version_policy.specific.versions) == [3, 4]
    assert read_models(FOLDER / "models.config") == read_models(path)


def test_labels_move_and_other_models_stay(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    write_model(path, "digits", "/models/digits", {"stable": 3, "canary": 4})
    write_model(path, "photos", "/models/photos", {"stable": 1})
    write_model(path, "digits", "/models/digits", {"stable": 4})
    digits, photos = read_models(path).model_config_list.config
    assert (digits.name, dict(digits.version_labels)) == ("digits", {"stable": 4})
    assert list(digits.model_version_policy.specific.versions) == [4]
    assert (photos.name, dict(photos.version_labels)) == ("photos", {"stable": 1})


def test_a_broken_configuration_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list { config { nam: 'x' } }")
    with pytest.raises(ConfigError, match=r"models\.config is no ModelServerConfig: .*nam"):
        write_model(path, "digits", "/models/digits", {"stable": 3})
    assert path.read_text() == "model_config_list { config { nam: 'x' } }"


def test_the_command_labels_versions_that_are_there(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, model = tmp_path / "models.config", tmp_path / "colours"
    command("place", made, model, "--version", 2)
    with pytest.raises(SystemExit, match=r"no version 3 in .*colours: .*--canary"):
        command("label", model, "--stable", 2, "--canary", 3, "--config", config)
    assert not config.exists()
    command("label", model, "--stable", 2, "--config", config, "--base", "/models/colours")
    assert 'base_path: "/models/colours"' in config.read_text() == capsys.readouterr().out.split("\n", 1)[1]


def message(last: str, **messages: dict[str, tuple[int, int | str]]) -> Any:
    """One of the messages, which tensorflow-serving-api lacks; a field is number and type, or message."""
    file = descriptor_pb2.FileDescriptorProto(name="served.proto", package="served", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in messages.items():
        kept = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label = Field.LABEL_REPEATED if field.endswith("sizes") else Field.LABEL_OPTIONAL
            typed = {"type": kind} if isinstance(kind, int) else {"type_name": kind}
            kept.field.add(name=field, number=number, label=label, **typed)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"served.{last}"))()


def test_batching_parameters_parse_and_end_at_the_largest_batch() -> None:
    """The fields of BatchingParameters in session_bundle_config.proto, which also has the rules."""
    wrapped = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    fields = {name: (number, ".google.protobuf.Int64Value") for number, name in enumerate(wrapped, 1)}
    fields |= {"allowed_batch_sizes": (6, Field.TYPE_INT64)}
    empty = message("BatchingParameters", BatchingParameters=fields)
    parameters = text_format.Parse((FOLDER / "batching.config").read_text(), empty)
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) and sizes[-1] == parameters.max_batch_size.value
    assert 0 < parameters.batch_timeout_micros.value <= 12_000
    assert parameters.num_batch_threads.value >= 1


def test_monitoring_parses_and_is_on() -> None:
    """The fields of monitoring_config.proto."""
    empty = message(
        "MonitoringConfig",
        PrometheusConfig={"enable": (1, Field.TYPE_BOOL), "path": (2, Field.TYPE_STRING)},
        MonitoringConfig={"prometheus_config": (1, ".served.PrometheusConfig")},
    )
    monitoring = text_format.Parse((FOLDER / "monitoring.config").read_text(), empty)
    assert monitoring.prometheus_config.enable and monitoring.prometheus_config.path.startswith("/")


def test_the_c_library_answers_as_python(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_with_c_library(made, check_export(made)) <= 1e-4
    command("check", made)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == (
        "  serving_default: images (None, 16, 16, 3) float32"
        " -> logits (None, 3) float32, probabilities (None, 3) float32"
    )
    assert lines[-1].startswith("  C library: differs by")


@pytest.mark.slow
def test_probabilities_that_differ_are_told(made: Path, tmp_path: Path) -> None:
    """The graph's calibration is that of the export; bundle.json is given another, which Python follows."""
    spoilt = Path(shutil.copytree(made, tmp_path / "export"))
    description = json.loads((spoilt / DESCRIPTION).read_text())
    del description["files"], description["schema_version"]
    seal(spoilt, {**description, "temperature": 2.0})
    with pytest.raises(BundleError, match=r"Python differ by 0\.\d+ in a probability"):
        compare_with_c_library(spoilt, check_export(spoilt))


@pytest.mark.slow
def test_signatures_that_differ_are_told(made: Path) -> None:
    checked = check_export(made)
    fewer = {name: one for name, one in checked.signatures.items() if name != "class_names"}
    with pytest.raises(BundleError, match="reads other signatures"):
        compare_with_c_library(made, replace(checked, signatures=fewer))


@pytest.mark.slow
def test_a_folder_that_the_c_library_refuses_is_told_in_its_words(made: Path, tmp_path: Path) -> None:
    checked = check_export(made)
    with pytest.raises(BundleError, match=r"did not run .*Could not find SavedModel"):
        compare_with_c_library(made, replace(checked, folder=tmp_path))
