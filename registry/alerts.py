"""Alerts: what happened by itself, told by Apprise to the addresses of SIGHTLINE_ALERT_URLS.

An alert never stops what it tells of: one that cannot be sent is a line in the log, and nobody waits for it
longer than TIMEOUT_SECONDS. An address holds a password, or is one (a webhook's path): a line names the
service and its host at most.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from vision.errors import ConfigError
from vision.operation_config import AlertKind

if TYPE_CHECKING:
    from apprise import NotifyBase

logger = logging.getLogger(__name__)

URLS, URLS_FILE = "SIGHTLINE_ALERT_URLS", "SIGHTLINE_ALERT_URLS_FILE"
ALLOWED = (
    "json://HOST/PATH (a webhook; jsons:// with TLS), mailto://USER:PASSWORD@HOST?to=WHOM, and the others"
    " of Apprise"
)
TIMEOUT_SECONDS = 5.0
# At whitespace, or at a comma before the next address: an address may have commas of its own.
BETWEEN_ADDRESSES = re.compile(r",?\s+|,(?=[a-z][\w+.-]*://)", re.IGNORECASE)
# What follows the first group is not sent.
SECRETS = (
    re.compile(r"(://)\S*(?=@)"),  # user and password of a URL, up to the last @: a password may have one
    re.compile(r"(?i)\b((?:password|passwd|pwd|token|secret|api[_-]?key)[\"']?\s*[=:]\s*)[^\s,;&]+"),
    re.compile(r"(?i)\b(bearer )\S+"),
    re.compile(r"\b(sl_)[\w-]{8,}"),  # an API key of the service (serving/front/keys.py)
)
THREAD = "sightline alert"


@dataclass(frozen=True)
class Delivery:
    """To whom, without what opens it; `problem` is why it did not arrive, None where it did."""

    address: str
    problem: str | None


def alert(on: tuple[AlertKind, ...], kind: AlertKind, *, title: str, text: str) -> None:
    """Tells every address, where the kind is one of `on`; raises nothing and says in the log what failed."""
    if kind not in on:
        return
    try:
        for delivery in deliver(title=title, text=text):
            if delivery.problem:
                logger.warning("the %s alert missed %s: %s", kind, delivery.address, delivery.problem)
    except ConfigError as error:
        logger.warning("the %s alert was not sent: %s", kind, error)
    except Exception as error:  # its message may hold an address
        logger.warning("the %s alert was not sent: %s", kind, type(error).__name__)


def deliver(*, title: str, text: str) -> tuple[Delivery, ...]:
    """What became of a message at each address, after TIMEOUT_SECONDS at most.

    ConfigError where the file of addresses cannot be read.
    """
    addresses = read_addresses()
    if not addresses:
        return ()
    services = [_service(address) for address in addresses]
    title, text = (_without_secrets(part, addresses) for part in (title, text))
    ready = [service for service in services if service is not None]
    problems = iter(_send(ready, title, text))
    return tuple(
        Delivery(
            f"address {place}{_name(service)}", next(problems) if service is not None else _unusable(address)
        )
        for place, (address, service) in enumerate(zip(addresses, services, strict=True), 1)
    )


def read_addresses() -> tuple[str, ...]:
    """The URLs of the environment and those of its file; ConfigError where that cannot be read."""
    listed = [os.environ.get(URLS, "")]
    if file := os.environ.get(URLS_FILE):
        try:
            listed.append(Path(file).read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f'{URLS_FILE}="{file}" cannot be read ({type(error).__name__}): it is a text file of URLs,'
                " divided by whitespace or commas; correct or unset the variable"
            ) from error
    parts = BETWEEN_ADDRESSES.split(" ".join(listed))
    return tuple(address for part in parts if (address := part.strip(",")))


def _service(address: str) -> NotifyBase | None:
    """Apprise's for the address; None where it has none."""
    from apprise import Apprise, AppriseAsset

    for name in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_tells_no_address)
    # No timeout and no pool of Apprise's: a process waits at its end for the threads of a pool.
    asset = AppriseAsset(app_id="Sightline", app_desc="Sightline", service_timeout=0, async_mode=False)
    service = Apprise.instantiate(address, asset=asset)
    if service is not None:
        # Longer than anybody waits for it, so that silence is told as silence.
        service.socket_connect_timeout = service.socket_read_timeout = 2 * TIMEOUT_SECONDS
    return service


def _tells_no_address(record: logging.LogRecord) -> bool:
    return record.name != "apprise" and record.threadName != THREAD


def _send(services: Sequence[NotifyBase], title: str, text: str) -> list[str | None]:
    """The problem of each, in threads that nobody waits for longer than TIMEOUT_SECONDS."""
    from apprise import Apprise, NotifyFormat

    problems: list[str | None] = [f"no answer within {TIMEOUT_SECONDS:g} seconds"] * len(services)

    def send(place: int) -> None:
        sender = Apprise(services[place])
        arrived = sender.notify(body=text, title=title, body_format=NotifyFormat.TEXT)
        problems[place] = None if arrived else "it was refused, or nobody is there"

    threads = [Thread(target=send, args=(place,), name=THREAD, daemon=True) for place in range(len(services))]
    for thread in threads:
        thread.start()
    until = time.monotonic() + TIMEOUT_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return list(problems)


def _name(service: NotifyBase | None) -> str:
    """The service, and its host where that is one: the first part of other addresses is a token."""
    if service is None:
        return ""
    templates: tuple[str, ...] = service.templates
    has_host = any("{host}" in template for template in templates)
    return f" ({service.service_name}{f' at {service.host}' if has_host else ''})"


def _unusable(address: str) -> str:
    scheme, divider, _ = address.partition("://")
    received = f"a {scheme}:// address that is incomplete or unknown" if divider else "no URL"
    return f"it is {received}; allowed: {ALLOWED}; correct {URLS}, or the file of {URLS_FILE}"


def _without_secrets(text: str, addresses: Sequence[str]) -> str:
    for address in addresses:
        text = text.replace(address, "***")
    for secret in SECRETS:
        text = secret.sub(r"\1***", text)
    return text
