"""What places answered: recorded once, with one moment for all that is learnt at one look."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.provisioning.ask_history import AskHistory, answers_of
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, MachineState, Site
from launcher.ledger.steering_records import AskAnswer
from launcher.steering.orders import HAD_NONE, Drain, End, Start
from launcher.steering.situation import Answer, AnswerKind
from tasks.skypilot_task import Place
from tests.support.ledger_values import NOON, create_run, later

EAST = Place("aws", "us-east-1", None, "g6.xlarge", Decimal("0.30"))
WEST = Place("aws", "us-west-2", None, "g6.xlarge", Decimal("0.33"))
SPOT = FleetGroup(3, 8, "r1-l3m", (EAST,), (8,), gpu="L4", purchase="spot")
OTHER = FleetGroup(4, 8, "r1-l4m", (WEST,), (8,), gpu="L4", purchase="on-demand")
HERE = Site("aws", "us-east-1", None, "spot")
KEY = ("aws/us-east-1", "L4", "spot")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        create_run(found)
        yield found


@pytest.fixture
def history(ledger: Ledger) -> AskHistory:
    return AskHistory(ledger, "r1", {3: SPOT, 4: OTHER})


def start(history: AskHistory, *slots: int, at: datetime = NOON) -> None:
    """Machines of the spot kind, as the controller starts them."""
    history.record_starts([Start(n, f"r1-l3m{n}-0", 3, (EAST,)) for n in slots], at)
    for n in slots:
        history.ledger.machines.intend("r1", f"r1-l3m{n}-0", n, None, at, lot=3, site=HERE)
        history.ledger.machines.confirm(f"r1-l3m{n}-0", f"{n}:r1", at)


def look(history: AskHistory, at: datetime, **statuses: MachineStatus) -> list[Answer]:
    named = {f"r1-l3m{name[1:]}-0": status for name, status in statuses.items()}
    history.observe(history.ledger.machines.of_run("r1"), named, at)
    return history.answers(history.ledger.machines.of_run("r1"))


UP = MachineStatus(Phase.RUNNING, site=HERE, up=NOON)
NONE = MachineStatus(Phase.WAITING, refused=True)
WAITS = MachineStatus(Phase.WAITING)


def test_some_came_and_some_did_not_at_one_look(history: AskHistory) -> None:
    start(history, 0, 1, 2)
    assert look(history, later(30), m0=WAITS, m1=WAITS, m2=WAITS) == []
    found = look(history, later(60), m0=UP, m1=NONE, m2=UP)
    assert found == [
        Answer(*KEY, at=later(60), what=AnswerKind.CAME, count=2, held=2),
        Answer(*KEY, at=later(60), what=AnswerKind.NONE, count=1, held=2),
    ]
    assert look(history, later(90), m0=UP, m1=NONE, m2=UP) == found  # nothing new


def test_machines_that_are_taken_at_one_look_are_one_event(history: AskHistory) -> None:
    start(history, *range(40))
    look(history, later(60), **{f"m{n}": UP for n in range(40)})
    for n in range(40):
        history.ledger.machines.begin_life(f"r1-l3m{n}-0", 0, later(50), HERE, None)
    for n in range(39):
        history.ledger.machines.end_life(f"r1-l3m{n}-0", 0, later(900), LifeEnd.PREEMPTED)
    taken = look(history, later(900))[-1]
    assert (taken.what, taken.count, taken.held, taken.at) == (AnswerKind.TAKEN, 39, 1, later(900))


def test_a_machine_that_we_ended_is_no_answer_and_is_not_held(history: AskHistory) -> None:
    start(history, 0, 1)
    look(history, later(60), m0=UP, m1=WAITS)
    history.ledger.machines.begin_life("r1-l3m0-0", 0, later(50), HERE, None)
    history.record_orders([Drain("r1-l3m0-0"), End("r1-l3m1-0", "it would come too late")], later(70))
    history.ledger.machines.end("r1-l3m0-0", MachineState.STOPPED, later(100), "it ended")
    start(history, 2, at=later(200))
    found = look(history, later(260), m2=UP)
    assert [(a.at, a.what, a.held) for a in found] == [
        (later(60), AnswerKind.CAME, 1),
        (later(260), AnswerKind.CAME, 1),
    ]
    asks = {ask.machine: ask.answer for ask in history.ledger.steering.asks("r1")}
    assert asks["r1-l3m1-0"] == AskAnswer.CANCELLED


def test_a_machine_that_waited_in_vain_says_that_its_place_had_none(history: AskHistory) -> None:
    start(history, 0)
    history.record_orders([End("r1-l3m0-0", HAD_NONE)], later(600))
    (answer,) = history.answers(history.ledger.machines.of_run("r1"))
    assert (answer.what, answer.at, answer.held) == (AnswerKind.NONE, later(600), 0)


def test_a_machine_that_came_in_another_place_is_none_for_the_first(history: AskHistory) -> None:
    both = replace(SPOT, places=(EAST, WEST), counts=(4, 4))
    roaming = AskHistory(history.ledger, "r1", {3: both})
    start(roaming, 0)
    elsewhere = MachineStatus(Phase.RUNNING, site=Site("aws", "us-west-2", None, "spot"), up=NOON)
    (answer,) = look(roaming, later(60), m0=elsewhere)
    assert (answer.place, answer.what) == ("aws/us-east-1", AnswerKind.NONE)


def test_a_later_launcher_reads_the_same_answers(history: AskHistory, ledger: Ledger) -> None:
    start(history, 0, 1)
    before = look(history, later(60), m0=UP, m1=NONE)
    again = AskHistory(ledger, "r1", {3: SPOT})
    assert again.answers(ledger.machines.of_run("r1")) == before
    assert answers_of([], [], []) == []
