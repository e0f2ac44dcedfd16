"""The shards of earlier runs whose vectors belong to the dataset of a run: see `launcher.corpus.incremental`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from launcher.format import plural
from tasks.errors import Problem
from tasks.protocol import documents, manifest
from tasks.protocol.keys import base_dataset_key
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Store, read

# Of a header: what must be equal where shards of an earlier run are taken over.
SAME_AS_EARLIER = (
    "corpus", "text", "id", "model", "model_fingerprint", "prompt", "tokens", "overlap", "dtype", "dimensions", "keep",
    "remote_code", "csv", "join", "precision", "by", "splitter",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Shards of one earlier run, by position, with the header of that run."""

    header: Header
    shards: tuple[Shard, ...]


def read_base(store: Store, run: str) -> Mapping[str, tuple[str, ...]]:
    """The ids of the taken-over shards by the run that embedded them; empty where a run took nothing over.

    Raises:
        BadDocument: the list is damaged.
    """
    body = read(store, base_dataset_key(run))
    if body is None:
        return {}
    return documents.decode(body, dict[str, tuple[str, ...]], "a list of shards of earlier runs")


def taken_over(store: Store, run: str) -> Iterator[TakenOver]:
    """The taken-over shards, one earlier run after the other.

    Raises:
        BadDocument: the list of them, or an earlier manifest, is damaged.
        RunNotFound: an earlier run is gone.
        Problem: an earlier run does not have a shard that was taken over.
    """
    for owner, ids in read_base(store, run).items():
        header, wanted = manifest.read_header(store, owner), set(ids)
        found = tuple(shard for shard in manifest.all_shards(store, header) if shard.id in wanted)
        if len(found) != len(wanted):
            lacking = len(wanted) - len(found)
            raise Problem(
                f"{lacking:,} of {plural(len(wanted), 'shard')} that run {run} took over "
                f"are not in the manifest of run {owner}",
                hint="restore the earlier run, or embed the job into another output path",
            )
        yield TakenOver(header, found)
