"""The camera: live answers where there are any, and one picture when asked."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.serving.browser.played_service import FLOWER, give


def test_the_camera_answers_live_and_takes_a_picture(visit) -> None:
    page, played = visit()
    frames = []

    def answer(socket) -> None:
        def on_message(frame) -> None:
            frames.append(frame)
            socket.send(json.dumps(FLOWER | {"frame": len(frames), "dropped": []}))

        socket.on_message(on_message)

    page.route_web_socket("**/v1/live", answer)
    give(page)
    page.get_by_role("button", name="Show where it looked").click()
    page.get_by_role("button", name="Use the camera").click()

    expect(page.get_by_role("heading", name="rose")).to_be_visible()
    expect(page.locator("#caption")).to_be_empty()  # that of the picture before
    expect(page.locator("#feedback")).to_be_hidden()  # of which frame would it be?
    page.evaluate("() => { window.track = document.getElementById('video').srcObject.getTracks()[0]; }")
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator("#feedback")).to_be_visible()
    assert frames[0][:2] == played.last("/classify").post_data_buffer[:2] == b"\xff\xd8"  # JPEG
    assert page.evaluate("window.track.readyState") == "ended"  # its light is out


def test_the_camera_works_without_live_answers(visit) -> None:
    page, _ = visit()
    page.route_web_socket("**/v1/live", lambda socket: socket.close(code=1013, reason="all are in use"))

    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_text("No live answers (all are in use)")).to_be_visible()
    page.get_by_role("button", name="Take the picture").click()

    expect(page.locator("#feedback")).to_be_visible()


def test_a_camera_that_is_refused_is_said_in_words(visit) -> None:
    page, _ = visit()
    page.evaluate("""() => { navigator.mediaDevices.getUserMedia =
        () => Promise.reject(new DOMException("", "NotAllowedError")); }""")

    page.get_by_role("button", name="Use the camera").click()

    expect(page.get_by_role("alert")).to_contain_text("The browser did not allow it")
    expect(page.get_by_role("button", name="Choose a picture")).to_be_visible()
