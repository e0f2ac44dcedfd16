"""`embedfleet finish`: write the dataset manifest of a finished run, and remove the files that no receipt names.

Workers that were killed or overtaken leave vectors next to the good ones. A file is removed only when its own metadata
names this run, and only once every shard has its receipt.
"""

from argparse import Namespace
from typing import cast

from launcher.cli.console import show
from launcher.cli.documents import FinishDocument, GarbageFile
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.output.dataset import write_dataset
from launcher.output.garbage import Eraser, garbage
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key
from tasks.stores.open import open_store


def run(arguments: Namespace) -> int:
    """Clean up one run and print what was removed, or with --dry-run what would be."""
    with existing_ledger(arguments) as ledger:
        row = ledger.runs.find(arguments.run)
        store = open_store(row.output)
        header = manifest.read_header(store, row.id)
        observer = StoreObserver(store, ledger, header)
        observer.load_known()
        observer.read_receipts()
        left = header.shards - len(observer.done)
        if left:
            raise Problem(
                f"run {row.id} is not finished: {left:,} of {header.shards:,} shards have no receipt",
                hint=f"embedfleet resume {row.id}",
            )
        receipts = ledger.shards.receipts(row.id)
    files = write_dataset(store, header, receipts)
    garbage_files = list(garbage(store, header, receipts))
    if not arguments.dry_run:
        for entry in garbage_files:
            cast("Eraser", store).erase(entry.key)
    document = FinishDocument(
        run=row.id,
        dataset=dataset_key(row.id),
        files=files,
        removed=0 if arguments.dry_run else len(garbage_files),
        found=[GarbageFile(key=entry.key, bytes=entry.size) for entry in garbage_files],
    )
    show(document, _text, as_json=arguments.json)
    return 0


def _text(document: FinishDocument) -> str:
    size = sum(one.bytes for one in document.found)
    verb = "removed" if document.removed else "would be removed"
    summary = f"{len(document.found):,} files of {size:,} bytes that no receipt names {verb}"
    if not document.found:
        summary = "nothing to remove"
    return f"{document.run}: {document.files:,} files in {document.dataset}; {summary}"
