"""Why a retraining runs, beside the run for everybody who looks at it later."""

from __future__ import annotations

from zenml import get_step_context, log_metadata, step


@step(enable_cache=False)
def note_retraining(reason: str, champion: int) -> None:
    """`champion` is the version whose weights it begins with, 0: none."""
    begins = f"champion version {champion}" if champion else "what config.model says"
    run = get_step_context().pipeline_run
    log_metadata({"reason": reason, "begins_with": begins}, run_id_name_or_prefix=run.id)
