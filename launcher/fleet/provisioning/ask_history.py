"""What places answered when machines were asked for: written into the ledger, and read back as steering's answers.

A request is written down before it is made. All that is learnt at one look has the moment of that look, so that a place
which takes forty machines at once has fallen once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.placement import infra_of
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Life, LifeEnd, Machine, MachineState
from launcher.ledger.steering_records import Ask, AskAnswer
from launcher.steering.orders import HAD_NONE, End, Order, Start
from launcher.steering.situation import Answer, AnswerKind, PlaceKey

SOURCE = "backend"  # of an answer that the machine's backend gave
NO_ANSWER = "no answer in time"
ELSEWHERE = "it came in another place"


@dataclass(slots=True)
class AskHistory:
    """The requests of one run. Recording the same again changes nothing."""

    ledger: Ledger
    run: str
    groups: Mapping[int, FleetGroup]

    def record_starts(self, orders: Iterable[Order], now: datetime) -> None:
        """Write requests for rented machines down, before they are made."""
        asks = [
            self._ask(order.name, self.groups[order.group], order.places[0].infra, now)
            for order in orders
            if isinstance(order, Start) and order.places and order.group in self.groups
        ]
        if asks:
            self.ledger.steering.record_asks(self.run, asks)

    def record_orders(self, orders: Iterable[Order], now: datetime) -> None:
        """Close requests that are taken back: their place had none, or we wanted the machine no more."""
        for order in orders:
            if not isinstance(order, Start):
                none = isinstance(order, End) and order.why == HAD_NONE
                answer = AskAnswer.NONE if none else AskAnswer.CANCELLED
                self.ledger.steering.answer(order.name, answer, now, NO_ANSWER if none else "ordered to end")

    def observe(
        self, machines: Sequence[Machine], statuses: Mapping[str, MachineStatus], now: datetime
    ) -> None:
        """Write down what backends answered since the last look."""
        unanswered = {ask.machine: ask for ask in self.ledger.steering.asks(self.run) if ask.answer is None}
        for machine in machines:
            ask, status = unanswered.get(machine.name), statuses.get(machine.name)
            if ask is None:
                continue
            found = _answer(ask, machine, status, self.groups.get(machine.lot or 0))
            if found is not None:
                self.ledger.steering.answer(machine.name, found[0], now, found[1])

    def answers(self, machines: Sequence[Machine]) -> list[Answer]:
        """All answers of the run, the oldest first."""
        return answers_of(self.ledger.steering.asks(self.run), machines, self.ledger.machines.lives(self.run))

    def _ask(self, machine: str, group: FleetGroup, place: str, now: datetime) -> Ask:
        return Ask(
            machine=machine,
            at=now,
            place=place,
            purchase=group.purchase or "",
            gpu=group.gpu,
            instance_type=group.places[0].instance_type,
            count=1,
        )


def _answer(
    ask: Ask, machine: Machine, status: MachineStatus | None, group: FleetGroup | None
) -> tuple[AskAnswer, str] | None:
    """The answer to a request by what is known of its machine; None: there is none yet."""
    if status is not None and status.came:
        where = infra_of(status.site, group.places) if status.site and group else None
        return (AskAnswer.NONE, ELSEWHERE) if where not in (None, ask.place) else (AskAnswer.CAME, SOURCE)
    if machine.ready is not None:
        return AskAnswer.CAME, SOURCE
    if status is not None and status.refused:
        return AskAnswer.NONE, SOURCE
    if machine.state in (MachineState.STOPPED, MachineState.FAILED, MachineState.LOST):
        return AskAnswer.CANCELLED, machine.reason or "it ended"
    return None


def answers_of(asks: Sequence[Ask], machines: Sequence[Machine], lives: Sequence[Life]) -> list[Answer]:
    """Steering's answers, the oldest first: one for each kind of answer of each place at each moment. Pure."""
    keys: dict[str, PlaceKey] = {ask.machine: (ask.place, ask.gpu, ask.purchase) for ask in asks}
    counts: dict[tuple[datetime, PlaceKey], dict[AnswerKind, int]] = defaultdict(lambda: defaultdict(int))
    changes: list[tuple[datetime, PlaceKey, int]] = []
    came: set[str] = set()
    for ask in asks:
        if ask.answered is None or ask.answer not in (AskAnswer.CAME, AskAnswer.NONE):
            continue
        if ask.answer == AskAnswer.CAME:
            came.add(ask.machine)
            changes.append((ask.answered, keys[ask.machine], ask.count))
            counts[ask.answered, keys[ask.machine]][AnswerKind.CAME] += ask.count
        else:
            counts[ask.answered, keys[ask.machine]][AnswerKind.NONE] += ask.count
    lived: set[str] = set()
    for life in lives:
        if life.machine not in came:
            continue
        lived.add(life.machine)
        if life.number:
            changes.append((life.up, keys[life.machine], 1))
        if life.ended is not None:
            changes.append((life.ended, keys[life.machine], -1))
            if life.how == LifeEnd.PREEMPTED:
                counts[life.ended, keys[life.machine]][AnswerKind.TAKEN] += 1
    changes += [
        (machine.ended, keys[machine.name], -1)
        for machine in machines
        if machine.ended is not None and machine.name in came - lived
    ]
    moments = sorted(counts)
    held = _held_at(moments, changes)
    return [
        Answer(*key, at=at, what=what, count=count, held=held[at, key])
        for at, key in moments
        for what, count in counts[at, key].items()
    ]


def _held_at(
    moments: Sequence[tuple[datetime, PlaceKey]], changes: Iterable[tuple[datetime, PlaceKey, int]]
) -> dict[tuple[datetime, PlaceKey], int]:
    """Machines that a place holds directly after each of these moments, which are in order."""
    held: dict[PlaceKey, int] = defaultdict(int)
    found: dict[tuple[datetime, PlaceKey], int] = {}
    left = sorted(changes, reverse=True)
    for at, key in moments:
        while left and left[-1][0] <= at:
            _, place, change = left.pop()
            held[place] += change
        found[at, key] = max(0, held[key])
    return found
