"""A loader of Pinecone's imports as it is often written, for a test that must fail with it.

Files and rows have names that it makes up, and it keeps no receipts: whenever it is started again, all rows come again.
"""

# pinecone is an extra, and no part of `dev`
# pyright: reportMissingImports=false
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from launcher.cli.main import main
from launcher.loading.contents import Contents
from launcher.loading.stores.services.pinecone_import import ImportedNamespace
from launcher.loading.vector_store import FileId, LoadedFile, Rows
from tests.support.stores.made_up_keys_loader import made_up


class ImportingLoader(ImportedNamespace):
    """Writes each file under a new name."""

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        del contents
        return []

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        return super().write(replace(file, sha256=uuid4().hex), batches, merge=merge)


if __name__ == "__main__":
    from launcher.loading.stores.services import pinecone_import, pinecone_store

    assert hasattr(pinecone_import, "row_id")
    pinecone_import.row_id = made_up  # pyright: ignore[reportPrivateImportUsage]
    pinecone_store.ImportedNamespace = ImportingLoader  # pyright: ignore[reportPrivateImportUsage]
    sys.exit(main())
