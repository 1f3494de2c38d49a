"""The `sightline` command. A mistake of the user's is one line on standard error, never a traceback.

Verbs import what they need when they run, so that `sightline --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from cli.alert import alert
from cli.benchmark import benchmark
from cli.contract import contract
from cli.data import data
from cli.doctor import doctor
from cli.export import export
from cli.history import history
from cli.init import init
from cli.keys import keys
from cli.monitor import monitor
from cli.output import fail
from cli.predict import predict
from cli.promote import promote
from cli.retrain import retrain
from cli.review import review
from cli.rollback import rollback
from cli.schedule import schedule
from cli.status import status
from cli.trace import trace
from cli.traffic import traffic
from vision.errors import SightlineError

# Typer carries a click of its own since 0.2x and exports only this leaf of its usage errors.
UsageError: type[BaseException] = typer.BadParameter.__mro__[1]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def sightline() -> None:
    """Images in, a served champion out."""


DATA = (doctor, init, data)
VERSIONS = (status, history, promote, rollback, traffic, trace, export, benchmark, predict)
BY_ITSELF = (monitor, review, retrain, schedule, alert)

for verb in (*DATA, *VERSIONS, *BY_ITSELF):
    app.command()(verb)
app.add_typer(contract, name="contract")
app.add_typer(keys, name="keys")


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit status: 0, 1 where it failed, 2 where the command was used wrongly."""
    as_json = "--json" in arguments
    try:
        result = app(list(arguments) or ["--help"], standalone_mode=False)
    except UsageError as error:
        message = str(getattr(error, "format_message", error.__str__)())
        return fail(f"{message}; see `sightline --help`", status=2, as_json=as_json)
    except (SightlineError, ValueError, OSError) as error:
        return fail(str(error), status=1, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    return result if isinstance(result, int) else 0
