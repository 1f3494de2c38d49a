"""The review page's HTTP: who may ask, what is recorded, and what the browser is never given."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from registry.prediction_files import kept_images_folder
from registry.reviews import accepted, image_path, read_reviews, reviews_folder
from registry.workspace import Workspace
from serving.front.headers import CONTENT_SECURITY_POLICY
from serving.review.app import make_app
from serving.review.desk import ReviewDesk
from tests.serving.review_world import MODEL, NAMES, add_answer, make_image

TOKEN = "the-token"
HOST = "http://127.0.0.1:3001"
MINE = {"x-review-token": TOKEN, "origin": HOST}


@pytest.fixture
def home(tmp_path) -> Workspace:
    return Workspace(tmp_path / "workspace")


class Client:
    """Asks the app, without a socket."""

    def __init__(self, home: Workspace) -> None:
        self._app = make_app(ReviewDesk(home, MODEL, who="ann@desk"), TOKEN)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)


@pytest.fixture
def client(home) -> Client:
    return Client(home)


def get_queue(client: Client) -> dict[str, Any]:
    answer = client.get("/queue", headers=MINE)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def say(client: Client, prediction: str, verdict: str = "accepted", *labels: str) -> httpx.Response:
    content = {"id": prediction, "verdict": verdict, "labels": labels}
    return client.post("/reviews", json=content, headers=MINE)


def test_the_queue_tells_what_a_person_needs(client, home) -> None:
    add_answer(home, 1, make_image(1), said=["tulip"], key="shop", unusual=True)

    queue = get_queue(client)

    assert (queue["model"], queue["waiting"], queue["done"]) == (MODEL, 1, 0)
    assert queue["class_names"] == {"3": list(NAMES)}
    [item] = queue["items"]
    assert (item["predicted"], item["reason"], item["task"]) == (["rose"], "unusual", "multi_class")
    assert item["choices"][:2] == [
        {"name": "rose", "probability": 0.6},
        {"name": "daisy", "probability": 0.2},
    ]
    comment = "look at its <i>leaves</i>"
    expected = {"labels": ["tulip"], "comment": comment, "key": "shop", "of_key": 1, "of_all": 1}
    assert item["feedback"] == expected


def test_a_flood_of_one_key_is_seen(client, home) -> None:
    for number, key in enumerate(["evil", "evil", "evil", "shop"]):
        add_answer(home, number, make_image(number), said=["tulip"], key=key)
    add_answer(home, 9, make_image(9), said=["rose"], key="evil")  # that was no correction

    said = {item["id"]: item["feedback"] for item in get_queue(client)["items"]}

    counts = {(one["key"], one["of_key"], one["of_all"]) for one in said.values()}
    assert counts == {("evil", 3, 4), ("shop", 1, 4)}


def test_a_label_is_recorded_with_its_image_and_done(client, home) -> None:
    image = make_image(1)
    prediction = add_answer(home, 1, image)
    get_queue(client)

    assert say(client, prediction, "accepted", "tulip").status_code == 200

    [review] = accepted(home, MODEL)
    assert (review.labels, review.source, review.who) == (("tulip",), "review", "ann@desk")
    assert image_path(home, MODEL, review.sha256).read_bytes() == image
    queue = get_queue(client)
    assert (queue["waiting"], queue["done"], queue["items"]) == (0, 1, [])


def test_labels_that_feedback_gave_are_its_keys(client, home) -> None:
    first = add_answer(home, 1, make_image(1), said=["tulip"], key="shop")
    second = add_answer(home, 2, make_image(2), said=["tulip"], key="shop")
    get_queue(client)

    say(client, first, "accepted", "tulip")
    say(client, second, "accepted", "daisy")

    assert [(review.source, review.key) for review in accepted(home, MODEL)] == [
        ("feedback", "shop"),
        ("review", ""),
    ]


def test_what_was_said_can_be_withdrawn(client, home) -> None:
    first, second = (add_answer(home, k, make_image(k)) for k in (1, 2))
    get_queue(client)
    say(client, first, "accepted", "tulip")
    say(client, second, "unusable")
    assert get_queue(client)["done"] == 2

    for prediction in (first, second):
        assert say(client, prediction, "withdrawn").status_code == 200

    assert (get_queue(client)["waiting"], accepted(home, MODEL)) == (2, ())


@pytest.mark.parametrize("labels", [(), ("daisy", "tulip")])
def test_an_image_may_have_several_labels_or_none(client, home, labels) -> None:
    prediction = add_answer(home, 1, make_image(1), task="multi_label")
    get_queue(client)

    assert say(client, prediction, "accepted", *reversed(labels)).status_code == 200
    assert [review.labels for review in accepted(home, MODEL)] == [labels]


@pytest.mark.parametrize(
    ("verdict", "labels", "code"),
    [
        ("accepted", (), "bad_labels"),
        ("accepted", ("rose", "tulip"), "bad_labels"),
        ("accepted", ("Rose",), "unknown_class"),
        ("unusable", ("rose",), "bad_labels"),
        ("withdrawn", ("rose",), "bad_labels"),
        ("agreed", ("rose",), "bad_review"),
    ],
)
def test_a_verdict_that_cannot_be_is_refused(client, home, verdict, labels, code) -> None:
    prediction = add_answer(home, 1, make_image(1))
    get_queue(client)

    answer = say(client, prediction, verdict, *labels)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert read_reviews(home, MODEL) == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 60_000, b'{"id": "../../etc/passwd"}'])
def test_a_malformed_body_is_refused(client, body) -> None:
    answer = client.post("/reviews", content=body, headers=MINE | {"content-type": "application/json"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_review")


def test_a_large_body_or_another_type_is_refused(client) -> None:
    as_json = MINE | {"content-type": "application/json"}
    assert client.post("/reviews", content=b" " * 70_000, headers=as_json).status_code == 413
    assert client.post("/reviews", data={"id": "a"}, headers=MINE).status_code == 415
    assert client.get("/reviews", headers=MINE).status_code == 405


ASKED = [("GET", "/queue"), ("GET", f"/images/{'0' * 32}"), ("POST", "/reviews")]


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-review-token": ""}, 403),
        ({"x-review-token": "another"}, 403),
        ({"x-review-token": "\u00fc"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:3001"}, 403),  # the page was opened under the other name
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 400),  # a name that was made to lead here
        ({"host": "evil.example:3001"}, 400),
        ({"host": "127.0.0.1.evil.example:3001"}, 400),
        ({"host": ""}, 400),
    ],
)
def test_another_page_or_person_gets_nothing(client, home, method, path, headers, status) -> None:
    add_answer(home, 1, make_image(1))
    encoded = {name: value.encode("latin-1") for name, value in (MINE | headers).items()}

    answer = client.request(method, path, headers=encoded)

    assert answer.status_code == status
    assert str(NAMES[0]) not in answer.text


def test_a_post_needs_its_origin_and_a_get_has_none(client) -> None:
    token = {"x-review-token": TOKEN}

    assert client.get("/queue", headers=token).status_code == 200
    assert client.post("/reviews", json={}, headers=token).json()["error"]["code"] == "origin_refused"
    other = {"host": "localhost:3001", "origin": "http://localhost:3001"}
    assert client.get("/queue", headers=token | other).status_code == 200


@pytest.mark.parametrize("path", ["/", "/review/review.js", "/page/style.css", "/queue", "/nowhere"])
def test_every_answer_has_the_services_policy(client, path) -> None:
    headers = client.get(path).headers

    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY.decode()
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_the_page_holds_no_script_and_loads_nothing_from_elsewhere(client) -> None:
    page = client.get("/").text

    assert "<script>" not in page
    assert "style=" not in page
    assert "://" not in page
    for part in ("review/review.css", "review/review.js", "page/style.css", "page/icon.svg"):
        assert part in page
        assert client.get(f"/{part}").status_code == 200


def get_image(client: Client, prediction: str) -> Image.Image:
    answer = client.get(f"/images/{prediction}", headers=MINE)
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == f"image/{picture.format.lower()}"
    return picture


def test_a_picture_is_shown_upright_and_made_anew(client, home) -> None:
    exif = Image.Exif()
    exif[274], exif[270] = 6, "<script>"  # orientation: turned to the right; a description
    buffer = io.BytesIO()
    Image.open(io.BytesIO(make_image(9))).save(buffer, "PNG", exif=exif)
    prediction = add_answer(home, 1, buffer.getvalue())
    get_queue(client)

    picture = get_image(client, prediction)

    assert (picture.format, picture.size) == ("PNG", (30, 40))
    red = (200, 30, 30)
    assert [picture.getpixel(at) == red for at in ((2, 2), (27, 2), (2, 37))] == [False, True, False]
    assert not picture.getexif()


def test_a_large_picture_is_made_smaller(client, home) -> None:
    prediction = add_answer(home, 1, make_image(9, (3200, 100)))
    get_queue(client)

    picture = get_image(client, prediction)

    assert (picture.format, picture.size) == ("JPEG", (1600, 50))


def test_images_that_do_not_wait_are_not_shown(client, home) -> None:
    prediction = add_answer(home, 1, make_image(1))
    for path in (prediction, "0" * 32, "..%2F..%2Fregistry", "%00"):
        assert client.get(f"/images/{path}", headers=MINE).status_code == 404  # the queue was not read yet


def test_an_image_that_is_gone_or_no_image_is_said_and_not_recorded(client, home) -> None:
    gone, damaged = add_answer(home, 1, make_image(1)), add_answer(home, 2, b"no image")
    get_queue(client)
    [path] = kept_images_folder(home).rglob(gone)
    path.unlink()

    assert client.get(f"/images/{gone}", headers=MINE).json()["error"]["code"] == "image_gone"
    assert "not a readable image" in client.get(f"/images/{damaged}", headers=MINE).json()["error"]["message"]
    assert "no longer kept" in say(client, gone, "accepted", "rose").json()["error"]["message"]
    assert read_reviews(home, MODEL) == {}
    assert say(client, damaged, "unusable").status_code == 200


def test_damaged_reviews_are_named_to_the_reviewer(client, home) -> None:
    prediction = add_answer(home, 1, make_image(1))
    get_queue(client)
    say(client, prediction, "unusable")
    file = reviews_folder(home, MODEL) / "reviews.jsonl"
    file.write_text(json.dumps({"edited": "by hand"}) + "\n")

    answer = client.get("/queue", headers=MINE)

    assert answer.status_code == 500
    assert "reviews.jsonl, line 1 is no review" in answer.json()["error"]["message"]


def test_more_than_a_page_full_comes_in_turns(client, home, monkeypatch) -> None:
    monkeypatch.setattr("serving.review.desk.AT_ONCE", 2)
    for number in range(3):
        add_answer(home, number, make_image(number))

    queue = get_queue(client)

    assert (queue["waiting"], len(queue["items"])) == (3, 2)
