"""What is believed of a place after its answers."""

from datetime import timedelta

import pytest

from launcher.steering.market import beliefs
from launcher.steering.situation import AnswerKind, Belief
from tests.launcher.steering.situations import EAST, NOON, WEST, answer

CAME, NONE, TAKEN = AnswerKind.CAME, AnswerKind.NONE, AnswerKind.TAKEN


def test_place_that_never_answered_has_the_prior() -> None:
    falls, returns = beliefs.rates(beliefs.UNKNOWN)
    assert (falls, returns) == (pytest.approx(0.25), pytest.approx(0.35))
    assert beliefs.chance_up_now(beliefs.UNKNOWN, NOON) == pytest.approx(0.35 / 0.60)


# Invariant 7 of docs/steering.md
@pytest.mark.parametrize("machines", [1, 2, 40, 500])
def test_one_look_is_one_event_however_many_machines_it_took(machines: int) -> None:
    one_each = [answer(EAST, TAKEN, 60) for _ in range(machines)]
    together = [answer(EAST, TAKEN, 60, count=machines)]
    start = [answer(EAST, CAME, 0, count=machines, held=machines)]
    for look in (one_each, together):
        known = beliefs.learn({}, start + look)[EAST.key]
        assert (known.falls, known.hours_up, known.refusals) == (1, pytest.approx(1.0), 1)
        assert known.up is False


def test_hours_up_count_while_machines_are_held() -> None:
    known = beliefs.learn({}, [answer(EAST, CAME, 0, held=4)])[EAST.key]
    quiet, _ = beliefs.rates(known, held=4, now=NOON + timedelta(hours=6))
    assert quiet == pytest.approx(1 / (6 + 4))
    unseen, _ = beliefs.rates(known, held=0, now=NOON + timedelta(hours=6))
    assert unseen == pytest.approx(0.25)


def test_place_that_had_none_is_believed_down_and_slowly_forgotten() -> None:
    known = beliefs.learn({}, [answer(EAST, NONE, 0)])[EAST.key]
    just, later, much = (beliefs.chance_up_now(known, NOON + timedelta(hours=h)) for h in (0.01, 2, 200))
    assert just < 0.01 < later < much
    falls, returns = beliefs.rates(known)
    assert much == pytest.approx(returns / (falls + returns))


def test_partial_answer_bounds_what_a_place_has_until_it_gives_more() -> None:
    part = [answer(EAST, CAME, 1, count=9, held=9), answer(EAST, NONE, 1, count=7, held=9)]
    known = beliefs.learn({}, part)
    assert known[EAST.key].most == 9
    assert known[EAST.key].up
    known = beliefs.learn(known, [answer(EAST, CAME, 30, count=2, held=11)])
    assert known[EAST.key].most is None


@pytest.mark.parametrize(("refusals", "minutes"), [(1, 3), (2, 5), (3, 5), (60, 5)])
def test_refused_place_is_asked_again_after_a_capped_backoff(refusals: int, minutes: int) -> None:
    answers = [answer(EAST, NONE, 30 * n) for n in range(refusals)]
    retry = beliefs.retry_after(beliefs.learn({}, answers)[EAST.key])
    assert retry == answers[-1].at + timedelta(minutes=minutes)
    again = beliefs.learn({}, [*answers, answer(EAST, CAME, 30 * refusals, held=1)])
    assert beliefs.retry_after(again[EAST.key]) is None


def test_folding_answers_look_by_look_gives_the_same_beliefs() -> None:
    looks = [
        [answer(EAST, CAME, 1, 8, 8), answer(WEST, NONE, 1)],
        [answer(EAST, TAKEN, 50, 8)],
        [answer(EAST, NONE, 56), answer(WEST, CAME, 56, 4, 4)],
        [answer(EAST, CAME, 90, 2, 2)],
    ]
    folded = dict[tuple[str, str, str], Belief]()
    for look in looks:
        folded = beliefs.learn(folded, look)
    assert folded == beliefs.learn({}, [one for look in looks for one in look])


def test_mean_chance_lies_between_now_and_the_settled_one() -> None:
    assert beliefs.mean_chance_up(0.25, 0.35, 1.0, 0.0) == 1.0
    means = [beliefs.mean_chance_up(0.25, 0.35, 1.0, hours) for hours in (0.1, 1, 10, 1_000)]
    assert means == sorted(means, reverse=True)
    assert means[-1] == pytest.approx(0.35 / 0.60, abs=0.001)


def test_cautious_rates_are_worse_and_near_the_mean_after_many_events() -> None:
    few, many = Belief(), Belief(falls=200, hours_up=800, returns=200, hours_down=600)
    for belief, least in ((few, 1.3), (many, 1.01)):
        falls, returns = beliefs.rates(belief)
        worse = beliefs.cautious_rates(falls, returns, belief)
        assert worse[0] > falls * least
        assert worse[1] < returns / least
    assert beliefs.cautious_rates(1.0, 1.0, many)[0] < 1.1
