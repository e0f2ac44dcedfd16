"""What the dollars of a fleet leave out, and how much that is at most.

An item without a price is never counted as 0 where fleets are compared. Each unknown part has an upper bound, the
dearest price of its kind that is known, and fleets are ranked and held to a budget with it. The printed dollars stay
the known ones and are called "at least". Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from launcher.money import SECONDS_PER_HOUR, decimal_of_float
from launcher.planning.estimates.estimate import (
    Allocation,
    Candidate,
    Estimate,
    RunCharges,
    preemption_overhead,
    stop_seconds,
    tail_seconds,
    wall_hours,
)


def unpriced_items(allocations: Sequence[Allocation], charges: RunCharges) -> dict[str, Decimal | None]:
    """The items that lack a price in whole or in part, each with the most that the missing part costs in USD.

    None: no bound is known either. That is so for what the job does not say, such as where its texts are; it is missing
    from every fleet alike.
    """
    found: dict[str, Decimal | None] = {}
    disk = [a for a in allocations if a.candidate.disk_usd_per_hour is None]
    if disk:
        found["disk"] = _sum([_times(a.candidate.disk_at_most, _machine_hours(a)) for a in disk])
    egress = [a for a in allocations if not is_egress_priced(a.candidate)]
    if egress:
        found["egress"] = _sum([_times(a.candidate.egress_missing, a.tokens) for a in egress])
    if charges.storage is None:
        found["storage"] = None
    if charges.controller_usd_per_hour is None:
        found["controller"] = _times(
            charges.controller_at_most, wall_hours(allocations) + charges.controller_after / SECONDS_PER_HOUR
        )
    return found


def is_egress_priced(candidate: Candidate) -> bool:
    """Whether every leg of the data's way has a price."""
    return candidate.egress_usd_per_token is not None and candidate.egress_missing == 0


def is_fully_priced(made: Estimate) -> bool:
    """Whether the dollars of a fleet leave nothing out. Else they are the least that it costs."""
    return made.usd is not None and not made.unpriced


def bound_usd(unpriced: Mapping[str, Decimal | None]) -> Decimal:
    """The most that the missing parts cost together, as far as there are bounds."""
    return sum((usd for usd in unpriced.values() if usd is not None), Decimal(0))


def egress_usd_per_token(candidate: Candidate) -> Decimal:
    """USD a token of the way of texts and vectors, the parts without a price at their bound."""
    return (candidate.egress_usd_per_token or Decimal(0)) + (candidate.egress_missing or Decimal(0))


def with_bounds(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates, each unknown price with an upper bound, where another candidate has a price of its kind.

    A bound that a candidate has already is kept. Without any price of a kind, all candidates lack it alike.
    """
    disk = max((c.disk_usd_per_hour for c in candidates if c.disk_usd_per_hour is not None), default=None)
    egress = max(
        (c.egress_usd_per_token or Decimal(0) for c in candidates if is_egress_priced(c)), default=None
    )
    return tuple(_with_bounds(candidate, disk, egress) for candidate in candidates)


def _with_bounds(candidate: Candidate, disk: Decimal | None, egress: Decimal | None) -> Candidate:
    if candidate.disk_usd_per_hour is None and candidate.disk_at_most is None and disk is not None:
        candidate = replace(candidate, disk_at_most=disk)
    known = candidate.egress_usd_per_token
    lacks = candidate.egress_missing is None or (known is None and candidate.egress_missing == 0)
    if lacks and egress is not None:
        candidate = replace(candidate, egress_missing=max(Decimal(0), egress - (known or Decimal(0))))
    return candidate


def _machine_hours(allocation: Allocation) -> float:
    """Paid machine hours of an allocation, everything at its median."""
    candidate = allocation.candidate
    work = allocation.tokens / candidate.tokens_per_second.mid
    lost = preemption_overhead(candidate.hazard.mid, candidate.cold_start.mid)
    lived = work * (1 + lost) / allocation.machines + candidate.cold_start.mid + tail_seconds(candidate)
    return allocation.machines * (lived + stop_seconds(candidate, lived)) / SECONDS_PER_HOUR


def _times(usd: Decimal | None, amount: float) -> Decimal | None:
    return None if usd is None else usd * decimal_of_float(amount)


def _sum(parts: Sequence[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None
