"""How far the repeats run of a run is: workers do its shards before those of the run, so they are at work meanwhile."""

from dataclasses import dataclass, field

from launcher.output.repeats_run import read_repeats_receipts
from tasks.stores.base import Store


@dataclass(slots=True)
class RepeatsProgress:
    """Reads the receipts of a repeats run, each once. `shards` is None until it was read."""

    store: Store
    run: str  # whose texts they are
    shards: int | None = None
    _seen: set[str] = field(default_factory=set[str])

    @property
    def done(self) -> int:
        """How many shards of the repeats run have a receipt."""
        return len(self._seen)

    def new_workers(self) -> list[str]:
        """The workers of the receipts since the last call, one name a receipt."""
        if self.shards is not None and self.done >= self.shards:
            return []
        found = read_repeats_receipts(self.store, self.run, self._seen)
        if found is None:
            return []
        self.shards = found.shards
        self._seen.update(one.shard for one in found.receipts)
        return [one.worker for one in found.receipts]
