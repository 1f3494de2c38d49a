"""Great Expectations' Data Docs as a folder that opens in a browser without a network.

As they come they load eleven files from five hosts, and the index is empty without them. The pages keep
their content, lose what is loaded from elsewhere, get a style of their own, and an index that is plain HTML.
"""

from __future__ import annotations

import html
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_contracts.breaches import Breach

SITE = "data_docs"
INDEX = "index.html"
# Scripts only move and filter what stands in the page; with their libraries gone they would only fail.
FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*\bhttps?://[^>]*>|<button\b.*?</button>"
    r'|<div class="card mb-3">\s*<div class="card-header p-2">\s*<strong>Actions</strong>.*?</div>\s*</div>'
    r"\s*</div>\s*</div>\s*</div>|<footer\b.*?</footer>",
    re.DOTALL,
)
STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1.4rem }
th, td { border: 1px solid #d5dce3; padding: .35rem .6rem; text-align: left; vertical-align: top }
th { background: #f1f4f7 } td:last-child { overflow-wrap: anywhere }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
a { color: #0b5cad } ol, ul { padding-left: 1.2rem } nav ol { list-style: none; padding: 0 }
.critical { color: #a4161a; font-weight: 600 } .quarantined { color: #8a4b00; font-weight: 600 }
.warning { color: #6b5a00 } .good { color: #1b6e3c; font-weight: 600 }
.fa-times::before { content: "✘"; color: #a4161a } .fa-check-circle::before { content: "✔"; color: #1b6e3c }
.fa-exclamation-triangle::before { content: "▲"; color: #a4161a }
i { font-style: normal } .collapse { display: block }
</style>"""


def site_config(folder: Path) -> dict[str, Any]:
    """What Great Expectations needs to know to write its pages into the folder."""
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


@contextmanager
def swapped_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that takes the target's place at the end, so that a reader never sees half a site.

    vision.bundle has its like; this package imports nothing of ours.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield folder
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def finish_docs(folder: Path, breaches: Mapping[str, Sequence[Breach]]) -> None:
    """Makes Great Expectations' pages readable offline and writes the index, one section a suite."""
    shutil.rmtree(folder / "static", ignore_errors=True)
    pages = sorted(folder.rglob("*.html"))
    for page in pages:
        page.write_text(FOREIGN.sub("", page.read_text()).replace("</head>", f"{STYLE}</head>", 1))
    sections = "".join(_section(folder, name, found) for name, found in breaches.items())
    (folder / INDEX).write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Data contracts</title>'
        f"{STYLE}</head><body><h1>Data contracts</h1>{sections}</body></html>\n"
    )


def _section(folder: Path, name: str, breaches: Sequence[Breach]) -> str:
    pages = [page.relative_to(folder).as_posix() for page in folder.glob(f"validations/*/*/*/{name}-*.html")]
    links = " ".join(f'<a href="{html.escape(page)}">every expectation</a>' for page in pages)
    rows = "".join(map(_row, breaches))
    header = "<tr><th>effect</th><th>column</th><th>what</th><th>rows</th></tr>"
    table = f"<table>{header}{rows}</table>" if rows else '<p class="good">Every expectation holds.</p>'
    return f"<h2>{html.escape(name)}</h2><p>{links}</p>{table}"


def _row(breach: Breach) -> str:
    cells = (breach.column, breach.message, breach.name_rows(limit=200))
    columns = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    return f'<tr><td class="{html.escape(breach.effect)}">{html.escape(breach.effect)}</td>{columns}</tr>'
