"""Links of a page that lies elsewhere in the repository than in the site."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def rewrite_links(markdown: str, *, source: Path, page: str, pages: Mapping[Path, str]) -> str:
    """The page with its links as they are in the site; a link to a file that is not there becomes plain text.

    `source` is the file that the page was made of, `page` its name in the site, and `pages` the name of
    each file that the site has.
    """

    def rewrite(match: re.Match[str]) -> str:
        mark, text, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in path:
            return match[0]
        name = pages.get(Path(os.path.normpath(source.parent / path)))
        if name is None:
            return text
        there = os.path.relpath(name, PurePosixPath(page).parent)
        return f"{mark}[{text}]({there}{'#' + anchor if anchor else ''})"

    return LINK.sub(rewrite, markdown)
