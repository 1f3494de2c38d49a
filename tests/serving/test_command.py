"""`python -m serving`: what becomes of its words."""

from __future__ import annotations

import os
import sys

import pytest

from serving.__main__ import KEEP_ALIVE_SECONDS, SERVICE, _arguments, main


@pytest.mark.parametrize(
    ("words", "bento", "port", "rest"),
    [
        ([], SERVICE, 3000, []),
        (["sightline-digits:1"], "sightline-digits:1", 3000, []),
        (["--port", "8080"], SERVICE, 8080, []),
        (["--ssl-certfile", "cert.pem", "--port", "1"], SERVICE, 1, ["--ssl-certfile", "cert.pem"]),
        (["a:2", "--ssl-keyfile", "key.pem"], "a:2", 3000, ["--ssl-keyfile", "key.pem"]),
    ],
)
def test_options_of_bentoml_are_passed_on_with_their_values(words, bento, port, rest) -> None:
    arguments, options = _arguments(words, {})
    assert (arguments.bento, arguments.port, options) == (bento, port, rest)


def test_places_come_from_the_environment_unless_they_are_said() -> None:
    arguments, _ = _arguments(["--port", "1"], {"SIGHTLINE_HOST": "0.0.0.0", "SIGHTLINE_PORT": "2"})
    assert (arguments.host, arguments.port) == ("0.0.0.0", 1)


def test_connections_are_kept_unless_another_time_is_said(monkeypatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda program, command, environment: became.append(command))
    monkeypatch.setattr(sys, "argv", ["serving", "--timeout-keep-alive", "2"])
    main()
    [command] = became
    # BentoML takes the last.
    assert command[-4:] == ["--timeout-keep-alive", str(KEEP_ALIVE_SECONDS), "--timeout-keep-alive", "2"]
