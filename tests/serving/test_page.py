"""The page's files as they are served: whole, small, ours alone, no script or style within the HTML."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from serving.page_files import FOLDER
from serving.routes import page

FILES = sorted(path.name for path in FOLDER.iterdir())
PAGES = ("index.html", "docs.html")
# BentoML's copy of Swagger UI, and what other routes answer.
ELSEWHERE = {"static_content/swagger-ui.css", "static_content/swagger-ui-bundle.js", "docs", "openapi.json"}


def get(path: str, **headers: str) -> httpx.Response:
    """The answer of the page's routes alone."""
    app = FastAPI(docs_url=None)
    app.include_router(page.router)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sightline") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


class Elements(HTMLParser):
    """The elements of a page, each a name and its attributes, and the text within script and style."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed((FOLDER / name).read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:  # within script or style
            self.inline += data


@pytest.mark.parametrize(("path", "name"), [("/", "index.html"), ("/docs", "docs.html")])
def test_pages_are_at_their_paths(path, name) -> None:
    response = get(path)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.content == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_served_as_what_it_is(name) -> None:
    kinds = {".html": "text/html", ".css": "text/css", ".js": "javascript", ".svg": "image/svg+xml"}

    response = get(f"/page/{name}")

    assert response.content == (FOLDER / name).read_bytes()
    assert kinds[Path(name).suffix] in response.headers["content-type"]
    assert response.headers["cache-control"] == "no-cache"


def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    tag = get("/page/app.js").headers["etag"]

    again = get("/page/app.js", **{"if-none-match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["../page.py", "..%2fpage.py", "%2e%2e%2fpage.py", "a%00b", "nothing.js", "x" * 5000]
)
def test_nothing_else_is_served(path) -> None:
    assert get(f"/page/{path}").status_code == 404


def test_nothing_is_loaded_from_elsewhere() -> None:
    allowed = {"http://www.w3.org/2000/svg"}  # the name of a format, never asked for

    text = "".join((FOLDER / name).read_text() for name in FILES)

    assert set(re.findall(r"""(?:[a-z]+:)?//[\w.-]+\.\w[^\s"')]*""", text)) <= allowed


@pytest.mark.parametrize("name", PAGES)
def test_html_holds_no_script_and_no_style(name) -> None:
    page = Elements(name)

    names = {attribute for _, attributes in page.elements for attribute in attributes}
    assert page.inline.strip() == ""
    assert not {each for each in names if each.startswith("on")} | (names & {"style"})


@pytest.mark.parametrize("name", PAGES)
def test_every_address_of_a_page_leads_somewhere(name) -> None:
    found = {attributes.get("src") or attributes.get("href") for _, attributes in Elements(name).elements}

    assert found - {None} <= {f"page/{file}" for file in FILES} | ELSEWHERE


def test_every_import_of_a_module_is_a_file() -> None:
    modules = [path.read_text() for path in FOLDER.glob("*.js")]

    imported = set(re.findall(r'from "\./([\w.]+)"', "".join(modules)))

    assert "service.js" in imported
    assert imported <= set(FILES)


def test_everything_together_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40_000
