"""What the chance to be late of a steered run rests on, in words. Pure."""

from collections.abc import Sequence

from launcher.format import duration, plural, some_of
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.estimate import Candidate
from launcher.planning.optimizer.search import Requirements
from launcher.planning.saved.steering_plan import Envelope, SteeredKind
from launcher.planning.steering.envelope import machines_needed
from launcher.steering.market.refusals import ASSUMED_SHARE, OUTAGE_HOURS
from pricing import capacity

SHOWN_TYPES = 4  # GPU types by name in a sentence


def assumptions(
    envelope: Envelope, candidates: Sequence[Candidate], requirements: Requirements
) -> tuple[str, ...]:
    """What the chance to be late rests on, in words."""
    found: list[str] = []
    net = [kind for kind in envelope.kinds if not kind.spot]
    if requirements.deadline_hours is not None:
        if not net:
            found.append("nothing on demand may be rented: where spot fails, nothing rescues the deadline")
        else:
            found.append(_net_assumption(net, envelope, candidates, requirements))
            found.append(_refusal_assumption(net))
    found.append("speeds vary as planned, a tenth of them below the P10: the chance to be late includes that")
    found.append("the launcher runs: while this laptop sleeps or is closed, the run is not steered")
    return tuple(found)


def _refusal_assumption(net: Sequence[SteeredKind]) -> str:
    """How often on demand may be refused, which the chance to be late includes. No data of it is known."""
    places = len({(kind.cloud, kind.region) for kind in net})
    apart = ", and regions fail independently" if places > 1 else ""
    return (
        f"on demand is there {ASSUMED_SHARE:.0%} of the time and away for {duration(OUTAGE_HOURS * SECONDS_PER_HOUR)} "
        f"at a time{apart} (assumed: nothing is recorded of it)"
    ).replace("%", " %")


def _net_assumption(
    net: Sequence[SteeredKind],
    envelope: Envelope,
    candidates: Sequence[Candidate],
    requirements: Requirements,
) -> str:
    seen = [
        capacity.obtainable(k.cloud, k.region, k.gpu, spot=False, least=round(k.gpus_per_machine) or 1)
        for k in net
    ]
    places = {(kind.cloud, kind.region) for kind in net}
    types = some_of([kind.gpu for kind in net], SHOWN_TYPES)
    first_basis, *others = [one for one in capacity.BASES if any(place.basis == one for place in seen)]
    how = f"{first_basis} for some of these, {' or '.join(others)} for the others" if others else first_basis
    text = f"on-demand {types} can be had in {plural(len(places), 'region')} ({how})"
    first = net[0]
    same = (first.cloud, first.region, first.gpu, False)
    cheapest = next(
        (one for one in candidates if one.group == same and one.gpus == first.gpus_per_machine), None
    )
    needed = None if cheapest is None else machines_needed(cheapest, requirements)
    if needed is not None and needed > envelope.on_demand:
        text += (
            f"; the net needs {plural(needed, 'machine')} from the first minute on, "
            f"and {envelope.on_demand} may be had: ask for more quota or raise limits"
        )
    return text
