"""What is believed of a place: how often it takes its machines, how soon it has some again. Pure.

A place is a process of two states: up (it gives machines, and leaves them) and down. Falls and returns are events at
constant rates, with a Gamma prior of one event each. The priors (0.25 falls an hour up, 0.35 returns an hour down) are
the order of magnitude of the public AWS traces of V100 (2023) and L4 (2025); a place's own answers outweigh them soon.
All that a place answers at one look is one event: a region that takes 40 machines at once has fallen once.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import exp, inf, sqrt

from launcher.steering.situation import Answer, AnswerKind, Belief, PlaceKey

PRIOR_FALLS_PER_HOUR = 0.25
PRIOR_RETURNS_PER_HOUR = 0.35
# A place in which nothing of ours is held, and that is not asked, is taken as unchanged for this long at most.
UNSEEN_HOURS = 1.0
# Until a place that had none is asked again; doubles with each further refusal. One machine asks, and a refusal costs
# nothing but its launch, so it is asked as soon as its last launch has told (1 to 3 minutes).
RETRY = timedelta(minutes=3)
MAX_RETRY = timedelta(minutes=5)
# Standard deviations by which all places together are taken to be worse than believed, for a P90. With it 7 to 9 of 10
# simulated runs on the recorded markets cost no more than their first P90, and all of them last no longer.
CAUTION = 0.8
UNKNOWN = Belief()


def learn(beliefs: Mapping[PlaceKey, Belief], answers: Iterable[Answer]) -> dict[PlaceKey, Belief]:
    """The beliefs after these answers, which are in the order of time."""
    found = dict(beliefs)
    looks: dict[PlaceKey, list[list[Answer]]] = {}
    for answer in answers:
        mine = looks.setdefault(answer.key, [])
        if mine and mine[-1][0].at == answer.at:
            mine[-1].append(answer)
        else:
            mine.append([answer])
    for key, mine in looks.items():
        for answers_then in mine:
            found[key] = _after(found.get(key, UNKNOWN), answers_then, answers_then[0].at)
    return found


def _after(belief: Belief, answers: list[Answer], at: datetime) -> Belief:
    """A belief after one look at which the place answered."""
    came = held = 0
    refused = taken = False
    for answer in answers:  # one pass: a launcher folds all answers of a run at every look
        held = max(held, answer.held)
        if answer.what is AnswerKind.CAME:
            came += answer.count
        elif answer.what is AnswerKind.NONE:
            refused = True
        else:
            taken = True
    held = max(held, came)
    hours = 0.0 if belief.seen is None else max(0.0, (at - belief.seen).total_seconds() / 3600)
    up, down, returned = 0.0, 0.0, 0
    if belief.up:
        up = hours if belief.held or taken else min(hours, UNSEEN_HOURS)
    elif belief.up is not None:
        returned = int(came > 0)
        # It returned at some moment between the two answers.
        down = min(hours, UNSEEN_HOURS) * (0.5 if returned else 1.0)
    most = belief.most
    if held and (refused or taken):
        most = held
    elif came and most is not None and held > most:
        most = None
    setback = refused or taken
    return Belief(
        falls=belief.falls + taken,
        hours_up=belief.hours_up + up,
        returns=belief.returns + returned,
        hours_down=belief.hours_down + down,
        up=held > 0,
        seen=at,
        held=held,
        most=most,
        refusals=belief.refusals * (not came) + setback,
        refused=at if setback else belief.refused,
    )


def rates(belief: Belief, *, held: int = 0, now: datetime | None = None) -> tuple[float, float]:
    """Falls an hour up, and returns an hour down. `held`: machines held there now; those hours up count, too."""
    up = belief.hours_up
    if held and now is not None and belief.seen is not None:
        up += max(0.0, (now - belief.seen).total_seconds() / 3600)
    falls = (belief.falls + 1) / (up + 1 / PRIOR_FALLS_PER_HOUR)
    returns = (belief.returns + 1) / (belief.hours_down + 1 / PRIOR_RETURNS_PER_HOUR)
    return falls, returns


def cautious_rates(falls: float, returns: float, belief: Belief) -> tuple[float, float]:
    """The rates of a place that turns out worse than believed: quantiles of their Gamma distributions.

    By Wilson and Hilferty's approximation. The fewer events a place has shown, the further they are from the mean.
    """
    up, down = _quantile(belief.falls + 1, CAUTION), _quantile(belief.returns + 1, -CAUTION)
    return falls * up, returns * down


def _quantile(events: float, sigmas: float) -> float:
    """A quantile of a Gamma distribution with this shape, as a share of its mean."""
    return (1 - 1 / (9 * events) + sigmas / (3 * sqrt(events))) ** 3


def chance_up_now(belief: Belief, now: datetime, *, held: int = 0) -> float:
    """The chance that a place has machines: 1 where some are held, else by its last answer and how long ago that was."""
    if held:
        return 1.0
    falls, returns = rates(belief)
    settled = returns / (falls + returns)
    if belief.up is None or belief.seen is None:
        return settled
    age = max(0.0, (now - belief.seen).total_seconds() / 3600)
    return settled + (float(belief.up) - settled) * exp(-(falls + returns) * age)


def chance_of_more(belief: Belief, now: datetime, *, held: int = 0) -> float:
    """The chance that a place has a further machine. Where it had none, or no more, it grows from 0 since then."""
    if not belief.refusals or belief.refused is None:
        return chance_up_now(belief, now, held=held)
    falls, returns = rates(belief)
    hours = max(0.0, (now - belief.refused).total_seconds() / 3600)
    return returns / (falls + returns) * -_expm1(-(falls + returns) * hours)


def mean_chance_up(falls: float, returns: float, chance_now: float, hours: float) -> float:
    """The mean chance that a place is up over the next hours."""
    both = falls + returns
    settled = returns / both
    if hours <= 0:
        return chance_now
    return settled + (chance_now - settled) * -_expm1(-both * hours) / (both * hours)


def _expm1(x: float) -> float:
    return exp(x) - 1.0 if x > -inf else -1.0


def retry_after(belief: Belief) -> datetime | None:
    """When a place that had none, or took some, may be asked again; None: at once."""
    if not belief.refusals or belief.refused is None:
        return None
    return belief.refused + min(MAX_RETRY, RETRY * 2 ** min(belief.refusals - 1, 8))
