"""One run with faults: workers on a small corpus while everything goes wrong, by a plan drawn from a seed.

Killed, frozen for longer than their leases last and woken again, told to end; on buckets that err, answer late and
lose their answers; with clocks that are wrong by minutes; on a disk that fills up. At the end the checker looks.
"""

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.reference import Verdict, check, expected
from tests.chaos.store_under_test import STORE_FAULTS, StoreUnderTest, small_disk, store_under_test
from tests.chaos.worker_pool import WorkerPool, WorkerProcess
from tests.support.runs import header_of, shard_of, whole

RUN = "run-1"
TICK = 0.03
PATIENCE = 300.0  # seconds for the whole run
LAST = 60.0  # seconds for the last workers to end by themselves
ROOM = 3 * 2**20  # bytes that a disk has until somebody makes more
MUST_ACT = 3  # exit status of a worker that cannot go on


@dataclass(frozen=True)
class FaultPlan:
    """The plan. Rates are events per second, drawn from the seed; None: never."""

    seed: int
    store: str = "folder"
    workers: int = 6
    shards: int = 150
    documents: int = 40  # of a shard
    ttl: float = 2.0
    seconds: float = 0.8  # that the engine takes for 1,000 tokens
    kills: float | None = 2.5
    stops: float | None = 0.9
    ends: float | None = 0.5
    skew: bool = False  # two clocks that are ten minutes off
    full: bool = False  # the disk fills up, and somebody makes room
    errors: bool = True  # of a bucket

    @property
    def disk(self) -> int:
        """Bytes that hold the whole run, with what losers leave; every small file takes some blocks of 4 KiB."""
        return 8 * 2**20 + self.shards * 40 * 2**10


@dataclass
class Result:
    fault_plan: FaultPlan
    verdict: Verdict
    parts: int = 0  # receipts of shards that several workers made
    kills: int = 0
    zombies: int = 0  # woken after their lease had run out
    ends: int = 0
    started: int = 0
    seconds: float = 0.0
    changed: list[str] = field(
        default_factory=list[str]
    )  # receipts that did not stay as they were first seen
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    requests: int | None = None

    @property
    def good(self) -> bool:
        return self.verdict.good and not self.changed


def build(folder: Path, fault_plan: FaultPlan) -> None:
    """A corpus of random words; a fifth of the texts come again."""
    rng = random.Random(fault_plan.seed)
    words = [f"w{n}" for n in range(3_000)]
    told: list[str] = []
    folder.mkdir()
    for number in range(fault_plan.shards):
        lines: list[str] = []
        for n in range(fault_plan.documents):
            again = told and rng.random() < 0.2
            text = rng.choice(told) if again else " ".join(rng.choices(words, k=rng.randint(3, 25)))
            told = [*told[-50:], text]
            lines.append(json.dumps({"id": f"{number}-{n}", "text": text}))
        (folder / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_with_faults(fault_plan: FaultPlan) -> Result:
    """Make a corpus, run workers over it with the faults of the plan, and check what came out."""
    with ExitStack() as stack:
        target = stack.enter_context(store_under_test(fault_plan.store))
        if fault_plan.full:
            disk = stack.enter_context(small_disk(target.scratch / "disk", fault_plan.disk))
            target.url = str(disk / "out")
        corpus = target.scratch / "corpus"
        build(corpus, fault_plan)
        wanted = expected(corpus)
        launch(target, corpus, fault_plan)
        words = ["--store", target.url, "--run", RUN, "--heartbeat", "1"]
        more = target.environment | {"EMBEDFLEET_HASH_SECONDS": str(fault_plan.seconds)}
        logs = target.scratch / "logs"
        logs.mkdir()
        pool = WorkerPool(words, more, logs)
        stack.callback(pool.kill_all)
        run = FaultRun(fault_plan, target, pool)
        begun = time.monotonic()
        result = run.run()
        result.seconds = time.monotonic() - begun
        if target.admin:
            result.requests = target.admin.requests().total
            target.admin.faults()
        result.verdict = check(RUN, fault_plan.shards, wanted, target.names, target.read)
        rewritten = target.rewritten(RUN)
        if rewritten:
            result.changed.append(f"{rewritten} receipts were written more than once")
        result.verdict.faults += run.problems
        return result


def launch(target: StoreUnderTest, corpus: Path, fault_plan: FaultPlan) -> None:
    """The manifest, as a launcher writes it, in a process of its own: nothing of a store may be open when we fork."""
    import os

    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.environ.update(target.environment)
            from tasks.protocol import manifest
            from tasks.stores.open import open_store

            shards = [shard_of([whole(corpus, f"{n}.jsonl", "jsonl")], n) for n in range(fault_plan.shards)]
            header = header_of(corpus, fault_plan.shards, ttl=fault_plan.ttl)
            manifest.write(open_store(target.url), header, shards)
            status = 0
        finally:
            os._exit(status)
    _, code = os.waitpid(pid, 0)
    assert code == 0, "the manifest could not be written"


class FaultRun:
    """Carries the plan out until every shard has a receipt."""

    def __init__(self, fault_plan: FaultPlan, target: StoreUnderTest, pool: WorkerPool) -> None:
        self.fault_plan, self.target, self.pool = fault_plan, target, pool
        self.rng = random.Random(fault_plan.seed)
        self.result = Result(fault_plan, Verdict())
        self.seen: dict[str, bytes] = {}  # receipts, as they were first seen
        self.problems: list[str] = []
        self.filler = Path(target.url).parent / "filler" if fault_plan.full else None

    def run(self) -> Result:
        fault_plan, result = self.fault_plan, self.result
        if self.target.admin and fault_plan.errors:
            self.target.admin.faults(*STORE_FAULTS, seed=fault_plan.seed)
        if self.filler:
            self.filler.write_bytes(bytes(fault_plan.disk - ROOM))
        plans = [
            (self._times(fault_plan.kills), self._kill),
            (self._times(fault_plan.stops), self._stop),
            (self._times(fault_plan.ends), self._end),
        ]
        due = [next(times) for times, _ in plans]
        start = time.monotonic()
        last_looked = 0.0
        while len(self.seen) < fault_plan.shards:
            now = time.monotonic() - start
            if now > PATIENCE:
                self.problems.append(
                    f"after {PATIENCE:g} s {len(self.seen)} of {fault_plan.shards} shards are done"
                )
                return result
            self._reap()
            while len(self.pool.alive) < fault_plan.workers:
                self.pool.start(self._skew())
            for n, (times, act) in enumerate(plans):
                if now >= due[n]:
                    act()
                    due[n] = now + next(times)
            self._wake(time.monotonic())
            if now - last_looked > 0.3:
                last_looked = now
                self._record_receipts()
            time.sleep(TICK)
        self._finish()
        return result

    def _times(self, rate: float | None) -> Iterator[float]:
        while True:
            yield self.rng.expovariate(rate) if rate else PATIENCE * 2

    def _skew(self) -> float:
        started = len(self.pool.workers)
        return {0: 600.0, 1: -600.0}.get(started % 20, 0.0) if self.fault_plan.skew else 0.0

    def _awake(self) -> list[WorkerProcess]:
        return [worker for worker in self.pool.alive if worker.wakes_at is None]

    def _kill(self) -> None:
        """Mostly those who work: the frozen are to wake up."""
        awake = self._awake()
        worker = self.rng.choice(awake if awake and self.rng.random() < 0.95 else self.pool.alive)
        self.result.kills += worker.send_signal(signal.SIGKILL)

    def _stop(self) -> None:
        """Freeze one for longer than its leases last, but never everybody."""
        awake = self._awake()
        if len(awake) > self.fault_plan.workers // 2:
            worker = self.rng.choice(awake)
            if worker.send_signal(signal.SIGSTOP):
                worker.wakes_at = time.monotonic() + self.fault_plan.ttl + 1 + self.rng.uniform(0.3, 2.0)

    def _end(self) -> None:
        """Told twice, it does not even finish what is nearly done."""
        worker = self.rng.choice(self._awake() or self.pool.alive)
        self.result.ends += worker.send_signal(signal.SIGTERM)
        if self.rng.random() < 0.7:
            time.sleep(0.005)
            worker.send_signal(signal.SIGTERM)

    def _wake(self, now: float, *, all_of_them: bool = False) -> None:
        for worker in self.pool.alive:
            if worker.wakes_at is not None and (all_of_them or now >= worker.wakes_at):
                late = now >= worker.wakes_at
                worker.wakes_at = None
                self.result.zombies += worker.send_signal(signal.SIGCONT) and late

    def _reap(self) -> None:
        for worker in self.pool.reap():
            assert worker.status is not None
            self.result.statuses[worker.status] = self.result.statuses.get(worker.status, 0) + 1
            # one that was killed at once has said nothing
            said = worker.log.read_text(encoding="utf-8", errors="replace") if worker.log.exists() else ""
            if worker.status == MUST_ACT and self.filler and "no space left" in said:
                self.filler.unlink(missing_ok=True)  # room is made, and workers are started again
            elif worker.status not in (0, -signal.SIGKILL, -signal.SIGTERM):
                last = " | ".join(said.strip().splitlines()[-12:])
                self.problems.append(f"{worker.name} ended with {worker.status}: {last}")

    def _record_receipts(self) -> None:
        """A receipt that was seen once must stay as it is: it may have been read."""
        for key in self.target.names(f"_embedfleet/{RUN}/receipts/"):
            if key not in self.seen:
                self.seen[key] = self.target.read(key)

    def _finish(self) -> None:
        """The fault_plan clears: whoever is left ends by itself."""
        self._wake(time.monotonic(), all_of_them=True)
        if self.target.admin:
            self.target.admin.faults()
        until = time.monotonic() + LAST
        while self.pool.alive and time.monotonic() < until:
            self._reap()
            time.sleep(TICK)
        for worker in self.pool.alive:
            self.problems.append(f"{worker.name} did not end with the run")
        self.result.parts = sum(1 for body in self.seen.values() if json.loads(body)["earlier"])
        self.result.started = len(self.pool.workers)
        for key, body in self.seen.items():
            if self.target.read(key) != body:
                self.result.changed.append(f"{key} did not stay as it was")
