"""The worker as a whole on a store: its rate, its engine's waiting, what it asks of the store and what it holds.

Shards are slices of one file of JSON Lines, so a store must serve ranges. The worker is a process of its own, as on a
rented machine; its rate counts from its first shard's begin to its last receipt, and loading the model is not in it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tasks.protocol import keys, manifest, receipt
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages.heartbeat import load
from tasks.protocol.shard import Shard, Slice, identify
from tasks.stores.base import list_all, read
from tasks.stores.open import open_store
from tests.support.objectserver import Requests, environment
from tests.support.objectserver.process import started

SHARDS = 24
FILE = "texts.jsonl"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round reads and writes. `environment`: how a worker finds the store's server, if it has one."""

    corpus: str
    output: str
    environment: dict[str, str]


def cut(place: Place, count: int = SHARDS) -> list[Shard]:
    """The corpus' one file as `count` slices of about the same size, on line ends."""
    store = open_store(place.corpus)
    (entry,) = list(list_all(store, FILE))
    body = read(store, FILE) or b""
    edges = [0, *(body.index(b"\n", len(body) * n // count) + 1 for n in range(1, count)), len(body)]
    shards: list[Shard] = []
    for position, (start, end) in enumerate(pairwise(edges)):
        piece = (Slice(FILE, entry.version, "jsonl", start, end),)
        shards.append(Shard(identify(piece), position, piece, end - start))
    return shards


def run(
    place: Place, shards: Sequence[Shard], model: str, name: str, cores: Sequence[Sequence[int]], threads: int
) -> dict[str, Any]:
    """One run by a worker for each set of `cores`; what it came to."""
    store = open_store(place.output)
    header = manifest.Header(
        name, place.corpus, "text", "id", model, "torch", "", 256, None, "float32", None, 60.0, len(shards)
    )  # fmt: skip
    manifest.write(store, header, shards)
    before = requests(place)
    workers = [
        _worker(place, name, number, own, threads, len(shards) * number // len(cores))
        for number, own in enumerate(cores)
    ]
    peaks: list[float] = []
    cpu = 0.0
    for worker in workers:
        _, status, usage = os.wait4(worker.pid, 0)
        assert status == 0, status
        peaks.append(usage.ru_maxrss / 1024)
        cpu += usage.ru_utime + usage.ru_stime
    after = requests(place)
    done = [receipt.load(read(store, e.key) or b"") for e in list_all(store, keys.receipts_prefix(name))]
    assert len(done) == len(shards)
    tokens = sum(r.tokens for r in done)
    seconds = (max(r.finished for r in done) - min(r.started for r in done)).total_seconds()
    pulses = [load(read(store, heartbeat_key(name, f"w{number}")) or b"") for number in range(len(cores))]
    engine = sum(p.stages["engine"] for p in pulses)
    waited = sum(p.stages.get("wait", 0.0) for p in pulses)
    found: dict[str, Any] = {
        "tokens": tokens,
        "tokens_per_second": tokens / seconds,
        "tokens_per_cpu_second": tokens / cpu,  # loading included
        "waiting_share": waited / (engine + waited),
        "stages": {
            stage: round(sum(p.stages.get(stage, 0.0) for p in pulses), 3) for stage in pulses[0].stages
        },
        "peak_mb": max(peaks),
    }
    if before is not None and after is not None:
        asked = after.minus(before)
        needed = sum(s.bytes for s in shards) + sum(r.output_bytes for r in done)
        found |= {
            "requests_per_shard": asked.total / len(shards),
            "requests": asked.by_kind,
            "bytes_moved_of_needed": (asked.bytes_in + asked.bytes_out) / needed,
        }
    return found


def requests(place: Place) -> Requests | None:
    """What the store's server has answered so far, where there is one."""
    address = place.environment.get("AWS_ENDPOINT_URL_S3")
    return Requests.of(address) if address else None


def _worker(
    place: Place, run: str, number: int, cores: Sequence[int], threads: int, offset: int
) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "tasks.worker",
        "--store",
        place.output,
        "--run",
        run,
        "--name",
        f"w{number}",
    ]
    command += ["--threads", str(threads), "--offset", str(offset)]
    with on_cores(cores):
        return subprocess.Popen(command, env=os.environ | place.environment)


@contextmanager
def on_cores(cores: Sequence[int]) -> Generator[None, None, None]:
    """Processes that this thread starts meanwhile run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def put_corpus(place: Place, texts: Sequence[str]) -> None:
    """The texts as one file of JSON Lines."""
    lines = "".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts))
    open_store(place.corpus).put(FILE, lines.encode())


def local(folder: Path) -> Place:
    """A folder."""
    return Place(str(folder / "corpus"), str(folder / "out"), {})


@contextmanager
def on_s3(folder: Path) -> Generator[Place, None, None]:
    """A bucket of the loopback server, which lives in a process of its own as long as the block lasts."""
    with started(["bench"], folder / "objects") as address:
        found = environment(address)
        before = {name: os.environ.get(name) for name in found}
        os.environ.update(found)  # the bench itself reads and writes there, too
        try:
            yield Place("s3://bench/corpus", "s3://bench/out", found)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
