"""A provider of rented machines on a clock of its own: what it bills is what a run really cost.

Every laptop asks it through a backend of its own. Machines do what `tasks.supervisor` does with the store's messages:
they drain when the allowance is used up. Nothing else ends one but its launcher.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from launcher.costs.budget import BILLED_TEARDOWN
from launcher.costs.usage.metering import usd_for
from launcher.fleet.backends.base import LaunchRequest, MachineStatus
from launcher.fleet.budget.run_budget import RunBudget, run_prices
from launcher.fleet.launch_orders import LaunchOrders
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext, track_machines
from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.policy import course, is_out_of_money
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine, MachineState, Site
from launcher.steering.orders import Start
from launcher.steering.situation import Steering
from pricing.charges.billing_rules import billing_rule, is_free
from tasks.protocol.messages import allowance
from tasks.skypilot_task import Place
from tasks.stores.memory import MemoryStore
from tests.support.runs import NOON, Clock, header_of

RUN = "run-1"
BOOT = timedelta(seconds=40)  # from the request until it is billed
PRICE = Decimal("3.60")  # an hour: a cent in ten seconds
PLACE = Place("aws", "us-east-1", None, "g6.xlarge", PRICE)


@dataclass(slots=True)
class RentedMachine:
    """A machine as its provider bills it, once or several times."""

    up: datetime
    lives: list[tuple[datetime, datetime]] = field(default_factory=list[tuple[datetime, datetime]])  # over
    free: timedelta = timedelta(0)  # of these lives, what the cloud does not bill
    ended: datetime | None = None

    def preempt(self, now: datetime) -> None:
        """Take it away, and bring it up again after a while."""
        if self.ended is None and self.up < now:
            self.lives.append((self.up, now))
            if is_free(now - self.up, billing_rule(PLACE.cloud), spot=True, preempted=True):
                self.free += now - self.up
            self.up = now + BOOT

    def end(self, now: datetime) -> None:
        """End it; it is billed while it is taken down."""
        if self.ended is None:
            self.ended = max(now, self.up) if self.up <= now else self.up
            if self.up < self.ended:
                self.lives.append((self.up, self.ended + BILLED_TEARDOWN))

    def usd(self, now: datetime) -> Decimal:
        """What it has cost."""
        spans = [*self.lives, *([] if self.ended else [(self.up, max(self.up, now))])]
        return sum((usd_for(end - start, PRICE) for start, end in spans), Decimal(0)) - usd_for(
            self.free, PRICE
        )


class Provider:
    """All machines of a run, from whichever laptop, and the clock of everybody."""

    def __init__(self, start: datetime = NOON) -> None:
        self.clock = Clock(start)
        self.store = MemoryStore(self.clock)
        self.machines: dict[str, RentedMachine] = {}

    def usd(self) -> Decimal:
        return sum((machine.usd(self.clock.now) for machine in self.machines.values()), Decimal(0))

    def seconds(self) -> float:
        """A monotonic clock."""
        return self.clock.now.timestamp()

    def living(self) -> list[str]:
        return [name for name, machine in self.machines.items() if machine.ended is None]

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, in steps in which machines look at their allowance."""
        left = seconds
        while left > 0:
            self.clock.pass_seconds(min(60.0, left))
            left -= 60.0
            until = allowance.seconds_left(self.store, RUN)
            for machine in self.machines.values():
                if until is not None and until <= 0:
                    machine.end(self.clock.now)


class ProviderBackend:
    """One laptop's view of the provider."""

    poll_seconds = 10.0

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def refresh(self) -> None:
        """Nothing to do."""

    def start(self, requests: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        for one in requests:
            before = self.provider.machines.get(one.name)
            assert before is None or before.ended is None, f"{one.name} was a machine before"
            self.provider.machines.setdefault(one.name, RentedMachine(self.provider.clock.now + BOOT))
        return {one.name: f"7:{one.name}" for one in requests}

    def find(self, name: str) -> str | None:
        return f"7:{name}" if name in self.provider.living() else None

    def list_alive(self) -> dict[str, str]:
        return {name: f"7:{name}" for name in self.provider.living()}

    def status(self, handle: str) -> MachineStatus | None:
        return self.last_status(handle.partition(":")[2])

    def last_status(self, name: str) -> MachineStatus | None:
        machine = self.provider.machines.get(name)
        if machine is None:
            return None
        site = Site("aws", "us-east-1", None, "spot")
        up = machine.up if machine.up <= self.provider.clock.now else None
        if machine.ended is not None:
            started = machine.lives[-1][0] if machine.lives else None
            life = max(0, len(machine.lives) - 1)
            return MachineStatus(
                None,
                MachineState.STOPPED,
                reason="it ended",
                ended=machine.ended,
                up=started,
                life=life,
                site=site,
            )
        phase = Phase.RUNNING if up else Phase.RECOVERING if machine.lives else Phase.WAITING
        life = len(machine.lives) - (1 if phase == Phase.RECOVERING else 0)
        if phase == Phase.RECOVERING:
            return MachineStatus(phase, life=life, site=site, up=machine.lives[-1][0])
        return MachineStatus(phase, life=life, site=site, up=up)

    def drain(self, handles: Sequence[str]) -> None:
        for handle in handles:
            self.provider.machines[handle.partition(":")[2]].end(self.provider.clock.now)

    terminate = drain
    kill = drain

    def price(self, site: Site, instance_type: str | None) -> Decimal | None:
        del site, instance_type
        return PRICE

    def blamed_leases(self, name: str, handle: str, exit_code: int | None) -> Mapping[str, str]:
        del name, handle, exit_code
        return {}

    def log_tail(self, name: str) -> str:
        return f"nothing of {name}"

    def log_path(self, name: str) -> Path:
        return Path(name)

    def clean_up(self, name: str) -> None:
        """Nothing was kept."""


class Laptop:
    """A launcher with a ledger of its own. `poll` is one turn of the controller's loop, without its waiting."""

    def __init__(
        self,
        provider: Provider,
        folder: Path,
        budget: Decimal | None,
        machines: int = 2,
        *,
        steering: Steering | None = None,
    ) -> None:
        self.provider, self.folder, self.budget, self.steering = provider, folder, budget, steering
        self.group = FleetGroup(
            0,
            machines,
            f"{RUN}-l0m",
            (PLACE,),
            (machines,),
            gpu="L4",
            gpus=1.0,
            purchase="spot",
            cold_start=BOOT.total_seconds(),
            tokens_per_second=1_000.0 if steering else None,
        )
        self.ledgers = 0
        self.ledger: Ledger
        self.lose_ledger()

    def lose_ledger(self) -> None:
        """Begin with an empty ledger, as after `ledger rebuild` of a run whose workers wrote nothing yet."""
        if self.ledgers:
            self.ledger.close()
        self.ledgers += 1
        self.ledger = Ledger.open(self.folder / f"{self.ledgers}.db")
        self.ledger.runs.create(RUN, "reviews", "{}", "d", "out", NOON)
        self.restart()

    def restart(self) -> None:
        """A new launcher takes over what there is."""
        observer = StoreObserver(self.provider.store, self.ledger, header_of("in", 1000))
        self.context = RunContext(
            ledger=self.ledger,
            observer=observer,
            backend=ProviderBackend(self.provider),
            groups=(self.group,),
        )
        self.tracker: MachineTracker = track_machines(self.context)
        self.tracker.clock = self.provider.clock
        self.orders = LaunchOrders(self.context, steered=self.steering is not None)
        self.money = RunBudget(
            ledger=self.ledger,
            store=self.provider.store,
            run=RUN,
            prices=run_prices((self.group,), None),
            job_budget=self.budget,
            backend=self.context.backend,
            clock=self.provider.clock,
            monotonic=self.provider.seconds,
            steered=self.steering is not None,
        )
        self.taken_over = False

    def poll(self) -> None:
        """Observe, decide, write down, act: the order of `Controller.drive`."""
        if not self.taken_over:
            self.tracker.resolve_intents()
            self.tracker.adopt()
            self.tracker.refresh_machines()
            self.money.take_over()
            if self.steering is not None:
                self.orders.send_again()
            self.taken_over = True
        self.tracker.refresh_machines()
        self.money.sync()
        money = self.money.status()
        machines = self.ledger.machines.of_run(RUN)
        view = FleetView(
            run=RUN,
            groups=(self.group,),
            workers=[self._machine(m) for m in machines],
            shards=1000,
            done=0,
            draining=self.money.held,
            spent=money.spent,
            committed=money.committed,
            budget=self.money.limit,
            taken=self.money.taken,
            tokens_left=None if self.steering is None else 1e9,
            steering=self.steering,
        )
        self.money.held = self.money.held or (self.steering is None and is_out_of_money(view))
        found = course(view, self.provider.clock.now)
        self.money.held = self.money.held or found.stop
        orders = [
            order for order in found.orders if not isinstance(order, Start) or self.money.claim(order.name)
        ]
        self.money.sync([(o.name, o.group) for o in orders if isinstance(o, Start)])
        self.orders.carry_out(orders)

    def _machine(self, machine: Machine) -> MachineView:
        """A machine as the policy sees it; what is steered is seen as it comes up."""
        if self.steering is None:
            return MachineView(
                machine.name, machine.slot, machine.state, machine.ended, shards=1, phase=Phase.RUNNING
            )
        status = self.tracker.statuses.get(machine.name)
        phase = status.phase if status and status.phase else Phase.WAITING
        ending = self.orders.ordered_to_end(machine.name)
        return MachineView(
            machine.name,
            machine.slot,
            machine.state,
            machine.ended,
            shards=int(phase == Phase.RUNNING),
            phase=Phase.ENDING if ending else phase,
            requested=machine.intended,
            up=status.up if status and phase == Phase.RUNNING else None,
            leaving=machine.stopping is not None,
        )
