"""The data report: what a data set is and what is wrong with it, before anything is learned from it.

contents.py what is known, summary.py from the manifest to it, findings.py the same in sentences; page.py,
galleries.py, plots.py and data_report.html.j2 one HTML page that needs nothing but itself. Thumbnails and
the look of the plots are those of vision.report.
"""

from __future__ import annotations

from vision.data_report.contents import DataSummary
from vision.data_report.page import render_data_report
from vision.data_report.summary import summarize_data

__all__ = ["DataSummary", "render_data_report", "summarize_data"]
