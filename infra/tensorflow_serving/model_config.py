"""The file that tells TensorFlow Serving which versions of a model it serves, and which of them are labelled.

Clients ask for the label, so that a canary becomes the stable version by an edit of this file, and a rollback
is the same edit again. TensorFlow Serving reads it with --model_config_file, again every few seconds with
--model_config_file_poll_wait_seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vision.bundle import write_atomically
from vision.errors import ConfigError

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

PLATFORM = "tensorflow"


def read_models(path: Path) -> ModelServerConfig:
    """The file's models, none where there is no file; ConfigError where it is not a ModelServerConfig."""
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    text = path.read_text() if path.is_file() else ""
    try:
        return text_format.Parse(text, ModelServerConfig())
    except text_format.ParseError as error:
        raise ConfigError(f"{path} is no ModelServerConfig: {error}; mend or remove the file") from error


def write_model(path: Path, name: str, base: str, labels: Mapping[str, int]) -> str:
    """The new text of the file, in which the model serves the labelled versions and no others.

    `base` is the folder of its versions as the server sees it. Other models of the file stay as they were.
    """
    from google.protobuf import text_format

    config = read_models(path)
    models = config.model_config_list.config
    model = next((one for one in models if one.name == name), None) or models.add()
    model.Clear()
    model.name, model.base_path, model.model_platform = name, base, PLATFORM
    model.model_version_policy.specific.versions.extend(sorted(set(labels.values())))
    model.version_labels.update(labels)
    text: str = text_format.MessageToString(config)
    write_atomically(path, text)
    return text
