"""Carry out a plan: observe, decide (`policy.step`), act, write down; again until every shard has a receipt.

An intent is in the ledger before the act that it describes, and every machine has a name that we chose: a launcher that
is killed between any two lines starts no machine twice and forgets none. It may die at any time; the machines need only
the store.
"""

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.budget import used_up_message
from launcher.errors import BudgetReached, Interrupted, Problem
from launcher.fleet import failure_messages
from launcher.fleet.budget.run_budget import RunBudget, run_prices
from launcher.fleet.interrupts import Interrupts
from launcher.fleet.launch_orders import LaunchOrders
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.placement import infra_of
from launcher.fleet.placement_failures import PlacementFailures
from launcher.fleet.policy import (
    HANG_TIMEOUT,
    FleetView,
    MachineView,
    Order,
    Start,
    group_given_up,
    is_out_of_money,
    is_stuck,
    step,
)
from launcher.fleet.progress import ProgressSnapshot, snapshot_of
from launcher.fleet.run_context import RunContext, track_machines
from launcher.fleet.states import ALIVE, Phase
from launcher.ledger.records import Machine, MachineState, RunState
from launcher.planning.plan_file import read_recorded
from launcher.planning.run_setup import run_setup_of
from launcher.throughput.calibration import record_first_minutes
from tasks.clock import utc
from tasks.protocol import control

TEARDOWN_TIMEOUT = timedelta(minutes=5)  # a rented machine may take this long to end after the last shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user and the plan set for one launch."""

    budget: Decimal | None = None  # the job's own; an agreed amount replaces it
    p90: Decimal | None = None  # dollars of the whole run, as planned
    tokens: float | None = None  # of the whole run, as planned
    detach: bool = False  # return once every machine was requested


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What the controller calls outside of itself."""

    watch: Callable[[ProgressSnapshot], None] = lambda _snapshot: None
    say: Callable[[str], None] = lambda _text: None
    record_prices: Callable[[datetime], None] = lambda _now: None  # of machines, while they live
    # Whether the providers confirm that no machine is there which this ledger does not know.
    all_gone: Callable[[], bool] = lambda: False
    # Check that no machine is left once all is over; the argument says whether the user wants no more waiting.
    await_teardown: Callable[[Callable[[], bool]], None] = lambda _hurried: None


@dataclass(slots=True)
class Controller:
    """One launcher that drives one run. The caller holds `run_lock`."""

    context: RunContext
    options: Options = field(default_factory=Options)
    callbacks: Callbacks = field(default_factory=Callbacks)
    interrupts: Interrupts = field(default_factory=Interrupts)
    began: datetime = field(default_factory=utc)
    finished: datetime | None = None
    told_to_drain: bool = False  # by `embedfleet stop`, through the store
    announced: set[int] = field(default_factory=set[int])  # groups that were reported as given up
    minutes_recorded: int = 0  # workers' first minutes that are in the ledger
    tracker: MachineTracker = field(init=False)
    failures: PlacementFailures = field(init=False)
    orders: LaunchOrders = field(init=False)
    money: RunBudget = field(init=False)

    def __post_init__(self) -> None:
        context = self.context
        self.money = RunBudget(
            ledger=context.ledger,
            store=context.store,
            run=context.run,
            prices=run_prices(context.groups, self.options.p90),
            job_budget=self.options.budget,
            backend=context.backend,
            all_gone=self.callbacks.all_gone,
        )
        self.tracker = track_machines(self.context)
        self.failures = PlacementFailures(self.context.ledger, self.context.run)
        self.orders = LaunchOrders(self.context)

    @property
    def draining(self) -> bool:
        """Whether machines finish their shards and end. The first Ctrl-C drains the workers of this machine."""
        told = self.told_to_drain or (self.interrupts.count > 0 and not self.context.rented)
        return told or self.money.held

    @property
    def leaving(self) -> bool:
        """Ctrl-C leaves rented machines to their work."""
        return self.context.rented and self.interrupts.count > 0

    def drive(self) -> str | None:
        """Drive the run until it is done, and return None; with `detach`, return a text on what goes on without us.

        Ctrl-C once: workers of this machine finish their shard. Twice: they give it back and end. Three times: they are
        killed. Rented machines are left to their work at the first, after the act under way.

        Raises:
            Interrupted: the user pressed Ctrl-C: workers of this machine have ended, rented machines work on.
            BudgetReached: the budget is used up, and all machines have ended.
            Problem: the machines die, and why.
        """
        with self.interrupts.counted(), self._reporting_left_machines():
            tokens_before = self._take_over()
            while True:
                view = self.observe()
                self.callbacks.watch(
                    snapshot_of(self.context, view, started=self.began, tokens_before=tokens_before)
                )
                alive = any(w.state in ALIVE for w in view.workers)
                if not alive and (self.context.observer.settled or self.draining):
                    break
                if is_stuck(view):
                    self._fail(view)
                self._announce_given_up(view)
                orders = self._announced([] if self.leaving else step(view, utc()))
                self.orders.carry_out(orders)
                if self.leaving:
                    raise Interrupted(self._detach(view), hint=failure_messages.next_steps(self.context.run))
                if self.options.detach and not any(isinstance(order, Start) for order in orders):
                    return f"{self._detach(view)}\n{failure_messages.next_steps(self.context.run)}"
                self.interrupts.pause(self.context.backend.poll_seconds)
            try:
                self._end(view)
            finally:
                self._await_teardown()
        return None

    def observe(self) -> FleetView:
        """Read the state of machines, shards and money; write what is new into the ledger."""
        context = self.context
        context.backend.refresh()
        context.observer.read_receipts()
        self.tracker.read_heartbeats()
        self.record_first_minutes()
        self.tracker.refresh_machines()
        self.callbacks.record_prices(utc())
        self.money.sync()
        context.observer.read_receipts()  # a worker signs before it ends: so no shard of a dead worker is missed
        if not self.told_to_drain:
            self._obey_command()
        if context.observer.settled and self.finished is None:
            self.finished = utc()
        machines = context.ledger.machines.of_run(context.run)
        self._record_placement_failures(machines)
        return self._view(machines)

    def _obey_command(self) -> None:
        """Drain where a command says so. One that is damaged is written again, or machines would drain in a while."""
        context = self.context
        command = control.read_command(context.store, context.run)
        if command is None:
            control.send(context.store, context.run, "go", utc())
            said = "the command to the machines was damaged and is written again"
            context.ledger.runs.record_event(context.run, "control", said, utc())
        elif command == "drain":
            self.told_to_drain = True
            context.ledger.runs.set_state(context.run, RunState.DRAINING, utc())

    def _announced(self, orders: Sequence[Order]) -> Sequence[Order]:
        """The orders without starts whose names another launcher has; what they start is written into the store.

        So other launchers and the machines know what comes before it costs anything.
        """
        allowed = [o for o in orders if not isinstance(o, Start) or self.money.claim(o.name)]
        self.money.sync([(o.name, o.group) for o in allowed if isinstance(o, Start)])
        return allowed

    def record_first_minutes(self) -> None:
        """Record the speed of workers' first minutes, each once: plans made while this run lasts use them."""
        context, minutes = self.context, list(self.context.observer.first_minutes.values())
        if len(minutes) > self.minutes_recorded:
            plan = read_recorded(context.ledger.runs.find(context.run).plan)
            record_first_minutes(context.ledger, context.run, run_setup_of(plan), minutes)
            self.minutes_recorded = len(minutes)

    def _take_over(self) -> int:
        """Learn what earlier launchers left, and set the run going; return the tokens that were done before."""
        context = self.context
        context.backend.refresh()
        self.tracker.resolve_intents()
        self.tracker.adopt()
        context.observer.load_known()
        context.observer.read_receipts()
        self.failures.load_known()
        self.money.take_over()
        if not context.observer.finished:
            control.send(context.store, context.run, "go", utc())  # an earlier command may have been "drain"
        tokens_before = context.ledger.shards.progress(context.run).tokens
        context.ledger.runs.set_state(context.run, RunState.RUNNING, self.began)
        return tokens_before

    def _record_placement_failures(self, machines: list[Machine]) -> None:
        for machine in machines:
            status = self.tracker.statuses.get(machine.name)
            group = self.context.rented_group_of(machine)
            if status and group:
                self.failures.record(machine, status, group.places, utc())

    def _view(self, machines: list[Machine]) -> FleetView:
        """What the policy decides by."""
        context = self.context
        progress = context.ledger.shards.progress(context.run)
        expected = progress.tokens_expected or self.options.tokens
        money = self.money.status()
        view = FleetView(
            run=context.run,
            groups=context.groups,
            workers=[self._machine_view(m) for m in machines],
            shards=progress.shards,
            # A shard whose receipt cannot be read is done to the workers, so no machine is rented for it.
            done=progress.shards_done + len(context.observer.unreadable_shards),
            draining=self.draining,
            spent=money.spent if money.complete or money.spent else None,
            committed=money.committed,
            budget=self.money.limit,
            finished=self.finished,
            interrupts=0 if context.rented else self.interrupts.count,
            tokens_left=None if expected is None else max(0.0, expected - progress.tokens),
            failures=self.failures.found,
            hang_timeout=TEARDOWN_TIMEOUT if context.rented else HANG_TIMEOUT,
            taken=self.money.taken,
        )
        self.money.held = self.money.held or is_out_of_money(view)
        return view

    def _machine_view(self, machine: Machine) -> MachineView:
        status = self.tracker.statuses.get(machine.name)
        group = self.context.rented_group_of(machine)
        phase = Phase.WAITING if self.context.rented else Phase.RUNNING
        if status and status.phase:
            phase = status.phase
        if self.orders.ordered_to_end(machine.name) and phase != Phase.FAILING:
            phase = Phase.ENDING  # but a failure counts before its slot gets another machine
        return MachineView(
            name=machine.name,
            slot=machine.slot,
            state=machine.state,
            ended=machine.ended,
            shards=self.tracker.shards_done(machine.name),
            earlier=self._ended_before(machine),
            group=machine.lot or 0,
            phase=phase,
            infra=infra_of(status.site, group.places) if status and status.site and group else None,
        )

    def _ended_before(self, machine: Machine) -> bool:
        """Whether a machine ended before this launch."""
        return machine.ended is not None and machine.ended < self.began

    def _announce_given_up(self, view: FleetView) -> None:
        """Say once that a group is given up, and why, with the end of a machine's log."""
        for group in view.groups:
            if group.number in self.announced or not group_given_up(view, group):
                continue
            self.announced.add(group.number)
            failure = failure_messages.last_failure(self.context, group)
            text = failure_messages.given_up_text(group, failure, view.spent)
            self.context.ledger.runs.record_event(self.context.run, "given up", text, utc())
            self.callbacks.say(f"{failure_messages.log_excerpt(self.context.backend, failure)}\n{text}")

    def _fail(self, view: FleetView) -> None:
        """End a run whose machines die without finishing a shard.

        Raises:
            Problem: always; it says why.
        """
        self._stop("the machines die")
        machines = self.context.ledger.machines.of_run(self.context.run, {MachineState.FAILED})
        failed = [m for m in machines if not self._ended_before(m)]
        if failed:
            self._announce_given_up(view)
        problem = failure_messages.no_progress(self.context, view, failed)
        self._await_teardown()
        raise problem

    def _end(self, view: FleetView) -> None:
        """Write down how the run ended.

        Raises:
            BudgetReached, Interrupted: it is not done.
        """
        context = self.context
        context.observer.record_lost_leases()
        if context.observer.finished:
            context.ledger.runs.set_state(context.run, RunState.DONE, utc())
            context.ledger.runs.record_event(context.run, "done", "every shard has a receipt", utc())
            return
        if context.observer.settled:
            self._stop("receipts cannot be read")
            raise failure_messages.unreadable_receipts(context.run, context.observer.unreadable)
        left = f"{failure_messages.shards_left(view)} are left"
        if self.money.held:
            self._stop("budget reached")
            raise BudgetReached(
                f"{used_up_message(view.budget, view.spent)}, {left}",
                hint=f"embedfleet resume {context.run} --budget DOLLARS goes on with a larger one",
            )
        self._stop("interrupted" if self.interrupts.count else "told to stop")
        what = "machine" if context.rented else "worker"
        raise Interrupted(f"stopped: {left}; no {what} runs", hint=f"embedfleet resume {context.run}")

    def _stop(self, reason: str) -> None:
        self.context.ledger.runs.set_state(self.context.run, RunState.STOPPED, utc())
        self.context.ledger.runs.record_event(self.context.run, "stopped", reason, utc())

    def _detach(self, view: FleetView) -> str:
        """Leave rented machines to their work, which needs no launcher; return what is left, and what it costs."""
        context = self.context
        running = failure_messages.left_running(context.ledger.machines.of_run(context.run, set(ALIVE)))
        context.ledger.runs.record_event(context.run, "detached", running, utc())
        self.money.sync(force=True)
        return f"{failure_messages.shards_left(view)} of run {context.run} are left; {running}"

    def _await_teardown(self) -> None:
        """Ask SkyPilot and the providers whether any machine is left; Ctrl-C cuts the waiting short."""
        before = self.interrupts.count
        self.callbacks.await_teardown(lambda: self.interrupts.count > before)
        self.money.sync(force=True)  # whoever takes the run over begins with this

    @contextlib.contextmanager
    def _reporting_left_machines(self) -> Generator[None, None, None]:
        """Add to an error that rented machines go on: an error of ours does not stop them."""
        try:
            yield
        except (Interrupted, BudgetReached):
            raise
        except Problem as problem:
            context = self.context
            up = len(context.ledger.machines.of_run(context.run, set(ALIVE))) if context.rented else 0
            if not up:
                raise
            context.ledger.runs.record_event(context.run, "left", str(problem), utc())
            raise Problem(
                f"{problem}; {up} machines of run {context.run} go on without this launcher",
                hint=f"{problem.hint}; then {failure_messages.next_steps(context.run)}",
            ) from problem
