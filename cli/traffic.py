"""`sightline traffic`: a challenger beside the champion, for a share of the requests or in its shadow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, caller
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from registry.traffic import Traffic
    from registry.workspace import Workspace

Version = Annotated[int | None, typer.Argument(min=1, help="the challenger's number in the model registry")]
Share = Annotated[float, typer.Option(help="of the requests, 0 to 1")]
Steps = Annotated[str, typer.Option(help='shares that follow: "0.25,0.5,1"')]
StepMinutes = Annotated[float, typer.Option(help="between them")]
Shadow = Annotated[bool, typer.Option("--shadow", help="it sees the requests, its answers are only logged")]
Stop = Annotated[bool, typer.Option("--stop", help="the champion has all again")]


def traffic(
    version: Version = None,
    share: Share = 0.1,
    steps: Steps = "",
    step_minutes: StepMinutes = 10,
    shadow: Shadow = False,
    stop: Stop = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Try a version beside the champion, or stop that; alone, show what is on and why the last one ended."""
    from registry.traffic import end_traffic, write_traffic
    from registry.workspace import Workspace
    from vision.config_file import load_config

    workspace, model = Workspace.from_environment(), load_config(config).name
    if stop and version is not None:
        raise typer.BadParameter("--stop ends what is on: give no version")
    if stop:
        end_traffic(workspace, model, reason=f"stopped by {caller()}")
    if version is not None:
        mode = "shadow" if shadow else "split"
        rule = {"mode": mode, "share": share, "steps": _numbers(steps), "step_minutes": step_minutes}
        write_traffic(workspace, plan_traffic(workspace, model, version, rule))
    _show(describe_traffic(workspace, model), as_json=as_json)


def plan_traffic(workspace: Workspace, model: str, version: int, rule: dict[str, Any]) -> Traffic:
    """The experiment, from now on. RegistryError where there are no two versions, ConfigError for a bad rule.

    `rule` has fields of registry.traffic.Traffic.
    """
    from datetime import UTC, datetime

    from pydantic import ValidationError

    from registry.champion import champion
    from registry.traffic import Traffic
    from registry.versions import get_version
    from vision.errors import ConfigError, RegistryError

    challenger = get_version(workspace, model, version)
    if version == champion(workspace, model).version:
        raise RegistryError(f"version {version} of {model} is the champion: a challenger is another version")
    since = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        return Traffic(model=model, version=version, digest=challenger.digest, since=since, **rule)
    except ValidationError as error:
        raise ConfigError("; ".join(_line(problem) for problem in error.errors())) from None


def describe_traffic(workspace: Workspace, model: str) -> dict[str, Any]:
    """The experiment that is on, its share now, and how the last one ended; each None where there is none."""
    from datetime import UTC, datetime

    from registry.traffic import current_share, read_ended, read_traffic

    running, ended = read_traffic(workspace, model), read_ended(workspace, model)
    return {
        "model": model,
        "traffic": running and running.model_dump(),
        "share": current_share(running, datetime.now(UTC)) if running and running.mode == "split" else None,
        "ended": ended and ended.model_dump(),
    }


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",") if number.strip()]
    except ValueError:
        raise typer.BadParameter(f'--steps "{text}": shares divided by commas, such as 0.25,0.5,1') from None


def _line(problem: Any) -> str:
    place = " ".join(str(part) for part in problem["loc"])
    return f'{place} "{problem["input"]}": {problem["msg"]}' if place else str(problem["msg"])


def _show(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(document)
        return
    running, ended = document["traffic"], document["ended"]
    rows = {"champion": f"{document['model']}, all requests"}
    if running:
        seen = "sees all requests, answers none"
        if document["share"] is not None:
            seen = f"{document['share']:.1%} of the requests"
        rows = {"challenger": f"{document['model']} version {running['version']}: {seen}"}
        rows["since"] = running["since"]
    if running and running["steps"]:
        shares = ", ".join(f"{share:.1%}" for share in (running["share"], *running["steps"]))
        rows["steps"] = f"{shares}, each for {running['step_minutes']:g} minutes"
    if ended:
        rows["last ended"] = f"{ended['when']}, version {ended['version'] or 'unknown'}: {ended['reason']}"
    show_rows(rows)
