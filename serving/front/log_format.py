"""Log lines with the request that they belong to: for people as BentoML writes them, or JSON for programs."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Literal

LogFormat = Literal["plain", "json"]

# Of the request that is being answered; "-" between requests.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="-")
# BentoML's one handler stands at these loggers.
HANDLED = ("", "bentoml", "circus", "uvicorn.error")
# What BentoML's filter adds to each record for its own format.
BENTOML_FIELDS = ("component", "levelname_bracketed", "service_name", "trace_msg")


def configure_logging(log_format: LogFormat) -> None:
    """Shows our lines from INFO on, and has all of the process written as one JSON object each if asked."""
    logging.getLogger("sightline").setLevel(logging.INFO)
    if log_format == "plain":
        return
    logging.captureWarnings(True)  # else Pillow's words on a broken image stand between the lines
    formatter = json_formatter()
    for handler in {handler for name in HANDLED for handler in logging.getLogger(name).handlers}:
        handler.setFormatter(formatter)
        # After BentoML's own filter, which would have put the number of a trace there.
        handler.addFilter(add_request_id)


def json_formatter() -> logging.Formatter:
    """time (UTC), level, logger, message, request_id, and what a line says besides."""
    from pythonjsonlogger.core import RESERVED_ATTRS
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
        reserved_attrs=[*RESERVED_ATTRS, *BENTOML_FIELDS],
    )


def add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = REQUEST_ID.get()
    return True
