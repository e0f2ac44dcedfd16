"""What the ledger remembers of money: lives, prices, charges, budgets and notices."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Charge, Life, LifeEnd, MachineState, ObservedPrice, Site
from launcher.ledger.upgrade import MIGRATIONS, upgrade

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EAST = Site("aws", "us-east-1", "us-east-1a", "spot", "g6.xlarge", 1, 100)
WEST = Site("aws", "us-west-2", "us-west-2b", "spot", "g6.xlarge", 1, 100)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A run with one machine that was asked for."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", "{}", "d", "out", NOON)
        ledger.machines.intend("r1", "m", 0, Decimal("0.30"), NOON, gpu="L4", lot=2, site=EAST)
        yield ledger


def life(ledger: Ledger, number: int) -> Life:
    return next(one for one in ledger.machines.lives("r1") if one.number == number)


def test_a_machine_says_where_it_was_asked_for_and_of_which_lot(ledger: Ledger) -> None:
    (machine,) = ledger.machines.of_run("r1")
    assert (machine.lot, machine.place, machine.site) == (2, "aws/us-east-1", EAST)


def test_a_machine_of_this_computer_is_of_no_cloud(ledger: Ledger) -> None:
    ledger.machines.intend("r1", "w0", 0, None, NOON)
    assert ledger.machines.of_run("r1")[1].site == Site("local")


def test_a_life_is_read_back_as_it_began(ledger: Ledger) -> None:
    assert ledger.machines.begin_life("m", 0, later(90), EAST, Decimal("0.31"), asked=later(5))
    began = life(ledger, 0)
    assert (began.site, began.usd_per_hour, began.asked, began.up) == (
        EAST,
        Decimal("0.31"),
        later(5),
        later(90),
    )
    assert (began.ready, began.stopping, began.ended, began.gone, began.how) == (None,) * 5


def test_beginning_a_life_twice_is_one(ledger: Ledger) -> None:
    ledger.machines.begin_life("m", 0, later(90), EAST, Decimal("0.31"))
    assert not ledger.machines.begin_life("m", 0, later(95), WEST, Decimal("0.99"))
    assert [(one.up, one.site) for one in ledger.machines.lives("r1")] == [(later(90), EAST)]


def test_the_price_of_a_launch_is_a_price_seen(ledger: Ledger) -> None:
    ledger.machines.begin_life("m", 0, later(90), EAST, Decimal("0.31"))
    assert ledger.costs.prices("r1") == [ObservedPrice("m", later(90), "launch", Decimal("0.31"), 0)]


def test_a_life_that_nobody_saw_end_ends_when_the_next_begins_and_is_not_gone(ledger: Ledger) -> None:
    ledger.machines.begin_life("m", 0, later(90), EAST, None)
    ledger.machines.begin_life("m", 1, later(500), WEST, None)
    first = life(ledger, 0)
    assert (first.ended, first.how, first.gone) == (later(500), LifeEnd.PREEMPTED, None)


def test_the_first_end_of_a_life_counts(ledger: Ledger) -> None:
    ledger.machines.begin_life("m", 0, later(90), EAST, None)
    ledger.machines.end_life("m", 0, later(400), LifeEnd.PREEMPTED)
    ledger.machines.end_life("m", 0, later(700), LifeEnd.STOPPED)
    assert (life(ledger, 0).ended, life(ledger, 0).how) == (later(400), LifeEnd.PREEMPTED)


def test_a_life_that_never_began_cannot_end(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="machine m has no life 3"):
        ledger.machines.end_life("m", 3, NOON, LifeEnd.STOPPED)


def test_a_life_of_an_unknown_machine_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="machine x was never intended"):
        ledger.machines.begin_life("x", 0, NOON, EAST, None)


def test_what_the_provider_lacks_is_gone_and_what_was_open_is_lost(ledger: Ledger) -> None:
    ledger.machines.begin_life("m", 0, later(90), EAST, None)
    ledger.machines.end_life("m", 0, later(400), LifeEnd.PREEMPTED)
    ledger.machines.begin_life("m", 1, later(500), WEST, None)
    ledger.machines.mark_gone("m", later(900))
    assert [(one.ended, one.how, one.gone) for one in ledger.machines.lives("r1")] == [
        (later(400), LifeEnd.PREEMPTED, later(900)),
        (later(900), LifeEnd.LOST, later(900)),
    ]


def test_ready_belongs_to_the_life_that_ran_then(ledger: Ledger) -> None:
    ledger.machines.begin_life("m", 0, later(90), EAST, None)
    ledger.machines.mark_ready("m", later(150))
    ledger.machines.begin_life("m", 1, later(500), WEST, None)
    ledger.machines.mark_ready("m", later(150))  # its old sign of life is still in the store
    ledger.machines.mark_ready("m", later(560))
    assert [one.ready for one in ledger.machines.lives("r1")] == [later(150), later(560)]


@pytest.mark.parametrize(
    ("state", "how"),
    [
        (MachineState.STOPPED, LifeEnd.STOPPED),
        (MachineState.FAILED, LifeEnd.FAILED),
        (MachineState.LOST, LifeEnd.LOST),
    ],
)
def test_the_end_of_a_machine_ends_its_life(ledger: Ledger, state: MachineState, how: LifeEnd) -> None:
    ledger.machines.begin_life("m", 0, later(90), EAST, None)
    ledger.machines.mark_stopping("m", later(200))
    ledger.machines.end("m", state, later(230), "it was told to")
    ended = life(ledger, 0)
    assert (ended.stopping, ended.ended, ended.how) == (later(200), later(230), how)


def test_a_price_is_of_one_life_where_it_says_so(ledger: Ledger) -> None:
    ledger.costs.record_prices([ObservedPrice("m", later(5), "spot history", Decimal("0.4"), 1)])
    assert ledger.costs.prices("r1")[0].life == 1


def test_a_charge_is_read_back_and_corrected_under_its_name(ledger: Ledger) -> None:
    first = Charge("egress", "egress", NOON, 1e9, "bytes", Decimal("0.09"))
    ledger.costs.record_charge("r1", first)
    second = Charge("egress", "egress", later(9), 2e9, "bytes", None, "no price from aws to gcp", "m")
    ledger.costs.record_charge("r1", second)
    assert ledger.costs.charges("r1") == [second]


def test_a_charge_without_dollars_says_why(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="egress has no dollars and no reason why"):
        ledger.costs.record_charge("r1", Charge("egress", "egress", NOON, 1e9, "bytes", None))


def test_the_newest_budget_holds(ledger: Ledger) -> None:
    assert ledger.costs.budget("r1") is None
    ledger.costs.set_budget("r1", Decimal(50), NOON)
    ledger.costs.set_budget("r1", Decimal(80), later(60))
    assert ledger.costs.budget("r1") == 80


def test_a_notice_is_intended_once_and_tried_until_it_is_sent(ledger: Ledger) -> None:
    assert ledger.notifications.intend("r1", "half", "50 %", NOON)
    assert not ledger.notifications.intend("r1", "half", "50 % again", later(5))
    ledger.notifications.record_attempt("r1", "half", None)
    ledger.notifications.record_attempt("r1", "half", later(9))
    ledger.notifications.record_attempt("r1", "half", None)  # it was sent: no try changes that
    (notice,) = ledger.notifications.of_run("r1")
    assert (notice.text, notice.tries, notice.sent) == ("50 %", 2, later(9))


def test_a_ledger_of_layout_1_is_brought_forward_with_its_machines(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection, path, MIGRATIONS[:1])
        connection.execute(
            "INSERT INTO run VALUES ('r', 'n', '{}', 'd', 'o', 'local', 'DONE', ?, ?)", ["2026-01-01"] * 2
        )
        connection.execute(
            "INSERT INTO machine (name, run, slot, place, gpu, state, intended) "
            "VALUES ('w', 'r', 0, 'local', 'cpu', 'STOPPED', '2026-01-01 00:00:00')"
        )
    with Ledger.open(path) as ledger:
        (machine,) = ledger.machines.of_run("r")
        assert (machine.site, machine.lot) == (Site("local"), None)
        assert ledger.machines.lives("r") == []
