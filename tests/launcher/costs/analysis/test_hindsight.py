"""The least that a run could have paid in what it saw: computed by hand in runs that are simple enough."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.costs.analysis.hindsight import RunSeen, available, hindsight_of
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.metering import usd_for
from launcher.costs.usage.spend import PARTS, Metered, Part
from launcher.documents.course import Hindsight

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
SPEED = 100  # tokens a second of every machine
COLD = timedelta(minutes=5)
FREE = "PREEMPTED"  # so early that the cloud charges nothing


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def life(
    name: str,
    group: int,
    begin: float,
    end: float,
    *,
    usd: str | None = "1",
    purchase: str = "spot",
    how: str = "STOPPED",
) -> MachineTime:
    return MachineTime(
        name=name, place=f"aws/place-{group}", gpu="L4", usd_per_hour=None if usd is None else Decimal(usd),
        started=at(begin), ready=at(begin) + COLD, ended=at(end), state="STOPPED", purchase=purchase, group=group,
        how=how,
    )  # fmt: skip


def metered(one: MachineTime) -> Metered:
    """All of the time after the cold start is work."""
    assert one.ended is not None
    time: dict[Part, timedelta] = dict.fromkeys(PARTS, timedelta(0))
    time["cold_start"], time["useful"] = COLD, one.ended - one.started - COLD
    usd: dict[Part, Decimal] = {part: usd_for(time[part], one.usd_per_hour or Decimal(0)) for part in PARTS}
    if one.how == FREE:
        nothing = dict.fromkeys(PARTS, Decimal(0))
        return Metered(time, nothing, nothing, waived=sum(usd.values(), Decimal(0)))
    return Metered(time, None if one.usd_per_hour is None else usd, usd)


def found(*lives: MachineTime, refused: dict[int, list[datetime]] | None = None) -> Hindsight:
    spent = [metered(one) for one in lives]
    tokens: dict[int, int] = {}
    for one, cost in zip(lives, spent, strict=True):
        assert one.group is not None
        tokens[one.group] = tokens.get(one.group, 0) + int(cost.time["useful"].total_seconds()) * SPEED
    return hindsight_of(
        RunSeen(
            began=NOON,
            ended=max(one.ended or NOON for one in lives),
            lives=lives,
            metered=spent,
            tokens=tokens,
            refused=refused or {},
            prices={},
            machines=4,
        )
    )


def dollars(usd: Decimal | None) -> float:
    assert usd is not None
    return float(usd)


def test_one_machine_that_worked_all_the_time_could_not_be_cheaper() -> None:
    best = found(life("a", 1, 0, 120))
    assert dollars(best.usd) == pytest.approx(2, abs=0.05)
    assert dollars(best.paid) == 2
    assert all(abs(dollars(one)) <= 0.05 for one in (best.starts, best.dear_places, best.net, best.rest))


def test_what_the_cloud_did_not_charge_is_in_the_least_too() -> None:
    best = found(life("a", 1, 0, 45, how=FREE), life("b", 2, 45, 90))
    assert dollars(best.usd) == pytest.approx(1.5, abs=0.15)
    assert dollars(best.paid) == pytest.approx(0.75)
    assert dollars(best.waived) == pytest.approx(0.75)
    parts = [dollars(one) for one in (best.starts, best.dear_places, best.net, best.rest)]
    assert sum(parts) == pytest.approx(1.5 - dollars(best.usd), abs=0.001)
    assert all(abs(one) <= 0.15 for one in parts)


def test_a_dear_place_beside_a_cheap_one_that_was_up_is_named() -> None:
    """The cheap place gave two at first, and one of them was ended for nothing: it is up for an hour more."""
    best = found(life("a", 1, 0, 120), life("b", 1, 0, 60), life("c", 2, 60, 115, usd="3"))
    # The dear machine's 50 min of work cost $2.50 and a start of $0.25; in the cheap place 50 min more cost $0.83.
    assert dollars(best.paid) == pytest.approx(2 + 1 + 2.75, abs=0.01)
    assert dollars(best.usd) == pytest.approx(3 + 50 / 60, abs=0.1)
    assert dollars(best.dear_places) == pytest.approx(2.5 - 50 / 60, abs=0.15)
    assert dollars(best.starts) == pytest.approx(0.25, abs=0.1)
    assert abs(dollars(best.net)) < 0.01
    parts = [best.starts, best.dear_places, best.net, best.rest]
    assert sum(map(dollars, parts)) == pytest.approx(dollars(best.paid) - dollars(best.usd))


def test_machines_on_demand_are_the_net() -> None:
    best = found(
        life("a", 1, 0, 120), life("b", 1, 0, 60), life("c", 2, 60, 115, usd="3", purchase="on-demand")
    )
    assert dollars(best.net) == pytest.approx(2.5 - 50 / 60, abs=0.15)
    assert abs(dollars(best.dear_places)) < 0.15


def test_on_demand_that_the_least_fleet_needs_as_well_is_no_loss_and_makes_spot_no_cheaper() -> None:
    """Spot was there for an hour alone, with two machines; the rest had to be done on demand."""
    lives = (life("a", 1, 0, 60), life("b", 1, 0, 60), life("c", 2, 60, 120, usd="3", purchase="on-demand"))
    best = found(*lives, refused={1: [at(60)]})
    assert dollars(best.usd) == pytest.approx(dollars(best.paid), abs=0.1)
    assert abs(dollars(best.dear_places)) < 0.15
    assert abs(dollars(best.net)) < 0.15


def test_a_place_that_had_none_is_not_up() -> None:
    """As above, but the cheap place refused at the moment at which the dear machine was asked for."""
    lives = (life("a", 1, 0, 120), life("b", 1, 0, 60), life("c", 2, 60, 115, usd="3"))
    best = found(*lives, refused={1: [at(60)]})
    assert dollars(best.usd) == pytest.approx(dollars(best.paid), abs=0.25)


def test_a_run_that_saw_too_little_is_a_question_mark() -> None:
    short = found(life("a", 1, 0, 9))
    assert (short.usd, short.paid) == (None, Decimal("0.150000"))
    assert short.reason == "the run was too short to see anything else"
    unknown = found(life("a", 1, 0, 60, usd=None))
    assert (unknown.usd, unknown.paid, unknown.reason) == (None, None, "a machine has no price")


def test_a_place_is_up_until_it_took_one_and_an_hour_after_the_last_was_ended() -> None:
    lives = [life("a", 1, 10, 30), life("b", 1, 20, 30)]
    seen = available(NOON, 180, lives, [])
    assert seen[9] == 0  # nobody had asked
    assert (seen[10], seen[25], seen[60], seen[89]) == (2, 2, 2, 2)
    assert seen[95] == 0  # nobody knows
    taken = available(NOON, 180, [lives[0], life("b", 1, 20, 30, how="PREEMPTED")], [])
    assert (taken[30], taken[31]) == (2, 0)
    refused = available(NOON, 180, lives, [at(50)])
    assert (refused[50], refused[51]) == (2, 0)
