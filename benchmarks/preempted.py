"""How much is embedded twice when machines are taken away, with part receipts and without, printed as JSON.

    python -m benchmarks.preempted [--shards 200] [--every 20]

One worker at a time over many shards, told to end once for every so many of them, at any moment; the next one goes on.
The engine is one that takes its time by the clock, so what it did is known to the millisecond: a shard takes a quarter
of a second here where a real one takes a minute and a half, and all else that is counted in seconds is as much shorter.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.clock import utc
from tasks.engines.base import Vectors
from tasks.engines.hash_engine import HashEncoder
from tasks.protocol import manifest
from tasks.protocol.manifest import Header
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.shard import Shard, Slice, identify
from tasks.stores.folder import FolderStore, version_of
from tasks.worker import engine_schedule, pipeline, reader
from tasks.worker.monitoring import signals
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tasks.worker.monitoring.signals import Signals, Stopped
from tasks.worker.pipeline import Pipeline
from tasks.worker.worker import Worker
from tasks.worker.writing.commit import Committer
from tasks.worker.writing.output_files import OutputFiles
from tasks.worker.writing.shard_task import ShardTask

SHARD = 0.25  # seconds of the engine
REAL = 90.0  # seconds that a shard of a million tokens takes at 11,000 tokens a second
SCALE = SHARD / REAL
DOCUMENTS = 100  # of a shard
WORDS = 18  # of a document; with two special tokens
SECONDS = SHARD / (DOCUMENTS * (WORDS + 2))  # of the engine for a token
SEED = 6


class Timed(HashEncoder):
    """Takes the same time for every token, and knows how many it did; of a call that was cut off, the share."""

    worked = 0.0  # tokens

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        tokens = sum(map(len, ids))
        begun, share = time.perf_counter(), 1.0
        try:
            time.sleep(SECONDS * tokens)
        except Stopped:
            share = min(1.0, (time.perf_counter() - begun) / (SECONDS * tokens))
            raise
        finally:
            Timed.worked += share * tokens
        return super().encode(ids)


class NoParts(Committer):
    """Signs for whole shards alone."""

    def commit_part(self, task: ShardTask, output: OutputFiles) -> None:
        del task, output


class Without(Worker):
    """A worker as it would be without part receipts."""

    def pipeline(self) -> Pipeline:
        committer = NoParts(self.store, self.header.run, self.name)
        self.context = replace(self.context, committer=committer)
        return super().pipeline()


@dataclass(frozen=True)
class Mode:
    name: str
    kind: type[Worker]
    notice: float | None  # real seconds from the notice to the end; None: told to end, and told again


MODES = (
    Mode("without parts, ended at once", Without, None),
    Mode("with parts, ended at once", Worker, None),
    Mode("with parts, 30 s of notice", Worker, 30.0),
)


def corpus(folder: Path, store: FolderStore, shards: int) -> Header:
    folder.mkdir()
    dice = random.Random(SEED)
    cut: list[Shard] = []
    for number in range(shards):
        path = folder / f"{number}.jsonl"
        lines = [
            json.dumps(
                {"id": f"{number}-{n}", "text": " ".join(f"w{dice.randrange(10**6)}" for _ in range(WORDS))}
            )
            for n in range(DOCUMENTS)
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        slices = (Slice(path.name, version_of(path.stat()), "jsonl"),)
        cut.append(Shard(identify(slices), number, slices, path.stat().st_size))
    header = Header(
        run="run-1", corpus=str(folder), text="text", id="id", model="hash", engine="hash", prompt="", tokens=None,
        overlap=None, dtype="float32", dimensions=None, ttl=60.0, shards=shards,
    )  # fmt: skip
    manifest.write(store, header, cut)
    return header


def measure(mode: Mode, shards: int, every: int) -> dict[str, object]:
    """One run under one mode."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = FolderStore(folder / "out")
        header = corpus(folder / "in", store, shards)
        dice = random.Random(SEED)
        Timed.worked, lives, preemptions = 0.0, 0, 0
        done = False
        while not done:
            told = Signals()
            told.listen()
            scratch = folder / f"scratch-{lives}"
            scratch.mkdir()
            heart = HeartbeatWriter(
                store,
                Heartbeat(run="run-1", worker=f"w{lives}", host="here", pid=os.getpid(), started=utc()),
                1_000,
            )
            worker = mode.kind(
                store=store,
                header=header,
                name=f"w{lives}",
                offset=0,
                encoder=Timed(),
                heartbeat=heart,
                scratch=scratch,
                signals=told,
            )
            over = threading.Event()
            wait = dice.uniform(0.5, 1.5) * every * SHARD
            taker = threading.Thread(target=_take, args=(mode, told, over, wait))
            taker.start()
            try:
                if mode.notice is None:
                    worker.run()
                    done = True
                else:
                    worker.context.leases.start()
                    done = worker.pipeline().run()
                    worker.context.leases.stop()
            except Stopped:
                done = False
            over.set()
            taker.join()
            told.ignore_further()
            preemptions += not done
            lives += 1
    needed = shards * DOCUMENTS * (WORDS + 2)
    return {
        "mode": mode.name,
        "shards": shards,
        "preemptions": preemptions,
        "tokens_embedded": round(Timed.worked),
        "tokens_needed": needed,
        "twice": round(Timed.worked / needed - 1, 4),
    }


def _take(mode: Mode, told: Signals, over: threading.Event, wait: float) -> None:
    """The machine goes after a while."""
    if over.wait(wait):
        return
    if mode.notice is not None:
        told.warn("taken away", mode.notice * SCALE)
        return
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.002)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preempted")
    parser.add_argument("--shards", type=int, default=200)
    parser.add_argument("--every", type=int, default=20, help="shards between two preemptions, about")
    arguments = parser.parse_args()
    engine_schedule.ENGINE_SECONDS, pipeline.RESERVE_SECONDS, signals.NEARLY_DONE_SECONDS = (
        seconds * SCALE
        for seconds in (engine_schedule.ENGINE_SECONDS, pipeline.RESERVE_SECONDS, signals.NEARLY_DONE_SECONDS)
    )
    engine_schedule.FIRST_ENGINE_TOKENS, engine_schedule.LEAST_ENGINE_TOKENS, reader.LEAD_SECONDS = (
        100,
        20,
        reader.LEAD_SECONDS * SCALE,
    )
    modes = [measure(mode, arguments.shards, arguments.every) for mode in MODES]
    body = {"shards_a_preemption": arguments.every, "modes": modes}
    print(json.dumps(body, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
