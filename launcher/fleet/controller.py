"""Carry a plan out: observe -> `fleet.step` -> orders -> act -> write down, again, until every shard has a receipt.

An intent is in the ledger before the act it describes, and every machine has a name we chose: a launcher killed
between any two lines starts none twice and forgets none. It may die at any time; the machines need only the store.
"""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import FrameType

from launcher.costs.run_costs import standing_of
from launcher.errors import BudgetReached, Interrupted, Problem
from launcher.fleet.backends.base import Backend, LaunchRequest
from launcher.fleet.failure_messages import dollars, next_steps
from launcher.fleet.machine_price import place_of, varies_by_zone
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.monitoring.worker_tracker import WorkerTracker
from launcher.fleet.placement import infra_of
from launcher.fleet.placement_failures import PlacementFailures
from launcher.fleet.policy import (
    Drain,
    End,
    FleetGroup,
    FleetView,
    Kill,
    MachineView,
    Order,
    Start,
    group_given_up,
    is_near_budget,
    is_stuck,
    step,
)
from launcher.fleet.progress import ProgressSnapshot, count_pending
from launcher.fleet.states import ALIVE, Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import HERE, Machine, MachineState, RunState, Site
from launcher.throughput.calibration import first_minutes
from launcher.throughput.local_machine import devices
from tasks.clock import utc
from tasks.protocol import control

TEARDOWN_TIMEOUT = timedelta(minutes=5)  # that a rented machine may take to go after the last shard
INTERRUPT_POLL_SECONDS = 0.2  # seconds: how soon Ctrl-C is heard between two looks


@dataclass(slots=True)
class Controller:
    """One launcher at work on one run. `lots` are the plan's: one of this machine, or those that are rented.

    `follow` learns what machines cost while they live, and `prove`, once all is over, that none of them is left.
    """

    ledger: Ledger
    eye: StoreObserver
    cloud: Backend
    lots: tuple[FleetGroup, ...]
    budget: Decimal | None
    watch: Callable[[ProgressSnapshot], None]
    say: Callable[[str], None] = lambda _text: None
    tokens: float | None = None  # of the whole run, as planned
    detach: bool = False  # leave once every machine was asked for
    follow: Callable[[datetime], None] = lambda _now: None
    prove: Callable[[Callable[[], bool]], None] = lambda _hurried: None
    draining: bool = False
    interrupts: int = 0
    began: datetime = field(default_factory=utc)
    finished: datetime | None = None
    told: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    census: MachineTracker = field(init=False)
    troubles: PlacementFailures = field(init=False)
    abandoned: set[int] = field(default_factory=set[int])  # lots that were given up, once it was said
    minutes: int = 0  # first minutes of workers that are in the ledger

    def __post_init__(self) -> None:
        crew = WorkerTracker(self.eye) if self.rented else None
        self.census = MachineTracker(self.ledger, self.eye, self.cloud, self._price, self._whole, crew)
        self.troubles = PlacementFailures(self.ledger, self.run)

    @property
    def run(self) -> str:
        return self.eye.run

    @property
    def rented(self) -> bool:
        return any(lot.rented for lot in self.lots)

    def go(self) -> str | None:
        """Drive until the run is done: None; or, told to detach, until all machines were asked for: what goes on.

        Raises:
            Interrupted: the user pressed Ctrl-C: workers of this machine have ended, rented machines work on.
            BudgetReached: the budget is used up, and all machines have ended.
            Problem: the machines die, and why.
        """
        with self._interruptible(), self._alone():
            self.cloud.refresh()
            self.census.resolve_intents()
            self._welcome()
            self.eye.load_known()
            self.eye.read_receipts()
            self.troubles.recall()
            if not self.eye.finished:
                control.send(self.eye.store, self.run, "go", utc())  # it may have been told to drain before
            before = self.ledger.progress(self.run).tokens
            self.ledger.set_run_state(self.run, RunState.RUNNING, self.began)
            while True:
                view = self.observe()
                self.watch(self._glance(view, before))
                alive = [w for w in view.workers if w.state in ALIVE]
                if not alive and (self.eye.finished or self.draining or is_near_budget(view)):
                    break
                if is_stuck(view):
                    self._stop("the machines die")
                    problem = self._why(view)
                    self._prove()
                    raise problem
                self._mourn(view)
                orders = [] if self._leaving else step(view, utc())
                self._act(orders)
                if self._leaving or (self.detach and not any(isinstance(order, Start) for order in orders)):
                    return self._leave(view)
                self._pause()
            try:
                self._end(view)
            finally:
                self._prove()
        return None

    def _prove(self) -> None:
        """No machine is believed to be left: ask those who send the bill. Ctrl-C cuts the waiting short."""
        before = self.interrupts
        self.prove(lambda: self.interrupts > before)

    def _welcome(self) -> None:
        """Machines of this run that this ledger does not know: another laptop's, or of a ledger that was lost."""
        known = {m.name for m in self.ledger.machines(self.run)}
        for name, handle in self.cloud.list_alive().items():
            lot = next((lot for lot in self.lots if name.startswith(lot.name)), None)
            slot = name[len(lot.name) :].partition("-")[0] if lot else ""
            if name in known or lot is None or not slot.isdigit():
                continue
            sight = self.cloud.status(handle)
            site = (sight.site if sight else None) or Site(lot.places[0].cloud)
            self.ledger.intend_machine(
                self.run,
                name,
                int(slot),
                self._price_in(lot, site),
                utc(),
                gpu=lot.gpu,
                lot=lot.number,
                site=site,
            )
            self.ledger.confirm_machine(name, handle, utc())
            self.ledger.note(self.run, "adopted", f"{name}, which this ledger did not know", utc())

    def _end(self, view: FleetView) -> None:
        self.eye.record_lost_leases()
        if self.eye.finished:
            self.ledger.set_run_state(self.run, RunState.DONE, utc())
            self.ledger.note(self.run, "done", "every shard has a receipt", utc())
            return
        left = f"{view.shards - view.done} of {view.shards} shards are left"
        if is_near_budget(view):
            self._stop("budget reached")
            raise BudgetReached(
                f"the budget of ${view.budget} is used up: ${view.spent:.4f} spent, {left}",
                hint=f"embedfleet resume {self.run} --budget DOLLARS goes on with a larger one",
            )
        self._stop("interrupted" if self.interrupts else "told to stop")
        what = "machine" if self.rented else "worker"
        raise Interrupted(f"stopped: {left}; no {what} runs", hint=f"embedfleet resume {self.run}")

    @property
    def _leaving(self) -> bool:
        return self.rented and self.interrupts > 0

    def _leave(self, view: FleetView) -> str:
        """Rented machines need no launcher: leave them to their work.

        Raises:
            Interrupted: after Ctrl-C, which starts and ends no machine.
        """
        machines = self.ledger.machines(self.run, set(ALIVE))
        hourly = [m.usd_per_hour for m in machines]
        cost = "$?" if None in hourly else f"${sum((p for p in hourly if p is not None), Decimal(0)):.2f}"
        words = f"{len(machines)} machines go on without this launcher, at {cost} an hour when all are up"
        self.ledger.note(self.run, "detached", words, utc())
        left = f"{view.shards - view.done} of {view.shards} shards of run {self.run} are left; {words}"
        if self._leaving:
            raise Interrupted(left, hint=next_steps(self.run))
        return f"{left}\n{next_steps(self.run)}"

    def _mourn(self, view: FleetView) -> None:
        """Say once that a lot is given up, and why, in its machines' own words."""
        for lot in view.groups:
            if lot.number not in self.abandoned and group_given_up(view, lot):
                self.abandoned.add(lot.number)
                last = [
                    m
                    for m in self.ledger.machines(self.run)
                    if m.lot == lot.number and m.state == MachineState.FAILED
                ][-1]
                words = self.cloud.log_tail(last.name)
                text = f"lot {lot.number} ({lot.slots} x {lot.gpu}) is given up: {last.reason}; {dollars(view.spent)} spent"
                self.ledger.note(self.run, "given up", text, utc())
                self.say(
                    "\n".join(
                        [f"{last.name} said last:", *(f"  {line}" for line in words.splitlines()), text]
                    )
                )

    def _stop(self, reason: str) -> None:
        self.ledger.set_run_state(self.run, RunState.STOPPED, utc())
        self.ledger.note(self.run, "stopped", reason, utc())

    def observe(self) -> FleetView:
        self.cloud.refresh()
        self.eye.read_receipts()
        self.census.read_heartbeats()
        self.learn()
        self.census.refresh_machines()
        self.follow(utc())
        self.eye.read_receipts()  # a worker signs before it ends: no shard of a dead one is missed
        if not self.draining and control.read_command(self.eye.store, self.run) == "drain":
            self.draining = True
            self.ledger.set_run_state(self.run, RunState.DRAINING, utc())
        if self.eye.finished and self.finished is None:
            self.finished = utc()
        progress = self.ledger.progress(self.run)
        machines = self.ledger.machines(self.run)
        for machine in machines:
            sight, lot = self.census.statuses.get(machine.name), self._lot(machine)
            if sight and lot:
                self.troubles.learn(machine, sight, lot.places, utc())
        expected = progress.tokens_expected or self.tokens
        money = standing_of(self.ledger, self.run, utc())
        return FleetView(
            run=self.run,
            groups=self.lots,
            workers=[self._seen(m) for m in machines],
            shards=progress.shards,
            done=progress.shards_done,
            draining=self.draining,
            spent=money.spent if money.whole or money.spent else None,
            committed=money.committed,
            budget=self.budget,
            finished=self.finished,
            interrupts=0 if self.rented else self.interrupts,
            tokens_left=None if expected is None else max(0.0, expected - progress.tokens),
            failures=self.troubles.found,
            **({"hang_timeout": TEARDOWN_TIMEOUT} if self.rented else {}),
        )

    def learn(self) -> None:
        """Workers' first minutes, each once: a plan that is made while this run lasts goes by them."""
        minutes = list(self.eye.first_minutes.values())
        if len(minutes) > self.minutes:
            first_minutes(self.ledger, self.run, json.loads(self.ledger.find(self.run).plan), minutes)
            self.minutes = len(minutes)

    def _seen(self, machine: Machine) -> MachineView:
        earlier = machine.ended is not None and machine.ended < self.began
        sight, lot = self.census.statuses.get(machine.name), self._lot(machine)
        phase = sight.phase if sight and sight.phase else Phase.WAITING if self.rented else Phase.RUNNING
        told = (machine.name, "end") in self.told or (machine.name, "kill") in self.told
        if told and phase != Phase.FAILING:  # why it failed counts before its slot has another
            phase = Phase.ENDING
        return MachineView(
            machine.name,
            machine.slot,
            machine.state,
            machine.ended,
            self.census.shards_done(machine.name),
            earlier,
            machine.lot or 0,
            phase,
            infra_of(sight.site, lot.places) if sight and sight.site and lot else None,
        )

    def _lot(self, machine: Machine) -> FleetGroup | None:
        return next((lot for lot in self.lots if lot.rented and lot.number == machine.lot), None)

    def _whole(self, machine: Machine, site: Site) -> Site:
        """SkyPilot tells where a machine is; what it is was asked for with its lot."""
        lot = self._lot(machine)
        if lot is None:
            return site
        place = place_of(site, lot.places)
        kind = site.instance_type or (place.instance_type if place else None)
        return replace(site, instance_type=kind, gpus=lot.gpus, disk_gb=lot.disk_gb)

    def _price(self, machine: Machine, site: Site) -> Decimal | None:
        """What an hour costs where a machine came up.

        As the plan has it; but a plan has one price for a region, of its cheapest zone, and spot differs by zone.
        """
        lot = self._lot(machine)
        if lot is None:
            return None
        place = place_of(site, lot.places)
        seen = self.cloud.price(site, place.instance_type) if place and varies_by_zone(site, place) else None
        return self._price_in(lot, site) if seen is None else seen

    def _price_in(self, lot: FleetGroup, site: Site) -> Decimal | None:
        place = place_of(site, lot.places)
        return place.usd_per_hour if place else None

    def _act(self, orders: Sequence[Order]) -> None:
        self._start([self._ask(o) for o in orders if isinstance(o, Start) and self._intend(o)])
        for kind, what, how in (
            (Drain, "drain", self.cloud.drain),
            (End, "end", self.cloud.terminate),
            (Kill, "kill", self.cloud.kill),
        ):
            self._tell([o.name for o in orders if isinstance(o, kind)], what, how)

    def _intend(self, order: Start) -> bool:
        """Written down before the act."""
        lot = next(lot for lot in self.lots if lot.number == order.lot)
        if not order.places:
            return self.ledger.intend_machine(
                self.run,
                order.name,
                order.slot,
                lot.usd_per_hour,
                utc(),
                place="local",
                gpu=lot.gpu,
                site=HERE,
            )
        first = order.places[0]
        zone = first.zone if first.zone and first.infra.endswith(f"/{first.zone}") else None
        site = Site(first.cloud, first.region, zone, lot.purchase, first.instance_type, lot.gpus, lot.disk_gb)
        usd = first.usd_per_hour if first.usd_per_hour is not None else lot.usd_per_hour
        return self.ledger.intend_machine(
            self.run, order.name, order.slot, usd, utc(), gpu=lot.gpu, lot=lot.number, site=site
        )

    def _ask(self, order: Start) -> LaunchRequest:
        """Each machine begins its walk over the shards at its own place."""
        before = sum(lot.slots * lot.workers for lot in self.lots if lot.number < order.lot)
        workers = next(lot.workers for lot in self.lots if lot.number == order.lot)
        total = sum(lot.slots * lot.workers for lot in self.lots)
        offset = self.eye.header.shards * (before + order.slot * workers) // total
        gpus = [] if order.places else devices()
        return LaunchRequest(
            order.name, offset, gpus[order.slot % len(gpus)] if gpus else None, order.lot, order.places
        )

    def _start(self, asks: Sequence[LaunchRequest]) -> None:
        """Start what was intended.

        Raises:
            Problem: one of them could not be started.
        """
        if not asks:
            return
        handles = self.cloud.start(asks)
        for name, handle in handles.items():
            if isinstance(handle, str):
                self.ledger.confirm_machine(name, handle, utc())
            else:
                self.ledger.end_machine(name, MachineState.FAILED, utc(), str(handle))
        failed = next((handle for handle in handles.values() if isinstance(handle, Exception)), None)
        if failed is not None:
            raise failed

    def _tell(self, names: Sequence[str], what: str, how: Callable[[Sequence[str]], None]) -> None:
        """Once is enough."""
        fresh = [name for name in names if (name, what) not in self.told]
        if not fresh:
            return
        handles = {m.name: m.handle for m in self.ledger.machines(self.run, {MachineState.UP}) if m.handle}
        known = [name for name in fresh if name in handles]
        for name in known:
            self.told.add((name, what))
            self.ledger.stopping_machine(name, utc())
        if known:
            how([handles[name] for name in known])

    def _pause(self) -> None:
        end, before = time.monotonic() + self.cloud.poll_seconds, self.interrupts
        while (left := end - time.monotonic()) > 0 and self.interrupts == before:
            time.sleep(min(INTERRUPT_POLL_SECONDS, left))

    def _glance(self, view: FleetView, before: int) -> ProgressSnapshot:
        machines = self.ledger.machines(self.run)
        up = [m for m in machines if m.state in ALIVE]
        phases = [w.phase for w in view.workers if w.state in ALIVE]
        return ProgressSnapshot(
            progress=self.ledger.progress(self.run),
            workers=len(up),
            ready=sum(1 for m in up if m.ready),
            deaths=sum(1 for m in machines if m.state == MachineState.LOST),
            spent=view.spent,
            started=self.began,
            tokens_before=before,
            draining=self.draining,
            rented=self.rented,
            coming=count_pending(view.workers, {m.name for m in up if m.ready}),
            recovering=phases.count(Phase.RECOVERING),
        )

    def _why(self, view: FleetView) -> Problem:
        """Why the last machine died, in its own words."""
        machines = self.ledger.machines(self.run)
        failed = [m for m in machines if m.state == MachineState.FAILED and not self._seen(m).earlier]
        what = "machines" if self.rented else "workers"
        spent = f"; {dollars(view.spent)} spent" if self.rented else ""
        if failed:
            self._mourn(view)
            return Problem(
                f"the {what} gave up: {failed[-1].reason}{spent}",
                hint=f"mend that, then: embedfleet resume {self.run}",
            )
        last = machines[-1]
        words = self.cloud.log_tail(last.name).splitlines()
        said = words[-1] if words else "no last words"
        return Problem(
            f"the {what} die without finishing a shard ({last.reason}): {said}{spent}",
            hint=f"read {self.cloud.log_path(last.name)}, mend it, then: embedfleet resume {self.run}",
        )

    @contextlib.contextmanager
    def _alone(self) -> Generator[None, None, None]:
        """Whatever stops us does not stop rented machines: say so with it."""
        try:
            yield
        except (Interrupted, BudgetReached):
            raise
        except Problem as problem:
            up = len(self.ledger.machines(self.run, set(ALIVE))) if self.rented else 0
            if not up:
                raise
            self.ledger.note(self.run, "left", str(problem), utc())
            raise Problem(
                f"{problem}; {up} machines of run {self.run} go on without this launcher",
                hint=f"{problem.hint}; then {next_steps(self.run)}",
            ) from problem

    @contextlib.contextmanager
    def _interruptible(self) -> Generator[None, None, None]:
        """Ctrl-C once: workers here finish the shard in hand. Twice: they give it back and end. Three times: killed.

        Rented machines are left to their work at the first, after the act in hand.
        """

        def on_interrupt(_number: int, _frame: FrameType | None) -> None:
            self.interrupts += 1
            self.draining = self.draining or not self.rented

        old = {s: signal.signal(s, on_interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
