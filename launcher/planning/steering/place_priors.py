"""What earlier runs on this laptop saw of the places that a plan may rent, for its section `steering`. Pure.

A plan keeps what it took from the ledger: its forecast and its launch rest on that, wherever and whenever it is launched.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from launcher.format import duration, plural
from launcher.planning.saved.steering_plan import Envelope, PlacePrior, SteeredKind
from launcher.planning.steering.envelope import place_of_kind
from launcher.steering.market.priors import PastRun, priors_of
from launcher.steering.situation import ON_DEMAND, SPOT, Belief, PlaceKey


def place_key(kind: SteeredKind) -> PlaceKey:
    """What beliefs of a kind are held about: its place, GPU type and purchase."""
    place = place_of_kind(kind.cloud, kind.region, kind.zone)
    return place.infra, kind.gpu, SPOT if kind.spot else ON_DEMAND


def place_priors(envelope: Envelope, past: Sequence[PastRun], now: datetime) -> tuple[PlacePrior, ...]:
    """What earlier runs saw of the spot kinds of an envelope, in its order. How long on demand is away is not learnt."""
    known = priors_of(past, now)
    keys = [key for key in map(place_key, envelope.kinds) if key in known and key[2] == SPOT]
    return tuple(
        PlacePrior(
            *key,
            falls=known[key].falls,
            hours_up=known[key].hours_up,
            returns=known[key].returns,
            hours_down=known[key].hours_down,
        )
        for key in keys
    )


def prior_beliefs(priors: Sequence[PlacePrior]) -> Mapping[PlaceKey, Belief]:
    """The beliefs with which a run of the plan begins."""
    return {
        (one.place, one.gpu, one.purchase): Belief(
            falls=one.falls, hours_up=one.hours_up, returns=one.returns, hours_down=one.hours_down
        )
        for one in priors
    }


def prior_assumption(
    priors: Sequence[PlacePrior], envelope: Envelope, past: Sequence[PastRun], now: datetime
) -> str:
    """What the forecast takes from earlier runs, in words."""
    keys = {(one.place, one.gpu, one.purchase) for one in priors}
    runs = [run for run in past if keys & run.beliefs.keys()]
    newest = max(run.ended for run in runs)
    spot = sum(kind.spot for kind in envelope.kinds)
    rest = "" if len(priors) == spot else ", the others are taken as places are on average"
    return (
        f"from {plural(len(runs), 'earlier run')} on this laptop, the newest {duration((now - newest).total_seconds())} "
        f"ago: how often {len(priors)} of {plural(spot, 'place')} had spot{rest}"
    )
