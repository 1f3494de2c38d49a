"""`sightline review`: what it says before the page is served."""

from __future__ import annotations

import socket

import pytest

from cli.review import HOST, describe_reviews, serve_reviews
from registry.workspace import Workspace
from serving.review.desk import ReviewDesk
from tests.serving.review_world import MODEL, add_answer, make_image


def test_what_waits_and_what_was_accepted_is_counted(tmp_path) -> None:
    home = Workspace(tmp_path)
    assert describe_reviews(home, MODEL) == {"model": MODEL, "waiting": 0, "accepted": 0}
    first, second, _ = (add_answer(home, number, make_image(number)) for number in range(3))
    desk = ReviewDesk(home, MODEL, who="ann@desk")
    desk.queue()

    desk.judge(first, "accepted", ["rose"])
    desk.judge(second, "unusable", [])

    assert describe_reviews(home, MODEL) == {"model": MODEL, "waiting": 1, "accepted": 1}


def test_a_port_that_is_taken_is_said(tmp_path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 cannot be used .* --port"):
            serve_reviews(Workspace(tmp_path), MODEL, port=port, waiting=0)
