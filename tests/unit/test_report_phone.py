"""The page on a phone, as a browser lays it out: 360 pixels wide, and nothing to be scrolled sideways."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.unit.report_evidence import evidence
from tests.unit.test_report import full_report
from tests.unit.test_report_labels import evaluation_of as labels_evaluation
from vision.report import Report, render_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files"),
    *("--virtual-time-budget=8000", "--dump-dom"),
)
# A window may not be as narrow as a phone, a frame may. It opens every gallery and says its width twice.
FRAME = """<iframe id="page" src="report.html" style="width:360px;height:800px"></iframe><script>
page.onload = () => {
  const root = page.contentDocument.documentElement;
  root.querySelectorAll("details").forEach((each) => { each.open = true; });
  document.body.append(`widths ${root.scrollWidth} ${root.clientWidth}`);
};</script>"""


def widths(html: str, folder: Path) -> tuple[int, int]:
    """How wide the page's content is, and how wide the page."""
    (folder / "report.html").write_text(html)
    (folder / "frame.html").write_text(FRAME)
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", (folder / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    content, page = re.findall(r"widths (\d+) (\d+)", done.stdout)[-1]
    return int(content), int(page)


def report_of(kind: str) -> Report:
    names = tuple(f"{place} a class of a long name_without_any_place_to_break_it" for place in range(10))
    full = full_report(names)
    if kind == "labels":
        full = Report("labels", labels_evaluation(len(names), names=names), mistakes=full.mistakes)
    flipped = {row: np.zeros((8, 8, 3), np.uint8) for row in range(12)}
    return Report(**{**vars(full), "evidence": evidence(), "flipped": flipped})


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, or another browser of its family")
@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_page_fits_a_phone(kind, tmp_path) -> None:
    content, page = widths(render_report(report_of(kind)), tmp_path)
    assert page <= 360
    assert content == page
