"""A loader of Lance as it is often written, for a test that must fail with it: it appends each file, and keeps no ledger.

It starts from the beginning whenever it is started again.
"""

# lance is typed in part
# pyright: reportUnknownMemberType=false
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import lance
import pyarrow as pa

from launcher.cli.main import main
from launcher.loading.contents import Contents
from launcher.loading.stores.lance import Lance
from launcher.loading.vector_store import FileId, LoadedFile, Rows


class AppendingLoader(Lance):
    """Makes the rows of each file visible at once."""

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        del contents
        return []

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        del file, merge
        reader = pa.RecordBatchReader.from_batches(self._arrow(), self._batches(batches, []))
        lance.write_dataset(reader, self._uri, mode="append")
        return {}


if __name__ == "__main__":
    from launcher.loading.stores import lance as module

    module.Lance = AppendingLoader  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
    sys.exit(main())
