"""Plan -> every part predicted, a summary and its page; a run that was killed goes on where it was."""

from __future__ import annotations

import time

from vision.batch.engines import ENGINES
from vision.batch.page import PAGE, batch_page
from vision.batch.part import PartPredictor
from vision.batch.plan import Plan
from vision.batch.summary import SUMMARY, BatchSummary, Run, read_summary, summarise
from vision.batch_config import BatchConfig
from vision.parallel import progress_bar


def predict_plan(plan: Plan, config: BatchConfig) -> BatchSummary:
    """What is in the folder when every part is; also written there, with a page."""
    with plan.folder.held():
        parts = plan.missing()
        known = None if parts else read_summary(plan.folder)
        if known is not None:
            return known
        run = _predict(plan, parts, config)
        summary = summarise(plan, run)
        with plan.folder.writing(PAGE) as file:
            file.write(batch_page(summary).encode())
        with plan.folder.writing(SUMMARY) as file:
            file.write(summary.model_dump_json(indent=2).encode())
        return summary


def _predict(plan: Plan, parts: list[int], config: BatchConfig) -> Run:
    begin, images = time.perf_counter(), 0
    with progress_bar() as bar:
        task = bar.add_task("Predicting", total=plan.images, completed=_finished(plan, parts))
        for done in ENGINES[config.engine](PartPredictor(plan), parts, config) if parts else ():
            images += done.images
            bar.advance(task, done.images)
    return Run(engine=config.engine, images=images, seconds=time.perf_counter() - begin)


def _finished(plan: Plan, parts: list[int]) -> int:
    """Images of the parts that are written: only the last may be smaller."""
    last = plan.images - (plan.parts - 1) * plan.part_images
    left = sum(last if part == plan.parts - 1 else plan.part_images for part in parts)
    return plan.images - left
