"""Paths -> the plan: which version answers, and which image is in which part. Both are written first."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from registry.pointer import bundle_path, read_pointer
from registry.workspace import Workspace
from vision.batch.plan import BatchModel, Plan, make_plan
from vision.batch_config import BatchConfig
from vision.bundle import bundle_digest, open_bundle


@step(enable_cache=False)
def list_images(config: BatchConfig, name: str) -> Annotated[Plan, "plan"]:
    """The version of config.batch, or the champion."""
    workspace = Workspace.from_environment()
    version = config.version or read_pointer(workspace, name).version
    folder = bundle_path(workspace, name, version)
    open_bundle(folder)
    model = BatchModel(folder=str(folder), name=name, version=version, digest=bundle_digest(folder))
    plan = make_plan(config, model)
    log_metadata({"version": version, "images": plan.images, "parts": plan.parts, "inputs": plan.inputs})
    return plan
