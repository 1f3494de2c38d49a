"""Alerts arrive by webhook and e-mail, hold no secret, tell none, and stop nothing when they fail."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import get_args

import pytest

from cli.main import run
from registry import alerts
from registry.alerts import alert, deliver, read_addresses
from vision.errors import ConfigError
from vision.operation_config import AlertKind

# Apprise 2.2.0 imports the standard library's deprecated imghdr for its e-mails.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

KINDS = get_args(AlertKind)
TOKEN = "T0kenThatOpensTheDoor"


class Webhook(ThreadingHTTPServer):
    """Keeps what it is sent; answers with `status` after `pause` seconds."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), WebhookRequest)
        self.received: list[tuple[str, dict[str, object]]] = []
        self.status, self.released = 200, threading.Event()
        self.released.set()

    @property
    def address(self) -> str:
        return f"json://user:secret@127.0.0.1:{self.server_port}/{TOKEN}"


class WebhookRequest(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, body))
        self.server.released.wait(10)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class MailRequest(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as takes one message."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.received.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (alerts.URLS, alerts.URLS_FILE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    server = Webhook()
    monkeypatch.setenv(alerts.URLS, server.address)
    with running(server):
        yield server
        server.released.set()


@pytest.fixture
def set_urls(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda urls: monkeypatch.setenv(alerts.URLS, urls)


def test_alert_arrives_at_a_webhook(webhook: Webhook) -> None:
    alert(("drift",), "drift", title="Drift in roses", text="brightness moved <1> & more")
    [(path, body)] = webhook.received
    assert path == f"/{TOKEN}"
    assert (body["title"], body["message"]) == ("Drift in roses", "brightness moved <1> & more")


def test_alert_arrives_by_mail(set_urls: Callable[[str], None]) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailRequest) as server, running(server):
        server.received = []
        port = server.server_address[1]
        set_urls(f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure&format=text")
        alert(KINDS, "gate", title="Version 3 is champion", text="it is better")
    [mail] = server.received
    assert "Subject: Version 3 is champion" in mail
    assert "To: b@example.org" in mail


@pytest.mark.parametrize("on", [(), ("gate", "schedule")])
def test_kind_that_is_off_is_not_told(webhook: Webhook, on: tuple[AlertKind, ...]) -> None:
    alert(on, "drift", title="title", text="text")
    assert not webhook.received


def test_apprise_is_not_imported_where_nobody_is_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_service", lambda address: pytest.fail("Apprise was asked"))
    alert(KINDS, "drift", title="title", text="text")
    assert deliver(title="title", text="text") == ()


def test_one_that_fails_stops_no_other(webhook: Webhook, set_urls, caplog) -> None:
    set_urls(f"json://127.0.0.1:1/{TOKEN}, nonsense {webhook.address}")
    alert(KINDS, "drift", title="title", text="text")
    assert len(webhook.received) == 1
    refused, unusable = (record.getMessage() for record in caplog.records)
    assert refused == (
        "the drift alert missed address 1 (JSON at 127.0.0.1): it was refused, or nobody is there"
    )
    assert unusable.startswith("the drift alert missed address 2: it is no URL; allowed: json://HOST/PATH")


@pytest.mark.parametrize("answer", ["refuses", "accepts", "is silent"])
def test_log_holds_nothing_of_the_address_but_its_host(
    webhook: Webhook, caplog, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(alerts, "TIMEOUT_SECONDS", 0.3 if answer == "is silent" else 5.0)
    webhook.status = 500 if answer == "refuses" else 200
    if answer == "is silent":
        webhook.released.clear()
    alert(KINDS, "drift", title="title", text="text")
    assert len(webhook.received) == 1
    assert not any(part in caplog.text for part in (TOKEN, "user", "secret"))
    assert ("127.0.0.1" in caplog.text) == (answer != "accepts")


def test_token_in_the_place_of_a_host_is_not_told(set_urls, monkeypatch, caplog) -> None:
    monkeypatch.setattr(alerts, "_send", lambda services, title, text: ["refused"] * len(services))
    set_urls(f"slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ https://hooks.example.org/{TOKEN}")
    alert(KINDS, "drift", title="title", text="text")
    assert "address 1 (Slack): refused" in caplog.text
    assert "it is a https:// address that is incomplete or unknown; allowed: json://" in caplog.text
    assert not any(part in caplog.text for part in ("T1JJ3T3L2", "hooks", TOKEN))


def test_nobody_waits_for_one_that_is_silent(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "TIMEOUT_SECONDS", 0.3)
    deliver(title="the first", text="loads Apprise's services, which takes a second")
    webhook.released.clear()
    started = time.monotonic()
    [delivery] = deliver(title="title", text="text")
    assert time.monotonic() - started < 2
    assert delivery.problem == "no answer within 0.3 seconds"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("postgresql://me:p@ss@db/runs failed", "postgresql://***@db/runs failed"),
        ("password=hunter2, host=db", "password=***, host=db"),
        ('{"api_key": "abc"}', '{"api_key": ***'),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("key sl_A1b2C3d4E5f6 was used", "key sl_*** was used"),
        ("see /home/me/workspace", "see /home/me/workspace"),
        ("accuracy 0.91, tokens learned", "accuracy 0.91, tokens learned"),
    ],
)
def test_secrets_are_not_sent(webhook: Webhook, text: str, sent: str) -> None:
    alert(KINDS, "schedule", title=text, text=f"{text} by {webhook.address}")
    [(_, body)] = webhook.received
    assert (body["title"], body["message"]) == (sent, f"{sent} by ***")


def test_addresses_of_variable_and_file_are_joined(set_urls, tmp_path, monkeypatch) -> None:
    set_urls("json://a?x=1,2,json://b,\n mailto://c ,")
    (tmp_path / "urls").write_text("json://d\n")
    monkeypatch.setenv(alerts.URLS_FILE, str(tmp_path / "urls"))
    assert read_addresses() == ("json://a?x=1,2", "json://b", "mailto://c", "json://d")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_file_that_cannot_be_read_is_named(tmp_path, monkeypatch, caplog, content: bytes | None) -> None:
    file = tmp_path / "urls"
    if content:
        file.write_bytes(content)
    monkeypatch.setenv(alerts.URLS_FILE, str(file))
    with pytest.raises(ConfigError, match=f'SIGHTLINE_ALERT_URLS_FILE="{file}" cannot be read'):
        read_addresses()
    alert(KINDS, "drift", title="title", text="text")
    assert "was not sent: SIGHTLINE_ALERT_URLS_FILE" in caplog.text


def test_fault_of_ours_is_not_raised_and_tells_no_address(webhook: Webhook, monkeypatch, caplog) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(webhook.address)

    monkeypatch.setattr(alerts, "_send", fail)
    alert(KINDS, "drift", title="title", text="text")
    assert caplog.messages == ["the drift alert was not sent: RuntimeError"]


def test_command_says_which_arrived(webhook: Webhook, set_urls, capsys) -> None:
    assert run(["alert", "--test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "arrived": True,
        "addresses": [{"address": "address 1 (JSON at 127.0.0.1)", "problem": None}],
    }
    set_urls(f"{webhook.address} nonsense")
    assert run(["alert", "--test"]) == 1
    shown = capsys.readouterr().out
    assert "address 1 (JSON at 127.0.0.1)  arrived" in shown
    assert "address 2" in shown and "it is no URL; allowed: json://HOST/PATH" in shown


def test_command_without_addresses_says_how_to_set_them(capsys) -> None:
    assert run(["alert", "--test"]) == 1
    assert "alerts have no address: set SIGHTLINE_ALERT_URLS" in capsys.readouterr().err
    assert run(["alert"]) == 0
    assert "addresses  0" in capsys.readouterr().out
