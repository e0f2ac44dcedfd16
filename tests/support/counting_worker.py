"""A worker process that writes down every piece its engine is given, and may kill itself at a step.

    python -m tests.support.counting_worker LOG STEP --store OUTPUT --run RUN ...

STEP is one of STEPS; `none` lives. A line of LOG has the stage ("repeats" or "shards") and the hash of a piece.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tasks.engines.base import Vectors
from tasks.engines.batches.piece_hash import piece_hash
from tasks.engines.hash_engine import HashEncoder
from tasks.protocol.manifest import Header
from tasks.stores.base import Store
from tasks.worker import process
from tasks.worker.repeats import shared_vectors
from tasks.worker.repeats.stage import RepeatsStage
from tasks.worker.writing import commit

STEPS = {
    "repeats-engine": "in the engine, with texts that repeat",
    "repeats-upload": "their vectors are uploaded, and have no receipt",
    "repeats-receipt": "their receipt is there, and the worker does not know it",
    "copy": "while it copies the vectors of all of them",
    "shards-engine": "in the engine, with a shard of the run",
    "shards-upload": "the vectors of a shard are uploaded, and have no receipt",
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Counting(HashEncoder):
    """The hash engine, which writes down what it is given before it embeds it."""

    stage = "start"

    def __init__(self, log: Path, step: str) -> None:
        super().__init__()
        self.log, self.step = log, step

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        if self.stage != "start":
            with self.log.open("a", encoding="utf-8") as out:
                for piece in ids:
                    out.write(json.dumps({"stage": self.stage, "hash": piece_hash(piece).hex()}) + "\n")
            if self.step == f"{self.stage}-engine":
                die()
        return super().encode(ids)


def main(words: Sequence[str]) -> int:
    """Run the worker; its exit status."""
    log, step, *rest = words
    engine = Counting(Path(log), step)
    create, take_part, fill = commit.create_once, RepeatsStage.run, shared_vectors.SharedVectors.fill

    def create_once(*arguments: Any) -> bool:
        if step == f"{engine.stage}-upload":
            die()
        found = create(*arguments)
        if step == f"{engine.stage}-receipt":
            die()
        return found

    def run(self: RepeatsStage, work: Callable[[], bool], wait: Callable[[], None]) -> None:
        engine.stage = "repeats"
        take_part(self, work, wait)

    def copy(self: shared_vectors.SharedVectors, store: Store, header: Header, scratch: Path) -> None:
        fill(self, store, header, scratch)
        if step == "copy":
            die()
        engine.stage = "shards"

    commit.create_once, RepeatsStage.run, shared_vectors.SharedVectors.fill = create_once, run, copy
    return process.main(rest, encoder=engine)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
