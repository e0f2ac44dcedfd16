"""Runs of real workers on this machine that a test pauses, kills and resumes."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.cli_runs import Launching, process, records
from tests.support.runs import write_jsonl

SLOW = "0.05"  # seconds of 1,000 tokens: 0.8 s a shard


@contextmanager
def paused(found: Launching) -> Generator[None, None, None]:
    """Stop the run's workers in the middle of their work, and let them go on at the end."""
    workers = found.processes()
    for worker in workers:
        worker.suspend()
    try:
        yield
    finally:
        for worker in workers:
            with suppress(psutil.NoSuchProcess):  # the test may have killed it
                worker.resume()


def kill(handle: str) -> bool:
    living = process(handle)
    if living:
        living.kill()
    return living is not None


def kill_corpus(folder: Path) -> list[str]:
    """400 documents of very different length in Parquet, .jsonl.gz and .jsonl: about 30 shards; the ids."""
    (folder / "in").mkdir()
    dice = random.Random(21)
    lengths = [min(8_000, int(dice.lognormvariate(6.6, 1.0))) for _ in range(400)]
    found = records("d", lengths, seed=22)
    schema = pa.schema({"id": pa.string(), "text": pa.string()})
    pq.write_table(pa.Table.from_pylist(found[:140], schema), folder / "in" / "a.parquet", row_group_size=50)
    for number, start in enumerate(range(140, 260, 15)):  # these cannot be cut
        body = "".join(json.dumps(r) + "\n" for r in found[start : start + 15])
        (folder / "in" / f"b{number}.jsonl.gz").write_bytes(gzip.compress(body.encode()))
    write_jsonl(folder / "in" / "c.jsonl", found[260:])
    return [r["id"] for r in found]


class Killer:
    """Kills each worker at a random age, but never three in a row of a slot without a shard: that would end the run."""

    def __init__(self, found: Launching, seed: int) -> None:
        self.found = found
        self.dice = random.Random(seed)
        self.killed: Counter[int] = Counter()
        self.barren: Counter[int] = Counter()  # kills in a row, without a shard
        self.due: dict[str, float] = {}

    def look(self) -> None:
        made = Counter(r["worker"] for r in self.receipts())
        for worker in self.found.up():
            name, slot = worker["name"], int(worker["name"].split("-w")[-1].partition("-")[0])
            due = self.due.setdefault(name, time.monotonic() + self.dice.uniform(0.6, 2.4))
            spared = self.barren[slot] >= 2 and not made[name]
            if self.killed[slot] < 5 and not spared and time.monotonic() >= due and kill(worker["handle"]):
                self.killed[slot] += 1
                self.barren[slot] = 0 if made[name] else self.barren[slot] + 1

    def receipts(self) -> list[dict[str, str]]:
        folder = self.found.folder / "out" / "_embedfleet" / self.found.run / "receipts"
        return [json.loads(p.read_text()) for p in folder.glob("*/*.json")]


@dataclass
class Disturbed:
    """A run that is disturbed by a thread of its own: it takes as long as all other tests here together."""

    found: Launching
    ids: list[str]
    killer: Killer
    resumed: bool = False
    status: int | None = None

    def disturb(self) -> None:
        slow = {"EMBEDFLEET_HASH_SECONDS": SLOW, "EMBEDFLEET_LEASE_SECONDS": "6"}
        launcher = self.found.start("launch", "plan.json", **slow)
        while launcher.poll() is None:
            self.killer.look()
            if not self.resumed and self.killer.killed.total() >= 4:
                launcher.kill()
                launcher.wait()
                for _ in range(15):  # workers are killed while no launcher is at work, too
                    self.killer.look()
                    time.sleep(0.1)
                launcher, self.resumed = self.found.start("resume", self.found.run, **slow), True
            time.sleep(0.1)
        self.status = launcher.returncode


def vectors(output: Path, run: str) -> dict[tuple[str, int], list[float]]:
    """Every row that a receipt signs for, by document and chunk; reads JSON and Parquet without code of the product."""
    found: dict[tuple[str, int], list[float]] = {}
    for path in sorted(output.glob(f"_embedfleet/{run}/receipts/*/*.json")):
        receipt = json.loads(path.read_text())
        for row in pq.read_table(output / receipt["key"]).to_pylist():
            key = (row["id"], row["chunk"])
            assert key not in found, f"{key} is there twice"
            found[key] = row["vector"]
    return found
