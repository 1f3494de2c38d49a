"""`sightline trace ID`: where an answer comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from registry.logged_answer import LoggedAnswer
    from registry.trace import LearnedFrom, Reign, Trace

PredictionId = Annotated[str, typer.Argument(metavar="ID", help="of an answer: 32 of 0-9 and a-f")]


def trace(prediction_id: PredictionId, as_json: AsJson = False) -> None:
    """Show where an answer comes from: version, bundle, run, config, commit, data, and when it served."""
    from dataclasses import asdict

    from registry import trace as lineage
    from registry.workspace import Workspace

    found = lineage.trace(Workspace.from_environment(), prediction_id)
    if as_json:
        show_json(asdict(found))
    else:
        show_rows(_rows(found))


def _rows(found: Trace) -> Mapping[str, object]:
    answer, made = found.answer, found.lineage
    rows = {
        "answer": f"{', '.join(answer.names) or 'no label'} with {answer.confidence:.4f}, {answer.time}",
        "feedback": _feedback(answer),
        "image": f"sha256 {answer.sha256}",
        "version": f"{answer.pointer.model} version {answer.pointer.version}, as {answer.arm}",
        "bundle": f"{found.bundle}{'' if found.bundle_holds else ' (not as it answered)'}",
        **_served(found.reigns),
    }
    if made:
        rows |= {"run": made.run_id or "none", "commit": made.git_commit, "began with": made.weights}
        rows["config"] = f"sha256 {made.config_digest}" + ("; --json shows it" if found.config else "")
        rows["data"] = f"revision {made.data_revision}"
    if found.learned_from:
        rows |= _images(found.learned_from)
    return rows | {f"missing {number}": reason for number, reason in enumerate(found.missing, 1)}


def _feedback(answer: LoggedAnswer) -> str:
    if answer.feedback is None:
        return "none"
    said = ", ".join(answer.feedback.labels) or "no label"
    judged = f"{'right' if answer.feedback.right else 'wrong'}: {said}"
    return f"{judged} ({answer.feedback.comment})" if answer.feedback.comment else judged


def _served(reigns: tuple[Reign, ...]) -> dict[str, str]:
    if not reigns:
        return {"served": "never as champion, by the ledger"}
    times = [f"{reign.since} to {reign.until or 'now'}, by {reign.who}: {reign.why}" for reign in reigns]
    return {f"served{f' {number}' if number > 1 else ''}": time for number, time in enumerate(times, 1)}


def _images(learned: LearnedFrom) -> dict[str, str]:
    """Labels by split; each class only where there are few enough to be read."""
    rows = {"manifest": str(learned.manifest), "images in": learned.root}
    for split, classes in learned.images.items():
        few = ", ".join(f"{count} {name}" for name, count in classes.items())
        many = f"{sum(classes.values())} labels of {len(classes)} classes; --json counts each"
        rows[split or "no split"] = few if len(classes) <= 10 else many
    return rows
