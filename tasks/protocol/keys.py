"""."""

from collections.abc import Iterator

from tasks.stores.base import Store


def pulse_key(run: str, worker: str) -> str:
    return f"{root(run)}/workers/{worker}.json"


def root(run: str) -> str:
    """Everything of a run except its vectors lies under this key."""
    return f"_embedfleet/{run}"


def key(run: str, slab: str, shard: str, generation: int) -> str:
    return f"{root(run)}/leases/{slab}/{shard}/{generation:06d}"


def receipt_key(run: str, slab: str, shard: str) -> str:
    return f"{root(run)}/receipts/{slab}/{shard}.json"


def header_key(run: str) -> str:
    return f"{root(run)}/manifest/run.json"


def slab_key(run: str, slab: int) -> str:
    return f"{root(run)}/manifest/slab-{slab:05d}.jsonl"


def control_key(run: str) -> str:
    return f"{root(run)}/control.json"


def parts_prefix(run: str, slab: str) -> str:
    return f"{root(run)}/parts/{slab}/"


def dataset_key(run: str) -> str:
    return f"{root(run)}/dataset.parquet"


def base_key(run: str) -> str:
    """By run, the shards of earlier runs that belong to this one's dataset: see `incremental`."""
    return f"{root(run)}/manifest/base.json"


LAST = "~"  # sorts behind all that a run keeps


def runs_of(store: Store) -> Iterator[str]:
    """The names of all runs under an output path, a request each."""
    after = ""
    while page := store.list("_embedfleet/", after):
        name = page[0].key.split("/")[1]
        yield name
        after = f"_embedfleet/{name}/{LAST}"


def plan_key(name: str) -> str:
    """Where a launcher leaves the plan for others."""
    return f"_embedfleet/{name}/plan.json"
