"""`embedfleet ledger rebuild OUTPUT`: rebuild the ledger from an output path alone."""

from argparse import Namespace
from pathlib import Path

from launcher.cli.console import say, show
from launcher.cli.documents import LedgerDocument, RebuiltRun, UnreadableRun
from launcher.errors import Problem
from launcher.fleet.recovery.rebuild_ledger import Rebuilt, rebuild
from launcher.format import plural, unreadable_text
from launcher.ledger.ledger import Ledger
from launcher.output.missing import find_missing
from tasks.protocol.runs import runs_of
from tasks.stores.base import StoreError
from tasks.stores.open import open_store


def run(arguments: Namespace) -> int:
    """Record every run under the output path and print each.

    Raises:
        Problem: there is no run, or some could not be read; the others are recorded.
    """
    output: str = arguments.output
    path = output if "://" in output else str(Path(output).absolute())
    store = open_store(path)
    names = list(runs_of(store))
    if not names:
        raise Problem(f"no run under {path}", hint="name the output.path of a job that was launched")
    found: list[RebuiltRun] = []
    damaged: list[UnreadableRun] = []
    hint = ""
    with Ledger.open(arguments.runs / "ledger.db") as ledger:
        for name in names:
            say(f"reading run {name}")
            try:
                found.append(_rebuilt(ledger, rebuild(ledger, store, path, name)))
                if missing := find_missing(store, name, ledger.shards.each_receipt(name)):
                    say(
                        f"the output of run {name} is incomplete: {missing}; embedfleet resume {name} embeds it again"
                    )
            except StoreError:
                raise
            except Problem as problem:
                damaged.append(UnreadableRun(run=name, reason=str(problem)))
                hint = problem.hint
    document = LedgerDocument(output=path, runs=found, unreadable_runs=damaged)
    show(document, _text, as_json=arguments.json)
    if damaged:
        first = damaged[0]
        raise Problem(
            f"{len(damaged)} of {plural(len(names), 'run')} cannot be read; {first.run}: {first.reason}",
            hint=hint,
        )
    return 0


def _rebuilt(ledger: Ledger, rebuilt: Rebuilt) -> RebuiltRun:
    run = rebuilt.run
    progress = ledger.shards.progress(run.id)
    return RebuiltRun(
        run=run.id,
        state=run.state.value,
        shards=progress.shards,
        shards_done=progress.shards_done,
        documents=progress.documents,
        failed_rows=progress.failed_rows,
        workers=len(ledger.machines.of_run(run.id)),
        unreadable=rebuilt.unreadable,
    )


def _text(document: LedgerDocument) -> str:
    lines: list[str] = []
    for one in document.runs:
        left = one.shards - one.shards_done
        todo = f"{left:,} left: embedfleet resume {one.run}" if left else "nothing is left to do"
        if not one.shards:
            todo = f"its manifest is not written yet: embedfleet resume {one.run}"
        lines.append(
            f"{one.run}: {one.state.lower()}, {one.shards_done:,} of {plural(one.shards, 'shard')}, "
            f"{plural(one.documents, 'document')}, {plural(one.workers, 'worker')}; {todo}"
        )
        if one.unreadable:
            lines.append(f"  {unreadable_text(one.unreadable)}: these counts are at least")
    return "\n".join(lines)
