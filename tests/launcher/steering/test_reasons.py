"""What the decision log says of a request: its dollars, and which cheaper places were passed over, and why."""

from datetime import timedelta

from launcher.steering.decide import decide
from launcher.steering.situation import Answer, AnswerKind, Kind
from tests.launcher.steering.situations import EAST, NOON, NORTH, WEST, situation


def reasons(*answers: Answer) -> dict[str | None, str]:
    """The reason of each place that is asked."""
    found = decide(situation(answers=answers, hours=9.0))
    return {one.place: one.reason for one in found.course.decisions if one.what == "ask"}


def had_none(kind: Kind, seconds: float) -> Answer:
    return Answer(*kind.key, at=NOON - timedelta(seconds=seconds), what=AnswerKind.NONE)


def test_request_to_the_cheapest_place_names_its_price_and_the_level() -> None:
    said = reasons()[EAST.key[0]]
    assert said.startswith("$0.3000 an hour, $0.0851 a million tokens with its start")
    assert "; the level is $0." in said
    assert "failed" not in said


def test_request_to_a_dearer_place_names_the_cheaper_one_that_failed_and_when_it_is_asked_again() -> None:
    asked = reasons(had_none(EAST, 34))
    assert EAST.key[0] not in asked
    assert asked[WEST.key[0]].endswith("; cheaper aws/east failed 34 s ago, and is asked again in 2 min 26 s")
    assert reasons(had_none(EAST, 0))[WEST.key[0]].endswith("failed now, and is asked again in 3 min")


def test_request_beyond_several_places_that_failed_counts_them() -> None:
    said = reasons(had_none(EAST, 60), had_none(WEST, 20))[NORTH.key[0]]
    assert said.endswith(
        "; 2 cheaper places failed, the last 20 s ago, and are asked again in 2 min at the earliest"
    )
