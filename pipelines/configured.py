"""Pipelines that read zenml_config.yaml by themselves and tell a user's mistake in one message."""

from __future__ import annotations

import atexit
import logging
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from zenml.pipelines.pipeline_definition import Pipeline

from vision.config_file import load_config
from vision.errors import SightlineError

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_CONFIG = ROOT / "zenml_config.yaml"

# Where ZenML logs an exception of a step, with its traceback, before it raises it again.
_LOGGERS = (
    "zenml.orchestrators.step_launcher",
    "zenml.orchestrators.step_runner",
    "zenml.orchestrators.local.local_orchestrator",
)


def configured(pipeline: Pipeline) -> Pipeline:
    """The pipeline, reading zenml_config.yaml or, in its place, the FILE of `-c`.

    In its place, not on top of it: ZenML would merge the two, and a value of one data set would leak
    into the run of another. The file is checked against the schema before ZenML sees it.
    """

    def with_options(config_path: str | None = None, **options: Any) -> Pipeline:
        path = Path(config_path or DEFAULT_CONFIG)
        load_config(path)
        return Pipeline.with_options(pipeline, config_path=str(path), **options)

    pipeline.with_options = with_options
    _show_mistakes_as_one_message()
    return pipeline


def _show_mistakes_as_one_message() -> None:
    """SightlineErrors end the process with their message and status 1; others keep their traceback."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_not_users_mistake)
    sys.excepthook = _print_message
    # ZenML's OpenTelemetry handler starts a thread when logging shuts down, which Python 3.12 refuses
    # with a traceback after a run that went well.
    atexit.register(setattr, logging, "raiseExceptions", False)


def _is_not_users_mistake(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    mentioned = record.args if isinstance(record.args, tuple) else ()
    return not any(isinstance(value, SightlineError) for value in (error, *mentioned))


def _print_message(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if isinstance(error, SightlineError):
        print(f"{kind.__name__}: {error}", file=sys.stderr)  # noqa: T201 - it is for the terminal
    else:
        sys.__excepthook__(kind, error, traceback)
