"""`python -m serving`: what becomes of its words."""

from __future__ import annotations

import pytest

from serving.__main__ import SERVICE, _arguments


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
