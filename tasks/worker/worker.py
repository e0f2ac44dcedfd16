"""The process on a rented machine: claim a shard, embed it, write it, sign for it, again, until all are done.

    python -m tasks.worker --store OUTPUT --run RUN --name NAME

Needs the store and nothing else. SIGTERM finishes what is nearly done, signs for what is embedded of the rest, gives
the leases back and ends; SIGUSR1 finishes the shard in hand and ends; a cloud's notice is heard, and its time used.
Exit status 0: done or told to end; 3: somebody must act (the message says what); else a crash.
"""

import argparse
import os
import random
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

from tasks.clock import utc
from tasks.engines.base import Encoder
from tasks.engines.load import load
from tasks.errors import Problem
from tasks.protocol import manifest
from tasks.protocol.exit_codes import MUST_ACT
from tasks.protocol.heartbeat import Heartbeat
from tasks.stores.base import Store
from tasks.stores.open import open_store
from tasks.worker.claims import Claims
from tasks.worker.commit import Signer
from tasks.worker.heartbeat import EVERY, Heart
from tasks.worker.lease_renewal import Keeper, held
from tasks.worker.machine_stats import gauge
from tasks.worker.pipeline import LOOK, Pipeline
from tasks.worker.preemption_notice import ADDRESS, CLOUDS, Cloud, Metadata, Watch, cloud_here
from tasks.worker.shard_task import Task
from tasks.worker.signals import Signals, Stopped
from tasks.worker.stage_timer import Progress

WITHDRAWN = 60.0  # seconds after a machine should have gone until we believe that it stays


@dataclass(slots=True)
class Worker:
    """One worker process: the pipeline, what it says of itself, and the receipts it signs."""

    store: Store
    header: manifest.Header
    name: str
    offset: int  # position of the shard it begins its walk at
    encoder: Encoder
    heart: Heart
    scratch: Path
    signals: Signals
    keeper: Keeper = field(init=False)
    claims: Claims = field(init=False)
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.store, self.header.ttl)
        self.claims = Claims(self.store, self.header, self.name, self.offset, self.keeper)

    def run(self) -> None:
        """Work until every shard has a receipt, or until told to end; leases in hand are given back."""
        self.heart.look = self._look
        self.keeper.start()
        try:
            while not self.pipeline().run():
                self._stay()
        finally:
            self.keeper.stop()

    def pipeline(self) -> Pipeline:
        """A fresh one: what was read ahead of the last is given back."""
        return Pipeline(
            self.header, open_store(self.header.corpus), self.encoder, self.claims, self.keeper, self.progress,
            self.signals, self.scratch, Signer(self.store, self.header.run, self.name), self._signed, self._tell,
        )  # fmt: skip

    def _stay(self) -> None:
        """The machine is about to go: ending now would look like a run that is done. Should it stay, go on."""
        self._tell("leaving")
        until = (self.signals.deadline or monotonic()) + WITHDRAWN
        while monotonic() < until:
            self.signals.check()
            sleep(LOOK)
        print("the machine did not go: working on", flush=True)  # noqa: T201 - the worker's log
        self.signals.calm()

    def _tell(self, state: str) -> None:
        if self.heart.pulse.state != state:
            self.heart.pulse.state = state
            self.heart.beat()

    def _look(self, pulse: Heartbeat) -> None:
        """The pulse as things are now."""
        pulse.leases = [held(lease) for lease in self.keeper.leases]
        pulse.returned = self.keeper.returned
        pulse.seconds = round(self.progress.seconds, 3)
        pulse.stages = {stage: round(s, 3) for stage, s in dict(self.progress.stages.seconds).items()}
        pulse.recent, pulse.first_minute = self.progress.recent(), self.progress.first_minute
        pulse.machine = dict(gauge(self.scratch))
        pulse.notice = self.signals.notice or pulse.notice

    def _signed(self, task: Task, ours: bool) -> None:
        """A shard is done: by us, or by another who was first."""
        if ours:
            self.heart.pulse.shards += 1
            self.heart.pulse.tokens += task.tally.tokens
            self.heart.pulse.error = task.fault or self.heart.pulse.error
            self.claims.signed(task.shard)
            self.keeper.drop(task.lease)
        else:
            self.keeper.let_go(task.lease)


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
    parser.add_argument(
        "--cloud",
        choices=CLOUDS,
        default=cloud_here(os.environ),
        help="whose notices of preemption to look for (default: $EMBEDFLEET_CLOUD, `auto` where SkyPilot started us)",
    )
    parser.add_argument("--heartbeat", type=float, default=EVERY, help="seconds between signs of life")
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
        manifest.check_corpus_reachable(header)
        pulse = Heartbeat(
            run=header.run, worker=arguments.name, host=socket.gethostname(), pid=os.getpid(), started=utc()
        )
        heart = Heart(store, pulse, arguments.heartbeat)
        heart.start()
        encoder = load(
            arguments.engine or header.engine,
            header.model,
            arguments.threads,
            remote_code=header.remote_code,
            tokens=header.tokens,
        )
        pulse.engine, pulse.device, pulse.dtype = encoder.name, encoder.device, encoder.dtype
        pulse.ready = utc()
        offset = arguments.offset if arguments.offset is not None else random.randrange(max(1, header.shards))  # noqa: S311
        scratch: Path = arguments.scratch or Path(tempfile.mkdtemp(prefix="embedfleet-"))
        scratch.mkdir(parents=True, exist_ok=True)
        first = offset % max(1, header.shards)
        worker = Worker(store, header, arguments.name, first, encoder, heart, scratch, signals)
        watch = _watch(arguments.cloud, signals, heart)
        try:
            worker.run()
        finally:
            if watch:
                watch.stop()
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


def _watch(cloud: Cloud | None, signals: Signals, heart: Heart) -> Watch | None:
    """Listens for the cloud's notices, where we are on one."""
    if cloud is None:
        return None

    def say(text: str) -> None:
        print(text, flush=True)  # noqa: T201 - the worker's log

    def warn(why: str, seconds: float) -> None:
        say(f"{why} in {seconds:.0f} s")
        signals.warn(why, seconds)

    def risk(why: str) -> None:
        say(why)
        heart.pulse.notice = why

    watch = Watch(cloud, warn, risk, Metadata(os.environ.get("EMBEDFLEET_METADATA", ADDRESS)), say=say)
    watch.start()
    return watch


def _last_words(heart: Heart | None, state: str, error: str | None) -> None:
    if heart is None:
        return
    heart.stop()
    heart.pulse.state, heart.pulse.error = state, error or heart.pulse.error
    heart.pulse.stopping = utc()
    try:
        heart.beat()
    except Problem as problem:
        print(f"last sign of life not written: {problem}", file=sys.stderr)  # noqa: T201
