"""Receipts of a load, in the output path: which files a store without transactions has acknowledged.

Create-only, written behind the store's acknowledgement. A loader that was killed between the two writes the rows again,
under the same keys. They are filed under the collection's own identity: one that was dropped and made anew has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launcher.loading.vector_store import FileId, RefusedRow, refused_rows
from tasks.protocol import documents
from tasks.protocol.bounds import Count
from tasks.protocol.keys import load_receipt_key, load_receipts_prefix
from tasks.stores.base import Store, create_once, list_all, read

SCHEMA = "embedfleet/load-receipt/1"


@dataclass(frozen=True, slots=True)
class LoadReceipt:
    """One file in a store. `result` is what the store needs of it later."""

    sha256: str
    file: str
    rows: Count
    result: Mapping[str, Any]


def write_receipt(store: Store, file: FileId, result: Mapping[str, Any]) -> LoadReceipt:
    """Write the receipt of a file and return the one that counts: that of the loader that came first."""
    mine = LoadReceipt(file.sha256, file.key, file.rows, result)
    key = load_receipt_key(file.run, file.load, file.sha256)
    if create_once(store, key, documents.encode(mine, SCHEMA)):
        return mine
    return _read(store, key) or mine


def loaded_files(store: Store, run: str, load: str) -> frozenset[str]:
    """SHA-256 of the files that have a receipt; reads none of them."""
    prefix = load_receipts_prefix(run, load)
    names = (entry.key.removeprefix(prefix) for entry in list_all(store, prefix))
    return frozenset(name.removesuffix(".json") for name in names if name.endswith(".json"))


def read_receipts(store: Store, run: str, load: str) -> dict[str, LoadReceipt]:
    """The receipts of a load, by SHA-256.

    Raises:
        BadDocument: one is damaged.
    """
    keys = [entry.key for entry in list_all(store, load_receipts_prefix(run, load))]
    found = (_read(store, key) for key in keys)
    return {receipt.sha256: receipt for receipt in found if receipt is not None}


def read_refused(store: Store, run: str, load: str) -> list[RefusedRow]:
    """The rows that the store refused of a load, by its receipts."""
    found = read_receipts(store, run, load).values()
    return [row for receipt in found for row in refused_rows(receipt.result)]


def _read(store: Store, key: str) -> LoadReceipt | None:
    body = read(store, key)
    return None if body is None else documents.decode(body, LoadReceipt, f"the receipt {key}", SCHEMA)
