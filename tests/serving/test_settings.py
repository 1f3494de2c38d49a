"""SIGHTLINE_* variables."""

from __future__ import annotations

import pytest

from serving.settings import Settings
from vision.errors import ConfigError


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment({"SIGHTLINE_MAX_BODY_BYTES": "5", "SIGHTLINE_MODEL": "digits"})

    assert (settings.max_body_bytes, settings.model) == (5, "digits")


def test_an_empty_variable_is_an_unset_one() -> None:
    assert Settings.from_environment({"SIGHTLINE_MAX_BODY_BYTES": ""}).max_body_bytes == 20_000_000


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_BODY_BYTES", "20MB"), ("MAX_BODY_BYTES", "0"), ("THREADS", "-1"), ("POLL_SECONDS", "nan")],
)
def test_a_value_that_cannot_work_is_named_in_one_line(name, value) -> None:
    with pytest.raises(ConfigError, match=f'^SIGHTLINE_{name}="{value}": .*$'):
        Settings.from_environment({f"SIGHTLINE_{name}": value})
