"""Machines of a run, from intent to end, and the lives of each."""

from decimal import Decimal
from itertools import product

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MACHINE_MOVES, Life, LifeEnd, MachineState, ObservedPrice, Site
from tests.support.ledger_values import NOON, later

EAST = Site("aws", "us-east-1", "us-east-1a", "spot", "g6.xlarge", 1, 100)
WEST = Site("aws", "us-west-2", "us-west-2b", "spot", "g6.xlarge", 1, 100)


def test_machine_is_recorded_from_intent_to_end(fleet: Ledger) -> None:
    fleet.machines.confirm("r1-w0-1", "4711:1795435200.25", later(1))
    fleet.machines.mark_ready("r1-w0-1", later(9))
    fleet.machines.mark_stopping("r1-w0-1", later(50))
    fleet.machines.end("r1-w0-1", MachineState.STOPPED, later(60), "drained", 0)
    (machine,) = fleet.machines.of_run("r1")
    assert (machine.slot, machine.place, machine.gpu) == (0, "local", "cpu")
    assert (machine.state, machine.handle) == (MachineState.STOPPED, "4711:1795435200.25")
    assert (machine.intended, machine.confirmed, machine.ready) == (NOON, later(1), later(9))
    assert (machine.stopping, machine.ended) == (later(50), later(60))
    assert (machine.reason, machine.exit_code) == ("drained", 0)


def test_intending_a_machine_twice_records_one(fleet: Ledger) -> None:
    assert not fleet.machines.intend("r1", "r1-w0-1", 0, Decimal("9.99"), later(1))
    assert [machine.intended for machine in fleet.machines.of_run("r1")] == [NOON]


def test_machines_are_found_by_state(fleet: Ledger) -> None:
    fleet.machines.intend("r1", "r1-w1-1", 1, None, NOON)
    fleet.machines.confirm("r1-w1-1", "pod-1", NOON)
    assert [m.name for m in fleet.machines.of_run("r1", {MachineState.UP})] == ["r1-w1-1"]
    assert [m.name for m in fleet.machines.of_run("r1", set())] == []
    assert [m.name for m in fleet.machines.of_run("r1")] == ["r1-w0-1", "r1-w1-1"]


def test_confirming_again_keeps_the_first_time(fleet: Ledger) -> None:
    fleet.machines.confirm("r1-w0-1", "pod-1", later(1))
    fleet.machines.confirm("r1-w0-1", "pod-1", later(2))
    assert fleet.machines.of_run("r1")[0].confirmed == later(1)


def test_confirming_with_another_handle_is_a_problem(fleet: Ledger) -> None:
    fleet.machines.confirm("r1-w0-1", "pod-1", NOON)
    with pytest.raises(Problem, match="r1-w0-1 runs as pod-1 and was started again as pod-2"):
        fleet.machines.confirm("r1-w0-1", "pod-2", NOON)


def test_first_ready_time_counts(fleet: Ledger) -> None:
    fleet.machines.mark_ready("r1-w0-1", later(1))
    fleet.machines.mark_ready("r1-w0-1", later(2))
    assert fleet.machines.of_run("r1")[0].ready == later(1)


def test_unknown_machine_is_refused(fleet: Ledger) -> None:
    with pytest.raises(ValueError, match="machine r1-w9-1 was never intended"):
        fleet.machines.mark_ready("r1-w9-1", NOON)
    with pytest.raises(ValueError, match="machine r1-w9-1 was never intended"):
        fleet.machines.end("r1-w9-1", MachineState.LOST, NOON, "gone")


@pytest.mark.parametrize(
    ("before", "after"),
    [(b, a) for b, a in product(MachineState, MachineState) if a > "INTENDED" and a != "UP"],
)
def test_machine_makes_the_moves_of_the_table_and_no_others(
    fleet: Ledger, before: MachineState, after: MachineState
) -> None:
    with fleet.database.writing() as connection:
        connection.execute("UPDATE machine SET state = ?", (before.value,))
    if before == after or (before, after) in MACHINE_MOVES:
        fleet.machines.end("r1-w0-1", after, NOON, "why")
        assert fleet.machines.of_run("r1")[0].state == after
    else:
        with pytest.raises(ValueError, match=f"machine r1-w0-1 is {before} and cannot become {after}"):
            fleet.machines.end("r1-w0-1", after, NOON, "why")


def test_unknown_price_is_none_and_not_zero(ledger: Ledger) -> None:
    ledger.machines.intend("r1", "r1-w0-1", 0, None, NOON)
    assert ledger.machines.of_run("r1")[0].usd_per_hour is None


@pytest.fixture
def rented(ledger: Ledger) -> Ledger:
    """A ledger with the run r1 and one machine, m, that was asked for in EAST."""
    ledger.machines.intend("r1", "m", 0, Decimal("0.30"), NOON, gpu="L4", lot=2, site=EAST)
    return ledger


def life(rented: Ledger, number: int) -> Life:
    return next(one for one in rented.machines.lives("r1") if one.number == number)


def test_machine_keeps_its_site_and_its_lot(rented: Ledger) -> None:
    (machine,) = rented.machines.of_run("r1")
    assert (machine.lot, machine.place, machine.site) == (2, "aws/us-east-1", EAST)


def test_local_machine_has_the_local_site(rented: Ledger) -> None:
    rented.machines.intend("r1", "w0", 0, None, NOON)
    assert rented.machines.of_run("r1")[1].site == Site("local")


def test_life_is_read_back_as_it_began(rented: Ledger) -> None:
    assert rented.machines.begin_life("m", 0, later(90), EAST, Decimal("0.31"), asked=later(5))
    began = life(rented, 0)
    assert (began.site, began.usd_per_hour, began.asked, began.up) == (
        EAST,
        Decimal("0.31"),
        later(5),
        later(90),
    )
    assert (began.ready, began.stopping, began.ended, began.gone, began.how) == (None,) * 5


def test_beginning_a_life_twice_records_one(rented: Ledger) -> None:
    rented.machines.begin_life("m", 0, later(90), EAST, Decimal("0.31"))
    assert not rented.machines.begin_life("m", 0, later(95), WEST, Decimal("0.99"))
    assert [(one.up, one.site) for one in rented.machines.lives("r1")] == [(later(90), EAST)]


def test_price_at_launch_is_an_observed_price(rented: Ledger) -> None:
    rented.machines.begin_life("m", 0, later(90), EAST, Decimal("0.31"))
    assert rented.costs.prices("r1") == [ObservedPrice("m", later(90), "launch", Decimal("0.31"), 0)]


def test_life_without_an_observed_end_ends_when_the_next_begins(rented: Ledger) -> None:
    rented.machines.begin_life("m", 0, later(90), EAST, None)
    rented.machines.begin_life("m", 1, later(500), WEST, None)
    first = life(rented, 0)
    assert (first.ended, first.how, first.gone) == (later(500), LifeEnd.PREEMPTED, None)


def test_first_end_of_a_life_counts(rented: Ledger) -> None:
    rented.machines.begin_life("m", 0, later(90), EAST, None)
    rented.machines.end_life("m", 0, later(400), LifeEnd.PREEMPTED)
    rented.machines.end_life("m", 0, later(700), LifeEnd.STOPPED)
    assert (life(rented, 0).ended, life(rented, 0).how) == (later(400), LifeEnd.PREEMPTED)


def test_ending_an_unknown_life_is_refused(rented: Ledger) -> None:
    with pytest.raises(ValueError, match="machine m has no life 3"):
        rented.machines.end_life("m", 3, NOON, LifeEnd.STOPPED)


def test_life_of_unknown_machine_is_refused(rented: Ledger) -> None:
    with pytest.raises(ValueError, match="machine x was never intended"):
        rented.machines.begin_life("x", 0, NOON, EAST, None)


def test_mark_gone_ends_the_open_life_as_lost(rented: Ledger) -> None:
    rented.machines.begin_life("m", 0, later(90), EAST, None)
    rented.machines.end_life("m", 0, later(400), LifeEnd.PREEMPTED)
    rented.machines.begin_life("m", 1, later(500), WEST, None)
    rented.machines.mark_gone("m", later(900))
    assert [(one.ended, one.how, one.gone) for one in rented.machines.lives("r1")] == [
        (later(400), LifeEnd.PREEMPTED, later(900)),
        (later(900), LifeEnd.LOST, later(900)),
    ]


def test_ready_is_recorded_at_the_life_that_ran_then(rented: Ledger) -> None:
    rented.machines.begin_life("m", 0, later(90), EAST, None)
    rented.machines.mark_ready("m", later(150))
    rented.machines.begin_life("m", 1, later(500), WEST, None)
    rented.machines.mark_ready("m", later(150))  # its old sign of life is still in the store
    rented.machines.mark_ready("m", later(560))
    assert [one.ready for one in rented.machines.lives("r1")] == [later(150), later(560)]


@pytest.mark.parametrize(
    ("state", "how"),
    [
        (MachineState.STOPPED, LifeEnd.STOPPED),
        (MachineState.FAILED, LifeEnd.FAILED),
        (MachineState.LOST, LifeEnd.LOST),
    ],
)
def test_end_of_a_machine_ends_its_open_life(rented: Ledger, state: MachineState, how: LifeEnd) -> None:
    rented.machines.begin_life("m", 0, later(90), EAST, None)
    rented.machines.mark_stopping("m", later(200))
    rented.machines.end("m", state, later(230), "it was asked to")
    ended = life(rented, 0)
    assert (ended.stopping, ended.ended, ended.how) == (later(200), later(230), how)
