"""One look at the service: its answers and kept images beside the reference of the version that gave them."""

from __future__ import annotations

import html
import logging
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import ConfigDict

from registry.bundles import load_bundle
from registry.pointer import MAKE_CHAMPION, bundle_path
from registry.reference import read_reference
from registry.service_window import SeenService, ServiceWindow, look_at, read_answers
from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.drift.contents import DriftReport
from vision.drift.detection import detect
from vision.drift.report import drift_page
from vision.errors import BundleError
from vision.operation_config import MonitorConfig

logger = logging.getLogger(__name__)

# Pages show images of users; the oldest go, as the kept images themselves do.
KEPT_PAGES = 100
Verdict = Literal["drift", "no drift", "not judged"]


class Look(ServiceWindow):
    """What was found. `reasons` says it in words; `report` is None where there was nothing to judge by.

    `images` kept images were looked at, `unreadable` more could not be decoded; `page` is the HTML file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: int = 0
    judged: int = 0
    images: int = 0
    unreadable: int = 0
    verdict: Verdict = "not judged"
    reasons: tuple[str, ...]
    page: Path | None = None
    report: DriftReport | None = None

    @property
    def is_drift(self) -> bool:
        return self.verdict == "drift"


def look_at_service(
    workspace: Workspace, window: ServiceWindow, config: MonitorConfig, *, seed: int
) -> tuple[Look, str]:
    """The look, and its page as HTML. BundleError where the version's bundle is damaged.

    Without champion or reference profile there is a look too, which says what to do.
    """
    if window.version is None:
        return _without(window, f'"{window.model}" has no champion yet: {MAKE_CHAMPION}')
    bundle = bundle_path(workspace, window.model, window.version)
    classifier = load_bundle(bundle)
    answers = read_answers(workspace, window)
    try:
        reference = read_reference(bundle)
    except BundleError as error:
        return _without(window, str(error), answers=len(answers))
    seen = look_at(workspace, classifier, answers, most_images=config.most_images)
    report = detect(reference, seen.profile, config, seed=seed)
    page = drift_page(report, reference, seen.profile, seen.images)
    return _found(window, answers, seen, report).model_copy(update=_kept(workspace, window, page)), page


def pages_folder(workspace: Workspace, model: str) -> Path:
    return workspace.reports / model / "drift"


def _found(window: ServiceWindow, answers: pd.DataFrame, seen: SeenService, report: DriftReport) -> Look:
    return Look(
        **window.model_dump(),
        answers=len(answers),
        judged=len(seen.profile.right),
        images=len(seen.images),
        unreadable=seen.unreadable,
        verdict=_verdict(report),
        reasons=report.reasons,
        report=report,
    )


def _verdict(report: DriftReport) -> Verdict:
    if not report.enough_data:
        return "not judged"
    return "drift" if report.is_drift else "no drift"


def _without(window: ServiceWindow, reason: str, *, answers: int = 0) -> tuple[Look, str]:
    look = Look(**window.model_dump(), answers=answers, reasons=(reason,))
    return look, f"<!DOCTYPE html><title>{window.model}</title><p>{html.escape(reason)}</p>"


def _kept(workspace: Workspace, window: ServiceWindow, page: str) -> dict[str, Path]:
    """Where the page lies. A folder that refuses it is no reason to find nothing."""
    folder = pages_folder(workspace, window.model)
    path = folder / f"{window.until:%Y-%m-%dT%H-%M-%S.%fZ}.html"
    try:
        write_atomically(path, page)
        for old in sorted(folder.glob("[!.]*.html"))[:-KEPT_PAGES]:
            old.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("the page of this look is not kept: %s", error)
        return {}
    return {"page": path}
