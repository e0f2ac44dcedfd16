"""Carry out a plan: observe, decide (`policy.step`), act, write down; again until every shard has a receipt.

An intent is in the ledger before the act that it describes, and every machine has a name that we chose: a launcher that
is killed between any two lines starts no machine twice and forgets none. It may die at any time; the machines need only
the store.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.errors import Interrupted
from launcher.fleet import endings, failure_messages
from launcher.fleet.budget.run_budget import RunBudget, run_prices
from launcher.fleet.interrupts import Interrupts
from launcher.fleet.launch_orders import LaunchOrders
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.progress import ProgressSnapshot, snapshot_of, tokens_left_of
from launcher.fleet.provisioning.placement_failures import PlacementFailures
from launcher.fleet.run_context import RunContext, track_machines
from launcher.fleet.scheduling.fleet_view import HANG_TIMEOUT, FleetView, MachineView
from launcher.fleet.scheduling.placement import infra_of
from launcher.fleet.scheduling.policy import course, is_near_budget, is_out_of_money, is_stuck, step
from launcher.fleet.scheduling.slots import group_given_up
from launcher.fleet.scheduling.states import ALIVE, Phase
from launcher.fleet.steering.looks import Looks
from launcher.fleet.steering.run_steering import RunSteering
from launcher.ledger.records import Machine, MachineState, RunState
from launcher.planning.saved.plan_file import read_recorded
from launcher.planning.saved.run_setup import run_setup_of
from launcher.steering.orders import HAD_NONE, End, Order, Start
from launcher.throughput.calibration import record_first_minutes
from tasks.protocol.messages import control

TEARDOWN_TIMEOUT = timedelta(minutes=5)  # a rented machine may take this long to end after the last shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user and the plan set for one launch."""

    budget: Decimal | None = None  # the job's own; an agreed amount replaces it
    p90: Decimal | None = None  # dollars of the whole run, as planned
    tokens: int | None = None  # of the whole run, as planned
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
    steering: RunSteering | None = None  # None: the machines of the plan, whatever happens
    began: datetime = field(init=False)
    now: datetime = field(init=False)  # of this look: all that is learnt at one look has one moment
    finished: datetime | None = None
    told_to_drain: bool = False  # by `embedfleet stop`, through the store
    stop_reason: str = ""  # why steering ended the run for its budget
    drain_sent: bool = False  # to all rented machines of the run, by this launcher
    announced: set[int] = field(default_factory=set[int])  # groups that were reported as given up
    minutes_recorded: int = 0  # workers' first minutes that are in the ledger
    tracker: MachineTracker = field(init=False)
    failures: PlacementFailures = field(init=False)
    orders: LaunchOrders = field(init=False)
    looks: Looks = field(init=False)
    money: RunBudget = field(init=False)

    def __post_init__(self) -> None:
        context = self.context
        self.began = self.now = context.clock()
        self.money = RunBudget(
            ledger=context.ledger,
            store=context.store,
            run=context.run,
            prices=run_prices(context.groups, self.options.p90),
            job_budget=self.options.budget,
            backend=context.backend,
            all_gone=self.callbacks.all_gone,
            clock=context.clock,
            steered=self.steering is not None,
        )
        self.tracker = track_machines(self.context)
        self.tracker.clock = lambda: self.now
        self.failures = PlacementFailures(self.context.ledger, self.context.run)
        self.looks = Looks(context.ledger, context.run, context.backend.poll_seconds)
        self.orders = LaunchOrders(self.context, steered=self.steering is not None)

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
        with self.interrupts.counted(), endings.reporting_left_machines(self.context):
            self._take_over()
            while True:
                view = self.look()
                late = self.steering.late_seconds if self.steering else None
                expected = self.options.tokens
                self.callbacks.watch(
                    snapshot_of(self.context, view, self.now, expected=expected, late_seconds=late)
                )
                alive = any(w.state in ALIVE for w in view.workers)
                if not alive and (self.context.observer.settled or self.draining):
                    break
                if is_stuck(view):
                    self._fail(view)
                self._announce_given_up(view)
                orders = self._decide(view)
                if view.draining or self.draining or is_near_budget(view):
                    self._drain_run()
                self.orders.carry_out(orders)
                self._record_refusals(orders)
                if self.leaving:
                    raise Interrupted(self._leave(view), hint=failure_messages.next_steps(self.context.run))
                if self.options.detach and not any(isinstance(order, Start) for order in orders):
                    return f"{self._leave(view)}\n{failure_messages.next_steps(self.context.run)}"
                self.interrupts.pause(self.context.backend.poll_seconds)
            try:
                self.context.observer.record_lost_leases()
                self._end(view)
            finally:
                self._await_teardown()
        return None

    def look(self) -> FleetView:
        """Observe; once more where the laptop slept meanwhile, so that nothing old is decided by."""
        view = self.observe()
        return self.observe() if self.looks.is_stale(self.now, self.context.clock()) else view

    def observe(self) -> FleetView:
        """Read the state of machines, shards and money; write what is new into the ledger."""
        context = self.context
        context.backend.refresh()
        self.now = context.clock()
        self.looks.begin(self.now)
        context.observer.read_receipts()
        self.tracker.read_heartbeats()
        self.record_first_minutes()
        self.tracker.refresh_machines()
        self.callbacks.record_prices(self.now)
        self.money.sync()
        context.observer.read_receipts()  # a worker signs before it ends: so no shard of a dead worker is missed
        if not self.told_to_drain:
            self._obey_command()
        if context.observer.settled and self.finished is None:
            self.finished = self.now
        machines = context.ledger.machines.of_run(context.run)
        self._record_placement_failures(machines)
        if self.steering is not None:
            self.steering.observe(machines, self.tracker.statuses, self.now)
        return self._view(machines)

    def _obey_command(self) -> None:
        """Drain where a command says so. One that is damaged is written again, or machines would drain in a while."""
        context = self.context
        command = control.read_command(context.store, context.run)
        if command is None:
            control.send(context.store, context.run, "go", self.context.clock())
            said = "the command to the machines was damaged and is written again"
            context.ledger.runs.record_event(context.run, "control", said, self.context.clock())
        elif command == "drain":
            self.told_to_drain = True
            context.ledger.runs.set_state(context.run, RunState.DRAINING, self.context.clock())

    def _decide(self, view: FleetView) -> Sequence[Order]:
        """The orders of this look; what is steered is written down before any of them is carried out."""
        if self.leaving:
            return ()
        if self.steering is None:
            return self._announced(step(view, self.now))
        found = course(view, self.now)
        if found.stop:
            self.money.held, self.stop_reason = True, found.says
        orders = self._announced(found.orders)
        self.steering.record(found, orders, view.tokens_left)
        return orders

    def _drain_run(self) -> None:
        """Send rented machines the command to drain, once: those that come up later read it too."""
        if self.context.rented and not self.drain_sent:
            control.send(self.context.store, self.context.run, "drain", self.context.clock())
            self.drain_sent = True

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

    def _take_over(self) -> None:
        """Learn what earlier launchers left, and set the run going."""
        context = self.context
        context.backend.refresh()
        self.tracker.resolve_intents()
        self.tracker.adopt()
        context.observer.load_known()
        context.observer.read_receipts()
        self.failures.load_known()
        self.money.take_over()
        if self.steering is not None:
            self.orders.send_again()
        if not context.observer.finished:
            # an earlier command may have been "drain"
            control.send(context.store, context.run, "go", context.clock())
        context.ledger.runs.set_state(context.run, RunState.RUNNING, self.began)

    def _record_placement_failures(self, machines: list[Machine]) -> None:
        for machine in machines:
            status = self.tracker.statuses.get(machine.name)
            group = self.context.rented_group_of(machine)
            if status and group:
                self.failures.record(machine, status, group.places, self.now)

    def _record_refusals(self, orders: Sequence[Order]) -> None:
        """Record the places that had no machine for those that waited in vain."""
        names = {order.name for order in orders if isinstance(order, End) and order.why == HAD_NONE}
        if not names:
            return
        for machine in self.context.ledger.machines.of_run(self.context.run):
            group = self.context.rented_group_of(machine)
            if machine.name in names and group:
                self.failures.record_refusal(machine, group.places, self.now)

    def _view(self, machines: list[Machine]) -> FleetView:
        """What the policy decides by."""
        context = self.context
        progress = context.ledger.shards.progress(context.run)
        money = self.money.status()
        # A shard whose receipt cannot be read is done to the workers, so no machine is rented for it.
        done = progress.shards_done + len(context.observer.unreadable_shards)
        view = FleetView(
            run=context.run,
            groups=context.groups,
            workers=[self._machine_view(m) for m in machines],
            shards=progress.shards,
            done=done,
            draining=self.draining,
            spent=money.spent if money.complete or money.spent else None,
            committed=money.committed,
            budget=self.money.limit,
            finished=self.finished,
            interrupts=0 if context.rented else self.interrupts.count,
            tokens_left=tokens_left_of(progress, done, self.options.tokens),
            failures=self.failures.found,
            hang_timeout=TEARDOWN_TIMEOUT if context.rented else HANG_TIMEOUT,
            taken=self.money.taken,
        )
        # A steered run may use the whole budget: steering weighs each machine against it, and stops in time.
        self.money.held = self.money.held or (self.steering is None and is_out_of_money(view))
        if self.steering is None:
            return view
        minutes = list(context.observer.first_minutes.values())
        steering = self.steering.steering(machines, minutes, view.tokens_left, self.now)
        return replace(view, steering=steering, budget_pressure=self.steering.budget_pressure)

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
            requested=machine.intended if self.context.rented else None,
            up=status.up if status and status.phase not in (Phase.WAITING, Phase.RECOVERING) else None,
            refused=status is not None and status.refused,
            leaving=machine.stopping is not None,
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
            text = failure_messages.given_up_text(view, group, failure)
            self.context.ledger.runs.record_event(self.context.run, "given up", text, self.now)
            for line in (*failure_messages.log_excerpt(self.context.backend, failure).splitlines(), text):
                self.callbacks.say(line)

    def _fail(self, view: FleetView) -> None:
        """End a run whose machines die without finishing a shard.

        Raises:
            Problem: always; it says why.
        """
        machines = self.context.ledger.machines.of_run(self.context.run, {MachineState.FAILED})
        failed = [m for m in machines if not self._ended_before(m)]
        if failed:
            self._announce_given_up(view)
        problem = endings.no_machine_works(self.context, view, failed)
        self._await_teardown()
        raise problem

    def _end(self, view: FleetView) -> None:
        """Write down how the run ended.

        Raises:
            BudgetReached, Interrupted: it is not done.
            Problem: it is done but for receipts that cannot be read.
        """
        if self.context.observer.finished:
            endings.record_done(self.context)
        elif self.context.observer.settled:
            raise endings.unreadable(self.context)
        elif self.money.held:
            raise endings.out_of_budget(self.context, view, self.stop_reason)
        else:
            raise endings.stopped(self.context, view, by_user=self.interrupts.count > 0)

    def _leave(self, view: FleetView) -> str:
        """Leave rented machines to their work; return what is left, and what it costs."""
        text = endings.leave_running(self.context, view)
        self.money.sync(force=True)
        return text

    def _await_teardown(self) -> None:
        """Ask SkyPilot and the providers whether any machine is left; Ctrl-C cuts the waiting short."""
        before = self.interrupts.count
        self.callbacks.await_teardown(lambda: self.interrupts.count > before)
        self.money.sync(force=True)  # whoever takes the run over begins with this
