"""How a run ends before its work does.

`stop` lets machines finish what they hold. `down` cancels and removes. `down --verify` only looks: see `proof`.
"""

import contextlib
import json
from argparse import Namespace
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from launcher.cli.console import show
from launcher.cli.progress import say
from launcher.errors import Problem
from launcher.fleet.controller import Busy, sole
from launcher.fleet.monitoring.store_observer import Eye
from launcher.fleet.orphan_check import confirm, lines, to_json, what_is_left
from launcher.fleet.provisioner import rented
from launcher.fleet.states import ALIVE
from launcher.fleet.status import census_of, eye_of
from launcher.fleet.teardown import drain, take_down
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from tasks.clock import utc
from tasks.protocol import control
from tasks.stores.open import open_store


def stop(arguments: Namespace) -> int:
    """`embedfleet stop`: no new shards; what is in hand is finished."""
    with _opened(arguments) as (ledger, run, eye):
        if run.state == RunState.DONE or eye is None:
            say(f"run {run.id} is {run.state.lower()}: nothing runs")
            return 0
        control.tell(eye.store, run.id, "drain", utc())
        ledger.note(run.id, "stop", "told to finish what is in hand", utc())
        with contextlib.suppress(Busy), sole(arguments.runs / run.id, run.id, patience=0):
            drain(ledger, run, eye, census_of(ledger, run, eye, arguments.runs / run.id))
        up = len(ledger.machines(run.id, set(ALIVE)))
        what = "machine" if rented(json.loads(run.plan)) else "worker"
        say(f"run {run.id}: {up} {what}{'s' * (up != 1)} will finish the shards in hand and end")
        say(
            f"embedfleet status {run.id} --watch shows when; embedfleet resume {run.id} goes on with the rest"
        )
    return 0


def down(arguments: Namespace) -> int:
    """`embedfleet down`: take away all that a run rented, or with --verify only look."""
    with _opened(arguments) as (ledger, run, eye):
        plan: Mapping[str, Any] = json.loads(run.plan)
        if not arguments.verify:
            take_down(ledger, run, eye, arguments.runs / run.id, plan, say=say)
        left = what_is_left(ledger, run, plan)
        confirm(ledger, run.id, left)
        show(to_json(run.id, left), _text, as_json=arguments.json)
    if left.count:
        remedies = [one.remedy for one in left.instances]
        raise Problem(
            f"{left.count} machines of run {run.id} are left",
            hint=remedies[0] if remedies and not left.jobs else f"embedfleet down {run.id}",
        )
    if left.unasked:
        raise Problem(
            f"nothing was found of run {run.id}, and nothing is proven: {left.unasked[0]}",
            hint=f"mend that, then: embedfleet down {run.id} --verify",
        )
    return 0


def _text(body: Mapping[str, Any]) -> Any:
    from rich.text import Text  # noqa: PLC0415 - JSON needs no terminal

    return Text("\n".join(lines(body)))  # names are no markup


@contextlib.contextmanager
def _opened(arguments: Namespace) -> Generator[tuple[Ledger, Run, Eye | None], None, None]:
    path: Path = arguments.runs / "ledger.db"
    if not path.exists():
        raise Problem(
            f"no runs are kept in {arguments.runs.absolute()}",
            hint="go to the folder you launched from, or name its runs with --runs",
        )
    with Ledger.open(path) as ledger:
        run = ledger.find(arguments.run)
        yield ledger, run, eye_of(ledger, open_store(run.output), run)
