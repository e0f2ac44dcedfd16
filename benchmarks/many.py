"""A run of 100,000 shards on a folder store: seconds for each thing done with it, and requests a shard, as JSON.

    python -m benchmarks.many [--shards 100000] [--folder /dev/shm]

Nothing is embedded: a walker claims every shard, puts an output of a few bytes and signs. Requests are what a bucket
would be asked in the quiet case: no takeover, no error.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from launcher.corpus import sharding
from launcher.corpus.chunking import chunk_spec_of
from launcher.corpus.files.listing import Listing
from launcher.corpus.inspect import list_corpus
from launcher.corpus.samples.sampling import sample_corpus
from launcher.fleet.monitoring.store_observer import observe_run
from launcher.fleet.recovery.rebuild_ledger import rebuild
from launcher.fleet.status import status_of
from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.planning import plan as plans
from launcher.planning import planner
from tasks.formats.rows import Columns
from tasks.models.tokenizing.tokenizer import load_tokenizer
from tasks.protocol import manifest, receipt
from tasks.protocol.keys import plan_key, receipt_key, vectors_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.base import PAGE_SIZE, Body, Entry, Span, create_once
from tasks.stores.folder import FolderStore
from tasks.worker.leases.claims import ShardClaims
from tasks.worker.leases.lease_renewal import LeaseRenewer

FILES = 100
TOKENS = 64  # of a shard, about
DOCUMENT = 14  # words of a document
Found = TypeVar("Found")


class Counted(FolderStore):
    """Counts what a bucket would be asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls = Counter[str]()

    def create(self, key: str, body: Body) -> bool:
        self.calls["create"] += 1
        return super().create(key, body)

    def put(self, key: str, body: Body) -> None:
        self.calls["put"] += 1
        super().put(key, body)

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        self.calls["get"] += 1
        return super().get(key, version, span)

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        self.calls["list"] += 1
        return super().list(prefix, after)

    def walk(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """As a bucket lists: a request for each page."""
        for number, entry in enumerate(super().walk(prefix, after)):
            self.calls["list"] += number % PAGE_SIZE == 0
            yield entry
        self.calls["list"] += 1

    def now(self) -> datetime:
        self.calls["now"] += 1
        return super().now()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many")
    parser.add_argument("--shards", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work (default: where temporary files go)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        print(json.dumps(measure(Path(name), arguments.shards), indent=1))
    return 0


def measure(folder: Path, shards: int) -> dict[str, object]:
    seconds: dict[str, float] = {}

    def timed(what: str, work: Callable[[], Found]) -> Found:
        begun = time.perf_counter()
        found = work()
        seconds[what] = round(time.perf_counter() - begun, 3)
        return found

    job = corpus(folder, shards)
    body = timed("plan, this machine measured for 0.1 s", lambda: plan(job))
    source, base = read_job(job)
    listing = list_corpus(source, base)
    sampled = sample_corpus(
        listing, Columns("text", "id"), load_tokenizer("hash"), chunk_spec_of(source, "hash")
    )
    target = body["profile"]["tokens"] / shards
    cuts = timed("cut", lambda: list(sharding.cut_shards(listing, sampled, max(1, round(target)))))
    header = header_of(body["run"], listing, len(cuts))
    store = Counted(folder / "out")
    store.put(plan_key(header.run), json.dumps(body).encode())
    timed("write the manifest", lambda: manifest.write(store, header, cuts))
    store.calls.clear()
    timed("claim and sign through", lambda: walk(store, header))
    asked = dict(store.calls)
    store.calls.clear()
    with Ledger.open(folder / "runs" / "ledger.db") as ledger:
        run = timed("rebuild the ledger", lambda: rebuild(ledger, store, str(store.root), header.run)).run
        eye = observe_run(ledger, store, run.id)
        timed("first status", lambda: status_of(ledger, run.id, eye))
        timed("status again", lambda: status_of(ledger, run.id, eye))
        done = ledger.shards.progress(run.id).shards_done
    assert done == len(cuts), f"{done} of {len(cuts)} shards are done"
    requests = {kind: round(count / len(cuts), 4) for kind, count in sorted(asked.items())}
    return {
        "shards": len(cuts),
        "state": run.state.value,
        "seconds": seconds,
        "requests_a_shard": requests | {"all": round(sum(asked.values()) / len(cuts), 4)},
    }


def corpus(folder: Path, shards: int) -> Path:
    """Files of short documents, and the job over them."""
    (folder / "in").mkdir()
    count = shards * TOKENS // (FILES * (DOCUMENT + 2))
    text = " ".join(f"w{n}" for n in range(DOCUMENT))
    for number in range(FILES):
        with (folder / "in" / f"{number:03d}.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(f'{{"id": "{number}-{n}", "text": "{text}"}}\n' for n in range(count))
    job = folder / "job.yaml"
    job.write_text(
        "name: many\ncorpus: {path: in, text: text, id: id}\nmodel: hash\noutput: {path: out}\nlocal: {workers: 1}\n"
    )
    return job


def plan(job: Path) -> dict[str, Any]:
    choices = planner.PlanOptions(on="local", probe_seconds=0.1)
    return plans.to_json(planner.make_plan(*read_job(job), choices, datetime.now(UTC), lambda _: None))


def header_of(run: str, listing: Listing, shards: int) -> Header:
    return Header(
        run=run, corpus=listing.root, text="text", id="id", model="hash", engine="hash", prompt="", tokens=None,
        overlap=None, dtype="float32", dimensions=None, ttl=60.0, shards=shards,
    )  # fmt: skip


def walk(store: Counted, header: Header) -> None:
    """What one worker asks of the store when nothing goes wrong, but for the heartbeats."""
    claims = ShardClaims(
        store=store, header=header, name="ann", offset=0, leases=LeaseRenewer(store, header.ttl)
    )
    while True:
        found = claims.next()
        if not found:
            assert found is None
            return
        shard, lease = found
        key = vectors_key(f"{shard.id}-{lease.nonce[:12]}")
        store.put(key, b"vectors")
        now = datetime.now(UTC)
        body = Receipt(
            run=header.run, shard=shard.id, position=shard.position, worker="ann", generation=lease.generation,
            nonce=lease.nonce, key=key, digest="0" * 64, output_bytes=7, input_bytes=shard.bytes, documents=4,
            chunks=4, tokens=64, tokens_cut=0, failed_rows=0, quarantine=None, started=now, finished=now,
        )  # fmt: skip
        assert create_once(store, receipt_key(header.run, shard.slab, shard.id), receipt.dump(body))
        claims.mark_done(shard)
        claims.leases.drop(lease)


if __name__ == "__main__":
    sys.exit(main())
