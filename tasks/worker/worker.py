"""A worker process: claim a shard, embed it, write it, commit it, and again until all shards are done.

    python -m tasks.worker --store OUTPUT --run RUN --name NAME

Needs nothing but the store. SIGTERM finishes what is nearly done, commits what is embedded of the rest, gives the
leases back and ends; SIGUSR1 finishes the shard in hand and ends; a preemption notice of the cloud leaves more time,
which is used. Exit status 0: done, or told to end; 3: a person must act (the message says how); 4: the engine fails
whatever it is given; 5: the engine, or a read of the input, hung; else a crash.
"""

import argparse
import os
import platform
import random
import shutil
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

from tasks.clock import utc
from tasks.engines.base import Encoder
from tasks.engines.checks.engine_check import EngineBroken, check_rate
from tasks.engines.load import load_encoder
from tasks.engines.versions import versions
from tasks.errors import Problem
from tasks.formats.documents.readers import installed_versions
from tasks.models.fingerprint import is_pinned_commit, pinned
from tasks.printable import log_in_utf8, plain
from tasks.protocol import manifest
from tasks.protocol.messages import crash_marker
from tasks.protocol.messages.exit_codes import ENGINE_BROKEN, ENGINE_HUNG, MUST_ACT
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import OutcomeUnknown, Store
from tasks.stores.open import open_store
from tasks.worker.context import WorkerContext
from tasks.worker.leases.claims import ShardClaims
from tasks.worker.leases.lease_renewal import LeaseRenewer, held_lease
from tasks.worker.monitoring.heartbeat import HEARTBEAT_SECONDS, HeartbeatWriter
from tasks.worker.monitoring.machine_stats import machine_stats
from tasks.worker.monitoring.preemption_notice import (
    CLOUDS,
    METADATA_ADDRESS,
    Cloud,
    MetadataService,
    NoticeWatcher,
    detect_cloud,
)
from tasks.worker.monitoring.signals import Signals, Stopped
from tasks.worker.monitoring.stage_timer import WorkerProgress
from tasks.worker.monitoring.start_timer import StartTimer, before_process, process_seconds
from tasks.worker.monitoring.watchdog import READ_SECONDS, Step, Watchdog, WatchedEncoder
from tasks.worker.pipeline import POLL_SECONDS, Pipeline
from tasks.worker.reading.earlier_vectors import EarlierVectors
from tasks.worker.repeats.stage import RepeatsStage, open_stage
from tasks.worker.writing.commit import Committer
from tasks.worker.writing.scratch import make_scratch, writing_in
from tasks.worker.writing.shard_task import ShardTask

# Seconds after the announced end until a machine that is still there counts as kept.
WITHDRAWN_SECONDS = 60.0
LEAVE_SECONDS = 10.0  # for the last words of a worker whose engine hangs


@dataclass(slots=True, kw_only=True)
class Worker:
    """One worker process: its pipeline, its heartbeat, and the receipts it commits.

    Attributes:
        offset: position of the shard at which the walk over shards begins.
        scratch: local folder for files on their way to the store.
        first_rate: tokens per second of the engine's check; None: unknown.
        start: times the stages of its start.
        corpus: where it reads the input; None: the store that the manifest names.
    """

    store: Store
    header: manifest.Header
    name: str
    offset: int
    encoder: Encoder
    heartbeat: HeartbeatWriter
    scratch: Path
    signals: Signals
    first_rate: float | None = None
    start: StartTimer = field(default_factory=StartTimer)
    corpus: Store | None = None
    watchdog: Watchdog = field(init=False)
    context: WorkerContext = field(init=False)
    claims: ShardClaims = field(init=False)
    _pipeline: Pipeline | None = None
    _stage: RepeatsStage | None = None

    def __post_init__(self) -> None:
        leases, progress = (
            LeaseRenewer(self.store, self.header.ttl),
            WorkerProgress(first_rate=self.first_rate, start=self.start),
        )
        self.watchdog = Watchdog(self._on_hang, lambda: progress.rate or progress.first_rate)
        self.context = WorkerContext(
            header=self.header,
            corpus=open_store(self.header.corpus) if self.corpus is None else self.corpus,
            encoder=WatchedEncoder(self.encoder, self.watchdog),
            leases=leases,
            committer=Committer(self.store, self.header.run, self.name, self.start),
            progress=progress,
            signals=self.signals,
            scratch=self.scratch,
            watch=lambda: self.watchdog.watch("a read of the input", READ_SECONDS, crash_marker.READER_NAME),
            earlier=EarlierVectors(self.store, self.header, self.scratch) if self.header.reuse else None,
        )
        self.claims = ShardClaims(
            store=self.store, header=self.header, name=self.name, offset=self.offset, leases=leases
        )

    def run(self) -> None:
        """Work until every shard has a receipt, or until told to end; leases in hand are given back."""
        self.heartbeat.update = self._update_heartbeat
        self.context.leases.start()
        self.watchdog.start()
        try:
            self._embed_repeats()
            while not self.pipeline().run():
                self._wait_for_preemption()
        finally:
            self.watchdog.stop()
            self.context.leases.stop()

    def _embed_repeats(self) -> None:
        """Take part in the repeats run, where there is one, until it is done; then keep its vectors at hand."""
        self._stage = stage = open_stage(self.store, self.header, self.claims, self.context)
        if stage is None:
            return
        stage.run(lambda: self._pipeline_of(stage.context, stage.claims).run(), self._wait_for_preemption)
        if not self.signals.leaving:
            self.context = replace(self.context, shared=stage.shared_vectors())

    @property
    def _renewers(self) -> list[LeaseRenewer]:
        """What renews the leases of this worker: those of its run, and those of its repeats run."""
        return [self.context.leases, *([self._stage.context.leases] if self._stage else [])]

    def _pipeline_of(self, context: WorkerContext, claims: ShardClaims) -> Pipeline:
        return Pipeline(
            context=context,
            claims=claims,
            on_commit=partial(self._on_commit, claims),
            on_state=self._set_state,
        )

    def _on_hang(self, step: Step) -> None:
        """End this process, a thread of which may hang for ever. The shards of that step are blamed as for a crash."""
        problem = f"{step}: the worker ends itself"
        print(f"Error: {plain(problem)}", file=sys.stderr, flush=True)  # noqa: T201 - its own stderr
        leaving = threading.Thread(
            target=self._leave, args=(problem, step.marker), name="leaving", daemon=True
        )
        leaving.start()
        leaving.join(LEAVE_SECONDS)  # the store may hang as well
        os._exit(ENGINE_HUNG)

    def _leave(self, problem: str, marker: str) -> None:
        """Give the leases back and write the last heartbeat; the shards under this crash marker are blamed."""
        blamed = crash_marker.marked(self.scratch, marker)
        for renewer in self._renewers:
            renewer.stop()
            for lease in renewer.leases:
                with suppress(Problem, OutcomeUnknown, OSError):
                    renewer.give_back(lease, crashed=lease.key in blamed)
        _last_heartbeat(self.heartbeat, "failed", problem)

    def pipeline(self) -> Pipeline:
        """A new pipeline. Shards that an earlier one had prefetched were given back."""
        self._pipeline = self._pipeline_of(self.context, self.claims)
        return self._pipeline

    def _wait_for_preemption(self) -> None:
        """The machine is about to go: ending now would look like a finished run. Should it stay, work on."""
        self._set_state("leaving")
        until = (self.signals.deadline or monotonic()) + WITHDRAWN_SECONDS
        while monotonic() < until:
            self.signals.check()
            sleep(POLL_SECONDS)
        print("the machine was not taken away: working on", flush=True)  # noqa: T201 - the worker's log
        self.signals.notice_withdrawn()

    def _set_state(self, state: str) -> None:
        if self.heartbeat.heartbeat.state != state:
            self.heartbeat.heartbeat.state = state
            self.heartbeat.write_now()

    def _update_heartbeat(self, pulse: Heartbeat) -> None:
        """Fill in the present figures."""
        leases, progress = self.context.leases, self.context.progress
        pulse.leases = [held_lease(lease) for renewer in self._renewers for lease in renewer.leases]
        pulse.returned = leases.returned
        pulse.tokens_open = {} if self._pipeline is None else self._pipeline.tokens_open()
        pulse.seconds = round(progress.seconds, 3)
        pulse.stages = {stage: round(s, 3) for stage, s in dict(progress.stages.seconds).items()}
        pulse.recent, pulse.first_minute = progress.recent(), progress.first_minute
        pulse.machine = dict(machine_stats(self.scratch))
        pulse.notice = self.signals.notice or pulse.notice
        pulse.cold_start = self.start.seconds()

    def _on_commit(self, claims: ShardClaims, task: ShardTask, ours: bool) -> None:
        """A shard of these claims has its receipt: from this worker, or from another that was first."""
        if ours:
            self.heartbeat.heartbeat.shards += task.fault is None
            self.heartbeat.heartbeat.tokens += task.counts.tokens
            self.heartbeat.heartbeat.error = task.fault or self.heartbeat.heartbeat.error
            claims.mark_done(task.shard)
            claims.leases.drop(task.lease)
        else:
            claims.leases.drop_unfinished(task.lease)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
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
        default=detect_cloud(os.environ),
        help="whose notices of preemption to look for (default: $EMBEDFLEET_CLOUD, `auto` where SkyPilot started us)",
    )
    parser.add_argument(
        "--heartbeat", type=float, default=HEARTBEAT_SECONDS, help="seconds between signs of life"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None, encoder: Encoder | None = None) -> int:
    """Run one worker; the exit status.

    `words` are its command line; None: that of this process. `encoder` is the loaded model of the run, where this process
    has it already.
    """
    log_in_utf8()
    arguments = _arguments(words)
    signals = Signals()
    signals.listen()
    heartbeat: HeartbeatWriter | None = None
    try:
        store = open_store(arguments.store)
        header = manifest.read_header(store, arguments.run)
        manifest.check_corpus_reachable(header)
        heartbeat = _heartbeat(store, header.run, arguments)
        heartbeat.start()
        _work(store, header, heartbeat, arguments=arguments, signals=signals, encoder=encoder)
        signals.ignore_further()
    except Stopped:
        signals.ignore_further()
        _last_heartbeat(heartbeat, "stopped", None)
        return 0
    except Problem as problem:
        signals.ignore_further()
        print(problem.two_lines(), file=sys.stderr, flush=True)  # noqa: T201 - its own stderr
        _last_heartbeat(heartbeat, "failed", str(problem))
        return ENGINE_BROKEN if isinstance(problem, EngineBroken) else MUST_ACT
    _last_heartbeat(heartbeat, "done", None)
    return 0


def _heartbeat(store: Store, run: str, arguments: argparse.Namespace) -> HeartbeatWriter:
    """The heartbeat, not started: `main` holds it before the first write, so that it writes the last one in any case."""
    pulse = Heartbeat(
        run=run,
        worker=arguments.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        started=utc(),
        place=crash_marker.this_place(),
    )
    return HeartbeatWriter(store, pulse, arguments.heartbeat)


def _work(
    store: Store,
    header: manifest.Header,
    heartbeat: HeartbeatWriter,
    *,
    arguments: argparse.Namespace,
    signals: Signals,
    encoder: Encoder | None,
) -> None:
    """Load the engine, unless it is given, and work until the run is done or the worker is told to end."""
    start = StartTimer()
    if encoder is None:
        encoder = _load(header, heartbeat, arguments, start)
    first_rate = check_rate(encoder)  # before anything is claimed
    start.begin("first_batch")
    pulse = heartbeat.heartbeat
    pulse.model_fingerprint = header.model_fingerprint
    pulse.engine, pulse.device, pulse.dtype = encoder.name, encoder.device, encoder.dtype
    pulse.dimensions = header.dimensions or encoder.dimensions
    read_by = installed_versions(header.readers)
    pulse.versions = {"python": platform.python_version()} | versions() | read_by
    pulse.ready = utc()
    shards = max(1, header.shards)
    offset = arguments.offset if arguments.offset is not None else random.randrange(shards)  # noqa: S311
    scratch = make_scratch(arguments.scratch)
    with writing_in(scratch):
        crash_marker.write_place(scratch)
    watcher = _watch_for_preemption(arguments.cloud, signals, heartbeat)
    try:
        Worker(
            store=store,
            header=header,
            name=arguments.name,
            offset=offset % shards,
            encoder=encoder,
            heartbeat=heartbeat,
            scratch=scratch,
            signals=signals,
            first_rate=first_rate,
            start=start,
        ).run()
    finally:
        signals.ignore_further()  # raised inside rmtree, `Stopped` makes it close a file twice
        if watcher:
            watcher.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def _load(
    header: manifest.Header, heartbeat: HeartbeatWriter, arguments: argparse.Namespace, start: StartTimer
) -> Encoder:
    """Load the model of the run; the heartbeat tells which stages of that are over."""

    def tell(pulse: Heartbeat) -> None:
        pulse.cold_start = start.seconds()

    start.known = {**before_process(), "process": process_seconds()}
    heartbeat.update = tell
    if header.model_fingerprint is not None:
        start.begin("download" if is_pinned_commit(header.model, header.model_fingerprint) else "check")
    model = pinned(header.model, header.model_fingerprint)
    return load_encoder(
        arguments.engine or header.engine,
        model,
        arguments.threads,
        remote_code=header.remote_code,
        tokens=header.tokens,
        prompt=header.prompt,
        precision=header.precision,
        on_stage=start.begin,
    )


def _watch_for_preemption(
    cloud: Cloud | None, signals: Signals, heartbeat: HeartbeatWriter
) -> NoticeWatcher | None:
    """Watch for preemption notices, where the cloud is known."""
    if cloud is None:
        return None

    def say(text: str) -> None:
        print(plain(text), flush=True)  # noqa: T201 - the worker's log

    def warn(why: str, seconds: float) -> None:
        say(f"{why} in {seconds:.0f} s")
        signals.warn(why, seconds)

    def risk(why: str) -> None:
        say(why)
        heartbeat.heartbeat.notice = why

    watch = NoticeWatcher(
        cloud, warn, risk, MetadataService(os.environ.get("EMBEDFLEET_METADATA", METADATA_ADDRESS)), say=say
    )
    watch.start()
    return watch


def _last_heartbeat(heartbeat: HeartbeatWriter | None, state: str, error: str | None) -> None:
    """Stop the heartbeat and write it once more, with how the worker ended."""
    if heartbeat is None:
        return
    heartbeat.stop()
    heartbeat.heartbeat.state, heartbeat.heartbeat.error = state, error or heartbeat.heartbeat.error
    heartbeat.heartbeat.stopping = utc()
    try:
        heartbeat.write_now()
    except Problem as problem:
        print(f"the last heartbeat was not written: {plain(problem)}", file=sys.stderr)  # noqa: T201
