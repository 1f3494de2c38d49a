"""The keys that load_config allows beside `config` are those of ZenML."""

from __future__ import annotations

from vision.config_file import ZENML_KEYS


def test_zenml_keys_are_those_of_zenml() -> None:
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    assert set(ZENML_KEYS) == set(PipelineRunConfiguration.model_fields)
