"""Carry a plan out: observe -> `fleet.step` -> orders -> act -> write down, again, until every shard has a receipt.

An intent is in the ledger before the act it describes, and every worker has a name we chose: a launcher killed
between any two lines starts none twice and forgets none. It may die at any time; the workers need only the store.
"""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

from launcher.account import standing_of
from launcher.census import Census
from launcher.clouds.local import Local
from launcher.errors import BudgetReached, Interrupted, Problem
from launcher.fleet import ALIVE, Drain, End, Kill, Order, Seen, Start, View, near_budget, step, stuck
from launcher.learn import first_minutes
from launcher.ledger import Ledger
from launcher.machine import devices
from launcher.observe import Eye
from launcher.record import Machine, MachineState, Progress, RunState
from tasks.heart import utc

TICK = 0.5  # seconds between looks
PATIENCE = 5  # tenths of a second a launcher waits for the lock


@dataclass(frozen=True, slots=True)
class Glance:
    """What a person who watches wants to know."""

    progress: Progress
    workers: int
    ready: int
    deaths: int
    spent: Decimal | None
    started: datetime
    tokens_before: int  # done before this launch: their time is not ours
    draining: bool


@dataclass(slots=True)
class Drive:
    """One launcher at work on one run. `lot` is the plan's, of this machine."""

    ledger: Ledger
    eye: Eye
    cloud: Local
    output: str
    lot: dict[str, Any]
    budget: Decimal | None
    watch: Callable[[Glance], None]
    draining: bool = False
    interrupts: int = 0
    began: datetime = field(default_factory=utc)
    finished: datetime | None = None
    told: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    minutes: int = 0  # first minutes of workers that are in the ledger

    @property
    def census(self) -> Census:
        return Census(self.ledger, self.eye, self.cloud)

    @property
    def run(self) -> str:
        return self.eye.run

    def go(self) -> None:
        """Drive until the run is done.

        Raises:
            Interrupted: the user pressed Ctrl-C, and all workers have ended.
            BudgetReached: the budget is used up, and all workers have ended.
            Problem: the workers die, and why.
        """
        self.census.adopt()
        self.eye.recall()
        self.eye.receipts()
        before = self.ledger.progress(self.run).tokens
        self.ledger.set_run_state(self.run, RunState.RUNNING, self.began)
        with self._interruptible():
            while True:
                view = self._observe()
                self.watch(self._glance(view, before))
                alive = [w for w in view.workers if w.state in ALIVE]
                if not alive and (self.eye.finished or self.draining or near_budget(view)):
                    break
                if stuck(view):
                    self._stop("the workers die")
                    raise self._why()
                for order in step(view, utc()):
                    self._act(order)
                time.sleep(TICK)
        self._end(view)

    def _end(self, view: View) -> None:
        self.eye.lost()
        if self.eye.finished:
            self.ledger.set_run_state(self.run, RunState.DONE, utc())
            self.ledger.note(self.run, "done", "every shard has a receipt", utc())
            return
        left = f"{view.shards - view.done} of {view.shards} shards are left"
        if near_budget(view):
            self._stop("budget reached")
            raise BudgetReached(
                f"the budget of ${view.budget} is used up: ${view.spent:.4f} spent, {left}",
                hint=f"embedfleet resume {self.run} --budget DOLLARS goes on with a larger one",
            )
        self._stop("interrupted")
        raise Interrupted(f"stopped: {left}; no worker runs", hint=f"embedfleet resume {self.run}")

    def _stop(self, reason: str) -> None:
        self.ledger.set_run_state(self.run, RunState.STOPPED, utc())
        self.ledger.note(self.run, "stopped", reason, utc())

    def _observe(self) -> View:
        self.eye.receipts()
        self.eye.pulses()
        self.learn()
        self.census.count()
        self.eye.receipts()  # a worker signs before it ends: no shard of a dead one is missed
        if self.eye.finished and self.finished is None:
            self.finished = utc()
        progress = self.ledger.progress(self.run)
        shards = self.eye.by_worker
        workers = [self._seen(m, shards[m.name]) for m in self.ledger.machines(self.run)]
        money = standing_of(self.ledger, self.run, utc())
        return View(
            run=self.run,
            slots=int(self.lot["workers"]),
            workers=workers,
            shards=progress.shards,
            done=progress.shards_done,
            draining=self.draining,
            spent=money.spent if money.whole or money.spent else None,
            committed=money.committed,
            budget=self.budget,
            finished=self.finished,
            interrupts=self.interrupts,
        )

    def learn(self) -> None:
        """Workers' first minutes, each once: a plan that is made while this run lasts goes by them."""
        minutes = list(self.eye.minutes.values())
        if len(minutes) > self.minutes:
            first_minutes(self.ledger, self.run, json.loads(self.ledger.find(self.run).plan), minutes)
            self.minutes = len(minutes)

    def _seen(self, machine: Machine, shards: int) -> Seen:
        earlier = machine.ended is not None and machine.ended < self.began
        return Seen(machine.name, machine.slot, machine.state, machine.ended, shards, earlier)

    def _act(self, order: Order) -> None:
        match order:
            case Start(slot, name):
                self._start(slot, name)
            case Drain(name):
                self._tell(name, "drain", self.cloud.drain)
            case End(name):
                self._tell(name, "end", self.cloud.end)
            case Kill(name):
                self._tell(name, "kill", self.cloud.kill)

    def _start(self, slot: int, name: str) -> None:
        price = self.lot["usd_per_hour"]
        rate = None if price is None else Decimal(price) / int(self.lot["workers"])
        gpu = str(self.lot["gpu"])
        if not self.ledger.intend_machine(self.run, name, slot, rate, utc(), place="local", gpu=gpu):
            return
        offset = self.eye.header.shards * slot // int(self.lot["workers"])
        arguments = ["--store", self.output, "--run", self.run, "--offset", str(offset), "--heartbeat", "2"]
        if self.lot["threads"]:
            arguments += ["--threads", str(self.lot["threads"])]
        gpus = devices()
        device = gpus[slot % len(gpus)] if gpus else None
        try:
            handle = self.cloud.start(name, arguments, device)
        except Problem as problem:
            self.ledger.end_machine(name, MachineState.FAILED, utc(), str(problem))
            raise
        self.ledger.confirm_machine(name, handle, utc())

    def _tell(self, name: str, what: str, how: Callable[[str], None]) -> None:
        """Once is enough."""
        if (name, what) in self.told:
            return
        for machine in self.ledger.machines(self.run, {MachineState.UP}):
            if machine.name == name and machine.handle:
                self.told.add((name, what))
                self.ledger.stopping_machine(name, utc())
                how(machine.handle)

    def _glance(self, view: View, before: int) -> Glance:
        machines = self.ledger.machines(self.run)
        up = [m for m in machines if m.state in ALIVE]
        return Glance(
            progress=self.ledger.progress(self.run),
            workers=len(up),
            ready=sum(1 for m in up if m.ready),
            deaths=sum(1 for m in machines if m.state == MachineState.LOST),
            spent=view.spent,
            started=self.began,
            tokens_before=before,
            draining=self.draining,
        )

    def _why(self) -> Problem:
        """Why the last worker died, in its own words."""
        machines = self.ledger.machines(self.run)
        failed = [m for m in machines if m.state == MachineState.FAILED and not self._seen(m, 0).earlier]
        if failed:
            return Problem(
                f"the workers gave up: {failed[-1].reason}",
                hint=f"mend that, then: embedfleet resume {self.run}",
            )
        last = machines[-1]
        words = self.cloud.last_words(last.name).splitlines()
        return Problem(
            f"the workers die without finishing a shard ({last.reason}): {words[-1] if words else 'no last words'}",
            hint=f"read {self.cloud.log(last.name)}, mend it, then: embedfleet resume {self.run}",
        )

    @contextlib.contextmanager
    def _interruptible(self) -> Generator[None, None, None]:
        """Ctrl-C once: workers finish the shard in hand. Twice: they give it back and end. Three times: killed."""

        def on_interrupt(_number: int, _frame: FrameType | None) -> None:
            self.interrupts += 1
            self.draining = True

        old = {s: signal.signal(s, on_interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


class Busy(Problem):
    """Another launcher drives this run."""


@contextlib.contextmanager
def sole(folder: Path, run: str, patience: int = PATIENCE) -> Generator[None, None, None]:
    """Be the only launcher of this run in this ledger; the lock goes with the process.

    Raises:
        Busy: another launcher is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "launcher.lock").open("a+") as lock:
        for left in range(patience, -1, -1):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if not left:
                    lock.seek(0)
                    raise Busy(
                        f"run {run} is already being driven by process {lock.read().strip() or '?'}",
                        hint=f"embedfleet status {run} --watch",
                    ) from error
                time.sleep(0.1)  # `status` holds it for a moment
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
