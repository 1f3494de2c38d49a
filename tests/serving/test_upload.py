"""Taking the image's bytes out of a request: bounded, and never into a fault."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from serving.answers import RequestError
from serving.received.multipart import Part, field_parts
from serving.received.upload import read_body, take_image


def request(*chunks: bytes, ends: bool = True, **headers: str) -> Request:
    """A request whose body arrives in these chunks; where it does not end, nothing more arrives."""
    waiting = list(chunks)

    async def receive() -> dict[str, object]:
        if not waiting:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not ends}

    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": encoded}, receive)


def read(sent: Request, *, max_bytes: int = 10, seconds: float = 5) -> bytes:
    return asyncio.run(read_body(sent, max_bytes=max_bytes, seconds=seconds))


def test_a_body_is_its_chunks_up_to_the_limit() -> None:
    assert read(request(b"01234", b"", b"56789")) == b"0123456789"


@pytest.mark.parametrize("declared", ["11", "9" * 18, "9" * 19, "9" * 5000])
def test_a_declared_length_is_refused_before_anything_is_read(declared) -> None:
    with pytest.raises(RequestError) as refused:
        read(request(content_length=declared))

    assert (refused.value.status, refused.value.code) == (413, "body_too_large")
    assert len(refused.value.message) < 200


def test_chunks_are_refused_when_they_are_too_much() -> None:
    with pytest.raises(RequestError, match="more than 10 bytes"):
        read(request(b"0" * 6, b"0" * 5))


def test_a_body_that_never_ends_is_given_up() -> None:
    with pytest.raises(RequestError, match="5 bytes arrived in") as refused:
        read(request(b"01234", ends=False), seconds=0.05)

    assert (refused.value.status, refused.value.code) == (408, "too_slow")


def form(*parts: tuple[str, bytes]) -> bytes:
    head = b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
    return b"".join(head % (options.encode(), data) for options, data in parts) + b"--x--\r\n"


FORM = "multipart/form-data; boundary=x"


def test_parts_of_a_name_keep_order_and_file() -> None:
    body = form(
        ('name="image"; filename="a.png"', b"A"),
        ('name="other"', b"-"),
        ('name="image"; filename="../ü.png"', b"B"),
        ('name="image"', b""),
    )

    parts = field_parts(FORM, body, "image")

    assert parts == [Part("a.png", b"A"), Part("../ü.png", b"B"), Part("", b"")]


@pytest.mark.parametrize(("max_parts", "is_allowed"), [(3, True), (2, False)])
def test_parts_are_counted_whatever_their_name(max_parts, is_allowed) -> None:
    body = form(*[('name="other"', b"")] * 3)

    if is_allowed:
        assert field_parts(FORM, body, "image", max_parts=max_parts) == []
    else:
        with pytest.raises(RequestError, match="more than 2 fields"):
            field_parts(FORM, body, "image", max_parts=max_parts)


KINDS = st.sampled_from([("multipart", FORM), ("json", "application/json"), ("raw", "image/png")])
SEEDS = (
    form(('name="image"', b"\x89PNG")),
    json.dumps({"image": base64.b64encode(b"PNG").decode()}).encode(),
)


@given(
    kind=KINDS,
    seed=st.sampled_from(SEEDS),
    at=st.integers(0, 80),
    insert=st.binary(max_size=20),
    cut=st.integers(0, 9),
)
def test_any_body_is_an_image_or_a_refusal(kind, seed, at, insert, cut) -> None:
    body = seed[:at] + insert + seed[at + cut :]

    try:
        assert isinstance(take_image(*kind, body), bytes)
    except RequestError as refusal:
        assert refusal.status == 400
