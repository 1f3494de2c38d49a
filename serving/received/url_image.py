"""An image that a request names by URL: fetched only from hosts that are allowed, at public addresses.

Off unless SIGHTLINE_URL_HOSTS names hosts: a service that fetches what strangers name can be sent to places
that only it can reach (server-side request forgery, OWASP API7:2023). The address is checked where the
connection is made, and that address is connected to, so that no second look-up can give another one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Collection, Iterable
from functools import cache
from urllib.parse import SplitResult, urlsplit

import httpcore

from serving.answers import RequestError
from serving.settings import Settings

# A body that names a URL is small; a larger one holds an image in base64, which a thread is to parse.
MAX_BODY_BYTES = 4096
MAX_FETCHES = 8
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
HEADERS = (("accept", "image/*"), ("accept-encoding", "identity"), ("user-agent", "sightline"))
# IPv6 that is routed at all (RFC 4291, 2.4): without it ::ffff:127.0.0.1 and 64:ff9b::7f00:1 would do.
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Public by the tables of Python 3.11, and yet ways to other networks: 6to4 and protocol assignments.
REFUSED = tuple(map(ipaddress.ip_network, ("2002::/16", "192.0.0.0/24")))


class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to names all of whose addresses are public; RequestError (400) for any other."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not all(map(is_public, addresses)):
            raise _refused("the host's address is not a public one")
        return await self._backend.connect_tcp(addresses[0], port, timeout)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet: not to this machine, its networks or a group."""
    ip = ipaddress.ip_address(address)
    if ip.is_multicast or any(ip in network for network in REFUSED):
        return False
    return ip.is_global and (ip.version == 4 or ip in GLOBAL_UNICAST)


class UrlImages:
    """Fetches from `hosts` ("images.example.org", or with a port that is not the scheme's own).

    At most `max_bytes` within `seconds`. Redirects are not followed, and proxies of the environment not used.
    """

    def __init__(
        self,
        hosts: Collection[str],
        *,
        max_bytes: int,
        seconds: float,
        backend: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._hosts = {host.lower() for host in hosts}
        self._max_bytes, self._seconds = max_bytes, seconds
        self._backend = backend or PublicOnly()
        self._turns = asyncio.Semaphore(MAX_FETCHES)

    @classmethod
    def from_settings(cls, settings: Settings) -> UrlImages:
        return cls(settings.url_hosts, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds)

    async def follow(self, kind: str, body: bytes) -> tuple[str, bytes]:
        """The upload's kind and body, or "raw" and the image where the body is {"url": "..."}."""
        url = _named_url(body) if kind == "json" else None
        return (kind, body) if url is None else ("raw", await self.fetch(url))

    async def fetch(self, url: str) -> bytes:
        """What the URL holds; RequestError (400): url_refused where it is not allowed, else bad_url."""
        parts = self._checked(url)
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                return await self._read(parts)
        except (TimeoutError, httpcore.TimeoutException):
            raise _bad(f"the image did not arrive within {self._seconds:g} seconds") from None
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError):
            raise _bad("its host was not found, not reached, or did not answer in HTTP") from None

    def _checked(self, url: str) -> SplitResult:
        if not self._hosts:
            raise _refused(
                "images by URL are not allowed here; the server's SIGHTLINE_URL_HOSTS allows hosts"
            )
        if len(url) > MAX_BODY_BYTES or not all("!" <= letter <= "~" and letter != "\\" for letter in url):
            raise _bad("printable ASCII without spaces is allowed: encode other letters")
        try:
            parts = urlsplit(url)
            port = parts.port  # raises for what is no port
        except ValueError:
            raise _bad("it is malformed") from None
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or port == 0:
            raise _bad("http://HOST/... or https://HOST/... is allowed, without a user")
        if parts.netloc.lower().removesuffix(DEFAULT_PORTS[parts.scheme]) not in self._hosts:
            raise _refused("its host is not among those that the server allows (SIGHTLINE_URL_HOSTS)")
        return parts

    async def _read(self, parts: SplitResult) -> bytes:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        url = httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)
        body = bytearray()
        async with (
            httpcore.AsyncConnectionPool(ssl_context=_tls(), network_backend=self._backend) as pool,
            pool.stream("GET", url, headers=HEADERS) as response,
        ):
            _check_answer(response)
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > self._max_bytes:
                    raise _bad(f"the image has more than {self._max_bytes} bytes")
        return bytes(body)


def _check_answer(response: httpcore.Response) -> None:
    if 300 <= response.status < 400:
        raise _refused("its host redirects, which is not followed: give the last address")
    if response.status != 200:
        raise _bad(f"its host answered with status {response.status}")
    names = {name.lower(): value.lower() for name, value in response.headers}
    if names.get(b"content-encoding", b"identity") != b"identity":
        raise _bad("its host sent a compressed body, which was not asked for")


def _named_url(body: bytes) -> str | None:
    """None where the body is anything else: upload.py says what is wrong with it."""
    if len(body) > MAX_BODY_BYTES or b'"url"' not in body:
        return None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    is_url = isinstance(content, dict) and content.keys() == {"url"} and isinstance(content["url"], str)
    return content["url"] if is_url else None


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked against the name, whichever address is connected to. Made in 20 ms."""
    return httpcore.default_ssl_context()


def _bad(reason: str) -> RequestError:
    return RequestError(400, "bad_url", f"the image's url: {reason}")


def _refused(reason: str) -> RequestError:
    return RequestError(400, "url_refused", f"the image's url: {reason}")
