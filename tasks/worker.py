"""The process on a rented machine: claim a shard, embed it, write it, sign for it, again, until all are done.

    python -m tasks.worker --store OUTPUT --run RUN --name NAME

Needs the store and nothing else. SIGTERM gives the lease back and ends at once; SIGUSR1 finishes the
shard in hand and ends. Exit status 0: done or told to end; 3: somebody must act (the message says what);
else a crash.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType
from uuid import uuid4

from tasks import manifest, receipt
from tasks.embed import Encoder, load
from tasks.heart import Heart, Pulse, utc
from tasks.lease import Lease, Survey, claim, give_back, receipt_key, root, survey
from tasks.problem import Problem
from tasks.receipt import Receipt
from tasks.shard import SLAB, Shard
from tasks.store import Store, create_once, open_store
from tasks.work import Tally, embed_shard
from tasks.write import digest

MUST_ACT = 3  # exit status: restarting cannot help
AGAIN = 0.5  # seconds until SIGTERM is said again, should somebody's code have swallowed `Stopped`
PAUSE = 1.0  # seconds between looks while all shards are in other hands; grows with jitter to 4


class Stopped(BaseException):
    """We were told to end now. Not an Exception: no handler of errors may swallow it."""


class LostLease(Exception):  # noqa: N818 - a state of the world, not an error
    """Somebody else works on our shard."""


@dataclass(slots=True)
class Signals:
    """What we were told. SIGTERM interrupts at once, except inside `shielded`."""

    stop: bool = False
    drain: bool = False
    _deaf: bool = False
    _shields: int = 0

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_drain)

    def deafen(self) -> None:
        """We are ending: nothing may cut short what is left to do."""
        self._deaf = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def check(self) -> None:
        if self.stop:
            raise Stopped

    @contextmanager
    def shielded(self) -> Generator[None, None, None]:
        """The block is not interrupted; what came meanwhile is raised after it."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if not self._shields:
            self.check()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        if not self._deaf and not self._shields:
            # C code may clear any exception (the import of numpy.random does): ask again until we are heard.
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
            raise Stopped

    def _on_drain(self, _number: int, _frame: FrameType | None) -> None:
        self.drain = True


@dataclass(slots=True)
class Worker:
    """One worker process. `offset` is the shard it begins its walk at, so that workers seldom meet."""

    store: Store
    header: manifest.Header
    name: str
    offset: int
    encoder: Encoder
    heart: Heart
    scratch: Path  # for files on their way to the store
    signals: Signals = field(default_factory=Signals)
    _slabs: dict[int, list[Shard]] = field(default_factory=dict[int, list[Shard]])

    def run(self) -> None:
        """Work until every shard has a receipt, or until told to end; a lease in hand is given back."""
        try:
            self._work()
        except BaseException:
            self.signals.deafen()
            lease = self.heart.lease
            if lease:
                self.heart.hold(None)  # no renewal may come after the lease was emptied
                self.heart.let_go(lease)
                give_back(self.store, lease)
            raise

    def _work(self) -> None:
        pause = PAUSE
        while not self.signals.drain:
            self.signals.check()
            found = self._next()
            if found is None:
                return
            if found:
                pause = PAUSE
                self._set("working")
                self._do(*found)
            else:
                self._set("waiting")
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
                pause = min(4.0, pause * 1.5, self.header.ttl / 2)

    def _set(self, state: str) -> None:
        if self.heart.pulse.state != state:
            self.heart.pulse.state = state
            self.heart.beat()

    def _next(self) -> tuple[Shard, Lease] | tuple[()] | None:
        """A shard with its lease; () while others hold all that is left; None when all are done."""
        count = manifest.slabs(self.header)
        first = self.offset // SLAB
        left = False
        for step in range(count):
            number = (first + step) % count
            shards = self._slab(number)
            seen = survey(self.store, self.header.run, f"{number:05d}")
            if all(shard.id in seen.done for shard in shards):
                continue
            left = True
            turn = self.offset % SLAB if number == first else 0
            for shard in shards[turn:] + shards[:turn]:
                lease = self._try(shard, seen)
                if lease:
                    return shard, lease
        return () if left else None

    def _try(self, shard: Shard, seen: Survey) -> Lease | None:
        generation = seen.next_generation(shard.id, timedelta(seconds=self.header.ttl))
        if generation is None:
            return None
        with self.signals.shielded():
            lease = claim(self.store, self.header.run, shard, generation, self.name, utc())
            self.heart.hold(lease)
        if lease:
            self.offset = shard.position + 1
        return lease

    def _slab(self, number: int) -> list[Shard]:
        if number not in self._slabs:
            self._slabs = {number: manifest.read_slab(self.store, self.header.run, number)}
        return self._slabs[number]

    def _do(self, shard: Shard, lease: Lease) -> None:
        """The shard from lease to receipt, unless the lease is lost or we are told to end."""
        attempt = lease.nonce[:12]
        vectors = self.scratch / f"{attempt}.parquet"
        failures = self.scratch / f"{attempt}.jsonl"
        try:
            start = time.monotonic()
            tally = embed_shard(self.header, shard, self.encoder, vectors, failures, self._check)
            self._check()
            self._commit(shard, lease, tally, vectors, failures, start)
        except LostLease:
            self.heart.hold(None)
            self.heart.let_go(lease)
            print(f"shard {shard.id}: another worker took it over", flush=True)  # noqa: T201 - the worker's log
        finally:
            vectors.unlink(missing_ok=True)
            failures.unlink(missing_ok=True)

    def _check(self) -> None:
        self.signals.check()
        if self.heart.broken:
            raise self.heart.broken
        if self.heart.lost:
            raise LostLease

    def _commit(
        self, shard: Shard, lease: Lease, tally: Tally, vectors: Path, failures: Path, start: float
    ) -> None:
        """Outputs under a name of this attempt, then the receipt: whoever creates it has done the shard."""
        run, attempt = self.header.run, lease.nonce[:12]
        key = f"data/{shard.id}-{attempt}.parquet"
        quarantine = (
            f"{root(run)}/quarantine/{shard.slab}/{shard.id}-{attempt}.jsonl" if tally.failed else None
        )
        with self.signals.shielded():
            with tally.stage("store"):
                self.store.put(key, vectors)
                if quarantine:
                    self.store.put(quarantine, failures)
                fingerprint = digest(vectors)
            finished = utc()
            body = Receipt(
                run=run,
                shard=shard.id,
                position=shard.position,
                worker=self.name,
                generation=lease.generation,
                nonce=lease.nonce,
                key=key,
                digest=fingerprint,
                output_bytes=vectors.stat().st_size,
                input_bytes=shard.bytes,
                documents=tally.documents,
                chunks=tally.chunks,
                tokens=tally.tokens,
                tokens_cut=tally.tokens_cut,
                failed_rows=tally.failed,
                quarantine=quarantine,
                started=finished - timedelta(seconds=time.monotonic() - start),
                finished=finished,
                stages=tally.stages,
            )
            if create_once(self.store, receipt_key(run, shard.slab, shard.id), receipt.dump(body)):
                self.heart.pulse.shards += 1
                self.heart.pulse.tokens += tally.tokens
            else:
                self.heart.let_go(lease)
            self.heart.hold(None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.worker", description=__doc__.partition("\n")[0] if __doc__ else None
    )
    parser.add_argument("--store", required=True, help="the job's output path")
    parser.add_argument("--run", required=True)
    parser.add_argument("--name", default=f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}")
    parser.add_argument("--engine", help="instead of the manifest's")
    parser.add_argument("--threads", type=int, help="CPU threads of the engine")
    parser.add_argument("--offset", type=int, help="position of the shard to begin at (default: anywhere)")
    parser.add_argument(
        "--scratch", type=Path, help="folder for files on their way to the store (default: a new one)"
    )
    parser.add_argument("--heartbeat", type=float, default=5.0, help="seconds between signs of life")
    return parser.parse_args()


def main() -> int:
    """Run one worker; the exit status."""
    arguments = _arguments()
    signals = Signals()
    signals.listen()
    heart: Heart | None = None
    try:
        store = open_store(arguments.store)
        header = manifest.read_header(store, arguments.run)
        pulse = Pulse(header.run, arguments.name, socket.gethostname(), os.getpid(), utc().isoformat())
        heart = Heart(store, pulse, min(arguments.heartbeat, header.ttl / 3), utc)
        heart.start()
        encoder = load(arguments.engine or header.engine, header.model, arguments.threads)
        pulse.engine, pulse.device, pulse.dtype = encoder.name, encoder.device, encoder.dtype
        pulse.ready = utc().isoformat()
        offset = arguments.offset if arguments.offset is not None else random.randrange(max(1, header.shards))  # noqa: S311
        scratch: Path = arguments.scratch or Path(tempfile.mkdtemp(prefix="embedfleet-"))
        scratch.mkdir(parents=True, exist_ok=True)
        first = offset % max(1, header.shards)
        worker = Worker(store, header, arguments.name, first, encoder, heart, scratch, signals)
        try:
            worker.run()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        signals.deafen()
    except Stopped:
        signals.deafen()
        _last_words(heart, "stopped", None)
        return 0
    except Problem as problem:
        signals.deafen()
        print(f"Error: {problem}\nTry: {problem.hint}", file=sys.stderr, flush=True)  # noqa: T201 - its own stderr
        _last_words(heart, "failed", str(problem))
        return MUST_ACT
    _last_words(heart, "done", None)
    return 0


def _last_words(heart: Heart | None, state: str, error: str | None) -> None:
    if heart is None:
        return
    heart.stop()
    heart.pulse.state, heart.pulse.error, heart.pulse.leases = state, error, []
    heart.pulse.stopping = utc().isoformat()
    try:
        heart.beat()
    except Problem as problem:
        print(f"last sign of life not written: {problem}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
