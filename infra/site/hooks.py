"""What mkdocs calls: it adds the pages that do not lie in docs/, and sets every page's links right."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # mkdocs imports this file by its path

from infra.site.generated import GENERATED  # noqa: E402
from infra.site.links import rewrite_links  # noqa: E402

ELSEWHERE = {"index.md": ROOT / "README.md", "benchmarks.md": ROOT / "BENCHMARKS.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, source in ELSEWHERE.items():
        files.append(File.generated(config, name, content=source.read_text()))
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    name = page.file.src_uri
    docs = Path(config.docs_dir)
    pages = {docs / file.src_uri: file.src_uri for file in files}
    pages |= {source: page_name for page_name, source in ELSEWHERE.items()}
    source = ELSEWHERE.get(name, docs / name)
    return rewrite_links(markdown, source=source, page=name, pages=pages)
