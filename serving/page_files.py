"""The page at / and the API's description at /docs: plain files of the folder page/.

They load nothing from elsewhere and hold no script or style within the HTML, so that the strict policy of
headers.py lets them work. BentoML's own page loads a Google tag manager; only its copy of Swagger UI is used.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).with_name("page")

_files = StaticFiles(directory=FOLDER)


async def page_file(name: str, request: Request) -> Response:
    """One file of the folder, or 304 where the browser has it; HTTPException (404) for any other name."""
    response = await _files.get_response(name, request.scope)
    # The browser asks each time whether its copy is still the same: files of two releases never meet.
    response.headers["cache-control"] = "no-cache"
    return response
