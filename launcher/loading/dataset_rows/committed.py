"""The files of vectors of a run that goes on: those whose shards have a receipt, which no worker changes any more."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from launcher.output.dataset import dataset_rows
from launcher.vectors.read_dataset import Dataset, DatasetFile, open_dataset, read_schema
from tasks.protocol import documents, manifest, receipt
from tasks.protocol.keys import dataset_key, receipt_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import list_receipts
from tasks.protocol.shard import SLAB, slab_name
from tasks.stores.base import Store, read
from tasks.stores.open import open_store


@dataclass(slots=True)
class CommittedFiles:
    """Reads the receipts of one run, each once. A shard that is put back to be tried again is forgotten."""

    output: str
    store: Store
    header: Header
    _receipts: dict[int, dict[str, Receipt]] = field(default_factory=dict[int, dict[str, Receipt]])  # by slab
    _complete: set[int] = field(default_factory=set[int])  # slabs that need no more listings

    def read(self) -> None:
        """Read the receipts that came since the last look. One that cannot be read is left out."""
        run = self.header.run
        for number in manifest.present_slabs(self.store, self.header):
            if number in self._complete:
                continue
            slab, known = slab_name(number), self._receipts.setdefault(number, {})
            listing = list_receipts(self.store, run, slab)
            for shard in [one for one, old in known.items() if listing.done.get(one) != old.retry]:
                del known[shard]
            for shard in listing.done.keys() - known.keys():
                body = read(self.store, receipt_key(run, slab, shard, listing.done[shard]))
                # `status` and `verify` name one that is damaged; the run does not end before it can be read
                with suppress(documents.BadDocument):
                    known |= {shard: receipt.load(body)} if body is not None else {}
            if len(listing.done) == min(SLAB, self.header.shards - number * SLAB):
                self._complete.add(number)

    def _all(self) -> list[Receipt]:
        """All receipts, in the order of the corpus."""
        found = (one for slab in self._receipts.values() for one in slab.values())
        return sorted(found, key=lambda one: one.position)

    def files(self) -> list[DatasetFile]:
        """The files with rows, in the order of the corpus."""
        rows = (row for row in dataset_rows(self._all()) if row["rows"])
        return [DatasetFile(row["file"], row["rows"], row["bytes"], row["sha256"]) for row in rows]

    def dataset(self, files: Sequence[DatasetFile]) -> Dataset | None:
        """A dataset of these files alone; None where the first one cannot be read."""
        stored = read_schema(self.store, files[0].key)
        if stored is None:
            return None
        return Dataset(self.store, self.output, self.header, tuple(files), stored)

    def ended(self) -> Dataset | None:
        """The dataset of the run; None while shards are open, or while it is not written yet.

        Raises:
            Problem: it cannot be read.
        """
        run = self.header.run
        if len(self._all()) < self.header.shards or not self.store.list(dataset_key(run)):
            return None
        found = open_dataset(self.output, run)
        listed = {file.sha256 for file in found.files}
        if all(file.sha256 in listed for file in self.files()):
            return found
        self._complete.clear()  # a dataset from before shards were tried again, or receipts from before
        return None


def committed_files(output: str, run: str) -> CommittedFiles:
    """The committed files of a run under an output path.

    Raises:
        Problem: the path, or the manifest of the run, cannot be read.
    """
    store = open_store(output)
    return CommittedFiles(output, store, manifest.read_header(store, run))
