"""Compare the manifest of a run with what the ledger knows of it: a manifest that was swapped hides rows. Pure."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard

# Of a header, what a job and its plan say. The others are of the version that wrote it, or of the model's own files.
PLANNED = (
    "run", "corpus", "text", "id", "model", "model_fingerprint", "tokens", "overlap", "dtype", "dimensions", "keep",
    "csv", "join", "remote_code", "precision", "by", "shards",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run as its launcher recorded it. The ids of its shards, by position, are 16 hexadecimal digits each."""

    header: Header
    shards: "array[int]"
    finished: bool  # its dataset manifest must be there


def planned_run(header: Header, shards: Iterable[str], *, finished: bool) -> PlannedRun:
    """The planned run of these shards, by position; 8 bytes a shard."""
    return PlannedRun(header, array("Q", (int(shard, 16) for shard in shards)), finished)


def header_faults(header: Header, planned: PlannedRun) -> Iterator[str]:
    """Where the header says something else than the plan."""
    for name in PLANNED:
        found, wanted = getattr(header, name), getattr(planned.header, name)
        if found != wanted:
            yield f"the manifest says {name} = {found}, but the plan says {wanted}"


def shard_fault(shard: Shard, planned: PlannedRun) -> str | None:
    """What is wrong with a shard of the manifest, beside the ledger's at its position."""
    known = planned.shards
    if not known:
        return None
    if shard.position >= len(known):
        return f"shard {shard.position} ({shard.id}) of the manifest is not in the ledger, which has {len(known):,}"
    if int(shard.id, 16) != known[shard.position]:
        return f"shard {shard.position} of the manifest is {shard.id}, but the ledger has {known[shard.position]:016x}"
    return None
