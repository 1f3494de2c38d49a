"""Debian's Chromium, and the page served alone: the tests play the service's answers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.staticfiles import StaticFiles

from serving.front.headers import CONTENT_SECURITY_POLICY
from serving.routes import page as page_routes
from tests.serving.browser.played_service import Played
from tests.serving.browser.served_app import served

CHROMIUM = shutil.which("chromium")
# A camera that shows a moving test picture, and is allowed.
OPTIONS = ("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the page is served, alone, under the service's policy."""
    app = FastAPI(docs_url=None)
    app.include_router(page_routes.router)
    # Found, not imported: BentoML takes seconds.
    bentoml = Path(find_spec("bentoml").submodule_search_locations[0])
    app.mount("/static_content", StaticFiles(directory=bentoml / "_internal/server/static_content"))

    @app.middleware("http")
    async def guard(request, call_next):
        response = await call_next(request)
        response.headers["content-security-policy"] = CONTENT_SECURITY_POLICY.decode()
        return response

    with served(app) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs chromium: apt-get install chromium")
    expect.set_options(timeout=20_000)  # Playwright's 5 s are short where other tests keep the cores busy
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


Visit = Callable[..., tuple[Page, Played]]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens the page in a fresh browser; what the page itself did wrong fails the test at its end."""
    faults: list[str] = []
    contexts = []

    def visit(answers: dict[str, tuple[int, object]] | None = None, **options: object) -> tuple[Page, Played]:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page, played = context.new_page(), Played(answers or {})
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        # From the start: a chooser that a key opens at once would come before it is waited for.
        page.on("filechooser", lambda _: None)
        page.route(re.compile("/v1/|/readyz"), played.answer)
        page.goto(address)
        return page, played

    yield visit
    for context in contexts:
        context.close()
    assert faults == []
