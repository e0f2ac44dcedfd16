"""`embedfleet finish RUN`: a finished run tidied up: its dataset manifest written, and what no receipt names removed.

Vectors of killed workers and of those who were overtaken lie beside the good ones. Removed is only what a file itself
says to be of this run, and only when every shard has its receipt. `add` is called for every command line, so all else
is imported later.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from argparse import Namespace
from typing import Any, cast

from launcher.cli.console import show
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.output.dataset import write_dataset
from launcher.output.garbage import Eraser, garbage
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key
from tasks.stores.open import open_store

SCHEMA = "embedfleet/finish/1"


def run(arguments: Namespace) -> int:
    """Tidy up, and say what was done."""
    with existing_ledger(arguments) as ledger:
        row = ledger.find(arguments.run)
        store = open_store(row.output)
        header = manifest.read_header(store, row.id)
        eye = StoreObserver(store, ledger, header)
        eye.recall()
        eye.receipts()
        left = header.shards - len(eye.done)
        if left:
            raise Problem(
                f"run {row.id} is not finished: {left:,} of {header.shards:,} shards have no receipt",
                hint=f"embedfleet resume {row.id}",
            )
        receipts = ledger.receipts(row.id)
    files = write_dataset(store, header, receipts)
    losers = list(garbage(store, header, receipts))
    if not arguments.dry_run:
        for entry in losers:
            cast("Eraser", store).erase(entry.key)
    body = {
        "schema": SCHEMA,
        "run": row.id,
        "dataset": dataset_key(row.id),
        "files": files,
        "removed": 0 if arguments.dry_run else len(losers),
        "found": [{"key": entry.key, "bytes": entry.size} for entry in losers],
    }
    show(body, _text, as_json=arguments.json)
    return 0


def _text(body: dict[str, Any]) -> str:
    size = sum(one["bytes"] for one in body["found"])
    verb = "removed" if body["removed"] else "would be removed"
    lost = (
        f"{len(body['found']):,} files of {size:,} bytes that no receipt names {verb}"
        if body["found"]
        else "nothing to remove"
    )
    return f"{body['run']}: {body['files']:,} files in {body['dataset']}; {lost}"
