"""`embedfleet finish`: write the dataset manifest of a finished run, and remove the files that no receipt names.

Workers that were killed or overtaken leave vectors next to the good ones. A file is removed only when it is proven to be
that of a lost attempt of this run (`launcher.output.garbage`), and only once every shard has its receipt. The receipts
are read from the store: a ledger may be older than the run.
"""

from argparse import Namespace
from typing import cast

from launcher.cli.console import show
from launcher.cli.documents import FinishDocument, GarbageFile, KeptUnnamedFile
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.format import plural
from launcher.output.dataset import write_dataset
from launcher.output.finished_run import FinishedRun
from launcher.output.garbage import find_garbage
from tasks.printable import plain
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key
from tasks.stores.base import Eraser
from tasks.stores.open import open_store


def run(arguments: Namespace) -> int:
    """Clean up one run and print what was removed, or with --dry-run what would be."""
    with existing_ledger(arguments) as ledger:
        row = ledger.runs.find(arguments.run)
        store = open_store(row.output)
        header = manifest.read_header(store, row.id)
        if header.run != row.id:
            raise Problem(
                f"the header of run {row.id} is of run {header.run}",
                hint="nothing was deleted; restore the header",
            )
        finished = FinishedRun(store, header)
        files = write_dataset(store, header, finished.receipts())
        observer = StoreObserver(store, ledger, header)
        observer.load_known()
        observer.read_receipts()
    garbage = find_garbage(finished)
    if not arguments.dry_run:
        for entry in garbage.found:
            cast("Eraser", store).erase(entry.key)
    document = FinishDocument(
        run=row.id,
        dataset=dataset_key(row.id),
        files=files,
        removed=0 if arguments.dry_run else len(garbage.found),
        found=[GarbageFile(key=entry.key, bytes=entry.size) for entry in garbage.found],
        kept=[
            KeptUnnamedFile(key=one.entry.key, bytes=one.entry.size, reason=one.reason)
            for one in garbage.kept
        ],
    )
    show(document, _text, as_json=arguments.json)
    return 0


def _text(document: FinishDocument) -> str:
    size = sum(one.bytes for one in document.found)
    verb = "removed" if document.removed else "would be removed"
    summary = f"{plural(len(document.found), 'file')} of {plural(size, 'byte')} that no receipt names {verb}"
    if not document.found:
        summary = "nothing to remove"
    kept = [f"kept {plain(one.key)}: {one.reason}" for one in document.kept]
    return "\n".join(
        [f"{document.run}: {plural(document.files, 'file')} in {document.dataset}; {summary}", *kept]
    )
