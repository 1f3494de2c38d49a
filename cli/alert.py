"""`sightline alert --test`: does what happens by itself reach somebody?"""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson
from cli.output import show_json, show_rows

Test = Annotated[bool, typer.Option("--test", help="send a message to each address")]


def alert(test: Test = False, as_json: AsJson = False) -> int:
    """Count the addresses of alerts; --test sends each a message, exit status 1 where one missed."""
    from registry.alerts import ALLOWED, URLS, URLS_FILE, deliver, read_addresses
    from vision.errors import ConfigError

    count = len(read_addresses())
    if not test:
        shown: dict[str, object] = {"addresses": count, "next": "sightline alert --test"}
        (show_json if as_json else show_rows)(shown)
        return 0
    if not count:
        raise ConfigError(f"alerts have no address: set {URLS}, or {URLS_FILE} to a file; allowed: {ALLOWED}")
    deliveries = deliver(title="Sightline: a test", text="Alerts of Sightline arrive here.")
    arrived = all(delivery.problem is None for delivery in deliveries)
    if as_json:
        show_json({"arrived": arrived, "addresses": [vars(delivery) for delivery in deliveries]})
    else:
        show_rows({delivery.address: delivery.problem or "arrived" for delivery in deliveries})
    return int(not arrived)
