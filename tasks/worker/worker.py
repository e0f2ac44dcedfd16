"""The main object of a worker: its pipeline, its heartbeat and how it ends, without a command line.

`tasks.worker.process` loads the engine and makes one.
"""

import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from tasks.engines.base import Encoder
from tasks.errors import Problem
from tasks.printable import plain
from tasks.protocol import manifest
from tasks.protocol.messages import crash_marker
from tasks.protocol.messages.exit_codes import ENGINE_HUNG
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import OutcomeUnknown, Store
from tasks.stores.open import open_store
from tasks.worker.context import WorkerContext
from tasks.worker.leases.claims import ShardClaims
from tasks.worker.leases.lease_renewal import LeaseRenewer, held_lease
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tasks.worker.monitoring.machine_stats import machine_stats
from tasks.worker.monitoring.signals import Signals
from tasks.worker.monitoring.stage_timer import WorkerProgress
from tasks.worker.monitoring.start_timer import StartTimer
from tasks.worker.monitoring.watchdog import READ_SECONDS, Step, Watchdog, WatchedEncoder
from tasks.worker.pipeline import POLL_SECONDS, Pipeline
from tasks.worker.reading.earlier_vectors import EarlierVectors
from tasks.worker.repeats.stage import RepeatsStage, open_stage
from tasks.worker.writing.commit import Committer
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
        self.heartbeat.end("failed", problem)

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
