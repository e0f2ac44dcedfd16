"""Where a probe goes: the place where a move is expected to save most."""

from dataclasses import replace
from datetime import timedelta

from launcher.steering.decide import decide
from launcher.steering.market import beliefs
from launcher.steering.market.beliefs import chance_of_more
from launcher.steering.situation import Belief, Kind, Limits, Situation
from tests.launcher.steering.situations import HOUR, NOON, ON_DEMAND, kind, situation, working

LISTED = replace(ON_DEMAND, number=90)
CHEAP = [kind(number, f"aws/cheap-{number}", 0.30 + number / 100, cap=2) for number in range(6)]
DEAR = kind(6, "aws/dear", 0.55, cap=2)
HELD = 8


def dry(minutes: float, refusals: int = 4) -> Belief:
    """A place that had none so many minutes ago, each time it was asked."""
    at = NOON - timedelta(minutes=minutes)
    return Belief(up=False, seen=at, hours_down=1.0, refusals=refusals, refused=at)


def fleet_on_demand(known: dict[Kind, Belief]) -> Situation:
    """A fleet at its limit, on demand as a whole, with little slack: one probe goes out at a look."""
    return situation(
        working(LISTED, HELD),
        hours=2.0,
        kinds=[*CHEAP, DEAR, LISTED],
        tokens=HELD * 950.0 * (7_200 - 60 - 600),
        beliefs={one.key: belief for one, belief in known.items()},
        limits=Limits(machines=HELD, probes=2),
    )


def probed(found: Situation) -> list[str]:
    place = {one.number: one.key[0] for one in found.kinds}
    return [place[ask.kind] for ask in decide(found).asks]


def test_cheap_places_that_have_none_do_not_keep_a_dearer_one_from_being_asked() -> None:
    """Each of six may be asked again every five minutes: by price alone one of them would always come first."""
    found = fleet_on_demand({one: dry(5 + number) for number, one in enumerate(CHEAP)} | {DEAR: dry(120)})
    assert probed(found) == ["aws/dear"]


def test_place_that_gives_machines_is_asked_before_a_cheaper_one_that_had_none() -> None:
    gives = Belief(up=True, seen=NOON - timedelta(minutes=2), held=1)
    found = fleet_on_demand({one: dry(6) for one in CHEAP} | {DEAR: gives})
    assert probed(found) == ["aws/dear"]


def test_the_cheapest_is_asked_first_where_all_are_known_alike() -> None:
    assert probed(fleet_on_demand({})) == ["aws/cheap-0"]


def test_place_that_had_no_more_has_hardly_a_further_machine_though_some_are_held() -> None:
    partial = replace(dry(5), up=True, held=3)
    assert beliefs.chance_up_now(partial, NOON, held=3) == 1.0
    assert chance_of_more(partial, NOON, held=3) < 0.1
    assert chance_of_more(replace(partial, refusals=0), NOON, held=3) == 1.0


def test_the_chance_of_a_machine_grows_from_nothing_after_a_refusal() -> None:
    chances = [chance_of_more(dry(0), NOON + hours * HOUR) for hours in (0, 0.1, 1, 10)]
    assert chances[0] == 0.0
    assert chances == sorted(chances)
    assert chances[-1] > 0.4
