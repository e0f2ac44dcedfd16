"""What steered runs saw of their places, read back from the ledger for the next plan."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from launcher.fleet.provisioning.past_runs import past_steered_runs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, MachineState, Site
from launcher.ledger.steering_records import Ask, AskAnswer
from launcher.steering.market.priors import MOST_AGE
from launcher.steering.situation import PlaceKey
from tests.support.ledger_values import NOON, create_run, later

HERE = Site("aws", "us-east-1", None, "spot")
KEY: PlaceKey = ("aws/us-east-1", "L4", "spot")
HOUR = 3_600


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        create_run(found)
        yield found


def ask(ledger: Ledger, name: str, seconds: float, answer: AskAnswer | None) -> None:
    ledger.machines.intend("r1", name, 0, None, later(seconds), lot=0, site=HERE)
    ledger.steering.record_asks("r1", [Ask(name, later(seconds), KEY[0], KEY[2], KEY[1], "g6.xlarge", 1)])
    if answer is not None:
        ledger.steering.answer(name, answer, later(seconds + 60), "backend")


def test_a_run_is_what_its_answers_say(ledger: Ledger) -> None:
    """Up for two hours, taken, and refused an hour after that."""
    ask(ledger, "r1-l0m0-0", 0, AskAnswer.CAME)
    ledger.machines.begin_life("r1-l0m0-0", 0, later(60), HERE, None)
    ledger.machines.end_life("r1-l0m0-0", 0, later(60 + 2 * HOUR), LifeEnd.PREEMPTED)
    ledger.machines.end("r1-l0m0-0", MachineState.LOST, later(60 + 2 * HOUR), "preempted")
    ask(ledger, "r1-l0m0-1", 3 * HOUR, AskAnswer.NONE)
    [found] = past_steered_runs(ledger, later(4 * HOUR))
    belief = found.beliefs[KEY]
    assert found.ended == later(3 * HOUR + 60)
    assert (belief.falls, belief.returns) == (1, 0)
    assert (belief.hours_up, belief.hours_down) == pytest.approx((2.0, 1.0))


def test_runs_without_answers_and_old_ones_are_no_past(ledger: Ledger) -> None:
    ask(ledger, "r1-l0m0-0", 0, None)
    assert past_steered_runs(ledger, later(HOUR)) == []
    ask(ledger, "r1-l0m0-1", 0, AskAnswer.NONE)
    assert len(past_steered_runs(ledger, later(HOUR))) == 1
    assert past_steered_runs(ledger, NOON + MOST_AGE + timedelta(hours=1)) == []
