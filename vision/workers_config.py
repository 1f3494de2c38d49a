"""How many trainings run at the same time, and where: what a search and cross-validation have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vision.section import Section


class WorkersConfig(Section):
    """Processes of this machine, or tasks of the Ray cluster that RAY_ADDRESS names."""

    processes: int = Field(1, ge=1, description="trainings at the same time")
    engine: Literal["processes", "ray"] = Field(
        "processes", description="of this machine, or ray: on the cluster of the variable RAY_ADDRESS"
    )
    worker_cpus: int = Field(1, ge=1, description="cores of each training on Ray")
    worker_gpus: float = Field(
        0.0, ge=0, description="GPUs of each training on Ray; 0.5: two trainings share one; 0: none is used"
    )
