"""`embedfleet runs`: list the runs of this laptop, write notes and tags, and forget runs. Never deletes data."""

import sys
from argparse import Namespace

from launcher.cli.console import say, show
from launcher.cli.open_ledger import existing_ledger
from launcher.cli.options.types import moment
from launcher.errors import ConfirmationNeeded
from launcher.reports.lists.run_list import RunFilter, list_runs
from launcher.reports.terminal.runs.run_list import runs_text
from tasks.clock import utc


def runs(arguments: Namespace) -> int:
    """List the runs, or carry out the action that is named."""
    if arguments.action is not None:
        return {"note": _note, "tag": _tag, "rm": _remove}[arguments.action](arguments)
    now = utc()
    wanted = RunFilter(
        since=moment(arguments.since, now) if arguments.since else None,
        state=arguments.state,
        model=arguments.model,
        path=arguments.path,
        tags=dict(arguments.tag),
    )
    with existing_ledger(arguments) as ledger:
        document = list_runs(ledger, wanted.since, now, wanted)
    show(document, runs_text, as_json=arguments.json)
    return 0


def _note(arguments: Namespace) -> int:
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        ledger.notes.add(run.id, " ".join(arguments.text), utc())
    say(f"noted of run {run.id}")
    return 0


def _tag(arguments: Namespace) -> int:
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        ledger.notes.set_tags(run.id, dict(arguments.tags))
        now = ledger.notes.tags(run.id)
    say(f"tags of run {run.id}: {' '.join(f'{key}={value}' for key, value in now.items()) or 'none'}")
    return 0


def _remove(arguments: Namespace) -> int:
    """Forget a run that has ended, after a question whose default is no.

    Raises:
        ConfirmationNeeded: the answer is no, or there is no terminal to ask on.
    """
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        what = (
            f"this removes run {run.id} from the ledger, with what it cost; its vectors stay in {run.output}"
        )
        if not arguments.yes:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise ConfirmationNeeded(
                    f"{what}, and there is no terminal to ask on", hint="the same with --yes"
                )
            sys.stderr.write(f"{what[0].upper()}{what[1:]}. Go on? [y/N] ")
            sys.stderr.flush()
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                raise ConfirmationNeeded("nothing was removed", hint="say y to go on")
        ledger.runs.remove(run.id)
    say(
        f"run {run.id} is removed from the ledger; embedfleet ledger rebuild {run.output} would bring it back, "
        f"without what it cost. Its folder {arguments.runs / run.id} stays"
    )
    return 0
