"""Images by URL: only from allowed hosts at public addresses, connected to where they were checked."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable

import httpcore
import pytest

from serving.answers import RequestError
from serving.received.url_image import PublicOnly, UrlImages, is_public

HOST = "images.example.org"
OK = b"HTTP/1.1 200 OK\r\n"
IMAGE = b"\x89PNG and so on"
ANSWER = OK + b"content-length: %d\r\n\r\n" % len(IMAGE) + IMAGE


def images(*answer: bytes, hosts: tuple[str, ...] = (HOST,), max_bytes: int = 100) -> UrlImages:
    """Whatever is asked, a host answers with these bytes."""
    backend = httpcore.AsyncMockBackend(list(answer))
    return UrlImages(hosts, max_bytes=max_bytes, seconds=5, backend=backend)


def refusal(source: UrlImages, url: str) -> RequestError:
    with pytest.raises(RequestError) as refused:
        asyncio.run(source.fetch(url))
    assert refused.value.status == 400
    return refused.value


def test_an_allowed_url_is_fetched() -> None:
    assert asyncio.run(images(ANSWER).fetch(f"http://{HOST}/a.png?size=2#part")) == IMAGE


@pytest.mark.parametrize("url", [f"https://{HOST}", f"HTTPS://{HOST.upper()}:443/a", f"http://{HOST}:80/"])
def test_a_host_is_its_name_and_its_schemes_port(url) -> None:
    assert asyncio.run(images(ANSWER).fetch(url)) == IMAGE


def test_off_unless_hosts_are_named() -> None:
    refused = refusal(images(ANSWER, hosts=()), f"http://{HOST}/a.png")

    assert refused.code == "url_refused"
    assert "SIGHTLINE_URL_HOSTS" in refused.message


URLS = {
    f"http://{HOST}:8080/": "url_refused",
    "http://other.example.org/": "url_refused",
    f"http://{HOST}.evil.org/": "url_refused",
    f"http://evil.org/{HOST}": "url_refused",
    f"http://evil.org#{HOST}": "url_refused",
    f"http://{HOST}./": "url_refused",
    "http://127.0.0.1/": "url_refused",
    "http://[::1]/": "url_refused",
    "http://2130706433/": "url_refused",
    f"http://{HOST}@evil.org/": "bad_url",
    f"http://evil.org@{HOST}/": "bad_url",
    f"http://evil.org\\@{HOST}/": "bad_url",
    f"file://{HOST}/etc/passwd": "bad_url",
    f"gopher://{HOST}/": "bad_url",
    f"//{HOST}/": "bad_url",
    "": "bad_url",
    "http://": "bad_url",
    "http://[": "bad_url",
    f"http://{HOST}:99999/": "bad_url",
    f"http://{HOST}:0/": "bad_url",
    f"http://{HOST}/\r\nX-Evil: 1": "bad_url",
    f"http://{HOST}/two words": "bad_url",
    f"ht\ntp://{HOST}/": "bad_url",
    "http://imäges.example.org/": "bad_url",
    f"http://{HOST}/" + "a" * 5000: "bad_url",
}  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_any_other_url_is_refused_before_a_connection(url) -> None:
    assert refusal(images(ANSWER), url).code == URLS[url]


ANSWERS = {
    "redirect": (
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
        "url_refused",
    ),
    "missing": (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "bad_url"),
    "too large": (OK + b"content-length: 101\r\n\r\n" + b"0" * 101, "bad_url"),
    "cut short": (OK + b"content-length: 90\r\n\r\nonly this", "bad_url"),
    "compressed": (OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", "bad_url"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "bad_url"),
    "nothing": (b"", "bad_url"),
    "endless headers": (OK + b"x: " + b"0" * 200_000, "bad_url"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_no_image_is_an_error_of_the_request(name) -> None:
    answer, code = ANSWERS[name]

    assert refusal(images(answer), f"http://{HOST}/").code == code


def test_an_endless_answer_is_left_at_the_limit() -> None:
    chunks = [OK + b"transfer-encoding: chunked\r\n\r\n", *[b"a\r\n0123456789\r\n"] * 1000]

    assert "more than 100 bytes" in refusal(images(*chunks), f"http://{HOST}/").message


PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946")
NOT_PUBLIC = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "fe80::1%eth0"),
    *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "2002:7f00:1::", "2001:0:7f00:1::"),
    *("64:ff9b::7f00:1", "64:ff9b:1::1"),
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_of_machine_network_or_group_are_not(address) -> None:
    assert not is_public(address)


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Makes names resolve to these addresses, call by call; what was connected to is in the list."""

    def resolve(*answers: tuple[str, ...]) -> list[str]:
        waiting, connected = list(answers), []

        async def getaddrinfo(_, host, port, **options):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in waiting.pop(0)]

        async def connect(_, host, port, *rest):
            connected.append(host)
            return httpcore.AsyncMockStream([ANSWER])

        monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", getaddrinfo)
        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
        return connected

    return resolve


def test_the_address_that_was_checked_is_connected_to(resolve) -> None:
    # A second look-up, which would give this machine, is never made.
    connected = resolve(("8.8.8.8",), ("127.0.0.1",))
    source = UrlImages((HOST,), max_bytes=100, seconds=5)

    assert asyncio.run(source.fetch(f"http://{HOST}/")) == IMAGE
    assert connected == ["8.8.8.8"]


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("::1",)])
def test_a_name_with_an_address_that_is_not_public_is_refused(resolve, addresses) -> None:
    connected = resolve(addresses)

    refused = refusal(UrlImages((HOST,), max_bytes=100, seconds=5), f"http://{HOST}/")

    assert (refused.code, connected) == ("url_refused", [])
    assert not any(address in refused.message for address in addresses)


def test_an_unknown_name_is_an_error_of_the_request(monkeypatch) -> None:
    async def unknown(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", unknown)

    assert refusal(UrlImages((HOST,), max_bytes=100, seconds=5), f"http://{HOST}/").code == "bad_url"


class Silent(httpcore.AsyncNetworkBackend):
    async def connect_tcp(self, *_, **__):
        await asyncio.sleep(60)


def test_a_host_that_says_nothing_is_left_in_time() -> None:
    source = UrlImages((HOST,), max_bytes=100, seconds=0.05, backend=Silent())

    refused = refusal(source, f"http://{HOST}/")

    assert refused.code == "bad_url"
    assert "within 0.05 seconds" in refused.message


def test_the_real_backend_connects_to_no_loopback() -> None:
    source = UrlImages(("127.0.0.1:1",), max_bytes=100, seconds=5, backend=PublicOnly())

    assert refusal(source, "http://127.0.0.1:1/").code == "url_refused"


@pytest.mark.parametrize(
    "body",
    [
        b'{"image": "AAAA"}',
        b'{"url": 1}',
        b'{"url": "a", "image": "b"}',
        b"[]",
        b'"url"',
        b'{"url": ',
        b"[" * 4000,
    ],
)
def test_a_body_without_an_url_stays_what_it_is(body) -> None:
    assert asyncio.run(images(ANSWER).follow("json", body)) == ("json", body)


def test_a_body_with_an_url_becomes_its_image() -> None:
    body = json.dumps({"url": f"http://{HOST}/"}).encode()

    assert asyncio.run(images(ANSWER).follow("json", body)) == ("raw", IMAGE)
    assert asyncio.run(images(ANSWER).follow("raw", body)) == ("raw", body)
    padded = body + b" " * 5000
    assert asyncio.run(images(ANSWER).follow("json", padded)) == ("json", padded)
