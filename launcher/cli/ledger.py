"""`embedfleet ledger rebuild OUTPUT`: rebuild the ledger from an output path alone."""

from argparse import Namespace
from pathlib import Path

from launcher.cli.console import say, show
from launcher.cli.documents import LedgerDocument, RebuiltRun
from launcher.errors import Problem
from launcher.fleet.rebuild_ledger import rebuild
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from tasks.protocol.runs import runs_of
from tasks.stores.open import open_store


def run(arguments: Namespace) -> int:
    """Record every run under the output path and print each."""
    output: str = arguments.output
    path = output if "://" in output else str(Path(output).absolute())
    store = open_store(path)
    names = list(runs_of(store))
    if not names:
        raise Problem(f"no run under {path}", hint="name the output.path of a job that was launched")
    found: list[RebuiltRun] = []
    with Ledger.open(arguments.runs / "ledger.db") as ledger:
        for name in names:
            say(f"reading run {name}")
            found.append(_rebuilt(ledger, rebuild(ledger, store, path, name)))
    document = LedgerDocument(output=path, runs=found)
    show(document, _text, as_json=arguments.json)
    return 0


def _rebuilt(ledger: Ledger, run: Run) -> RebuiltRun:
    progress = ledger.shards.progress(run.id)
    return RebuiltRun(
        run=run.id,
        state=run.state.value,
        shards=progress.shards,
        shards_done=progress.shards_done,
        documents=progress.documents,
        failed_rows=progress.failed_rows,
        workers=len(ledger.machines.of_run(run.id)),
    )


def _text(document: LedgerDocument) -> str:
    lines: list[str] = []
    for one in document.runs:
        left = one.shards - one.shards_done
        todo = f"{left:,} left: embedfleet resume {one.run}" if left else "nothing is left to do"
        if not one.shards:
            todo = f"its manifest is not written yet: embedfleet resume {one.run}"
        lines.append(
            f"{one.run}: {one.state.lower()}, {one.shards_done:,} of {one.shards:,} shards, "
            f"{one.documents:,} documents, {one.workers} workers; {todo}"
        )
    return "\n".join(lines)
