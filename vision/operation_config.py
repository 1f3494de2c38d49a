"""What runs by itself once a model serves: monitoring, retraining, the schedule, alerts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vision.section import Section

AlertKind = Literal["gate", "drift", "schedule"]
CRON = "cron line (minute hour day month weekday), local time; null: never"


class MonitorConfig(Section):
    """The service's answers beside the validation images that the champion was made with."""

    days: float = Field(1, gt=0, description="of answers that one look is at")
    least_answers: int = Field(200, ge=20, description="fewer are no ground for a judgement")
    most_images: int = Field(500, ge=20, description="kept images whose looks are compared, the newest")
    false_alarms: float = Field(
        0.01,
        ge=0.001,
        le=0.2,
        description="share of looks at undrifted data that raise an alarm, all tests together",
    )
    permutations: int = Field(500, ge=100, description="of each permutation test")


class RetrainConfig(Section):
    """What starts a retraining besides its schedule, and what it begins with."""

    on_drift: bool = True
    least_reviews: int = Field(100, ge=0, description="images labelled since the last training; 0: never")
    min_hours: float = Field(24, ge=0, description="between two retrainings that drift or reviews start")
    from_champion: bool = Field(True, description="the champion's weights are where training begins")


class ReviewConfig(Section):
    """Whose labels become training data."""

    use: bool = Field(True, description="accepted labels are a part of the data")
    max_key_share: float = Field(
        0.5, gt=0, le=1, description="of the labels that one API key's feedback may give; more are left out"
    )


class ScheduleConfig(Section):
    """When what runs by itself."""

    training: str | None = Field("0 3 * * *", description=CRON)
    monitoring: str | None = Field("0 2 * * *", description=CRON)


class AlertsConfig(Section):
    """Which events are told to the addresses of SIGHTLINE_ALERT_URLS."""

    kinds: tuple[AlertKind, ...] = ("gate", "drift", "schedule")
