"""What a steered run is expected to cost, item by item, and which of its prices are not known. Pure.

The forecast knows the dollars of machines and who does the work. What goes with the machines (disks, egress) follows
from that; what goes with the hours (SkyPilot's controller) from the hours that the steered run takes, which are not
those of the planned machines.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.money import SECONDS_PER_HOUR, decimal_of_float
from launcher.planning.estimates.estimate import Candidate, RunCharges
from launcher.planning.estimates.quantiles import HoursQuantiles
from launcher.planning.saved.steering_plan import Envelope
from launcher.steering.course import Forecast

NO_SHARE = 0.001  # of the tokens: a place that does less is no reason to call a price unknown
SteeredPlace = tuple[str, str, str | None, str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredCosts:
    """USD of a steered run. `items` are at P50 (None: no price is known); `beside_*` are all of them but machines.

    `unpriced` names the items that lack a price in whole or in part, each with the most that it costs (None: no bound).
    """

    items: Mapping[str, Decimal | None]
    beside_p10: Decimal
    beside_p50: Decimal
    beside_p90: Decimal
    unpriced: Mapping[str, Decimal | None]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one kind does of the work. `end` is 0 for the median, and 1 for places that are worse."""

    candidate: Candidate
    tokens: tuple[float, float]  # by `end`

    def hours(self, end: int) -> float:
        """Machine-hours that work."""
        return self.tokens[end] / self.candidate.tokens_per_second.mid / SECONDS_PER_HOUR


def place_of(one: Candidate) -> SteeredPlace:
    """What tells a candidate of an envelope from the others."""
    return one.cloud, one.region, one.zone, one.instance_type, one.spot


def steered_costs(
    forecast: Forecast,
    envelope: Envelope,
    candidates: Sequence[Candidate],
    *,
    charges: RunCharges,
    tokens: float,
    machines: Decimal,
    hours: HoursQuantiles,
) -> SteeredCosts:
    """The items of a steered run. `machines`: USD of them at P50, `hours`: of the run."""
    parts = list(_parts(forecast, envelope, candidates, tokens))
    disks = [_disk(parts, usd, end) for end, usd in enumerate((machines, forecast.usd_to_finish_p90))]
    ways = [_egress(parts, end) for end in (0, 1)]
    controller = [_controller(charges, at) for at in (hours.p10, hours.p50, hours.p90)]
    known = [Decimal(0) if usd is None else usd for usd in controller]
    always = (charges.storage or Decimal(0)) + disks[0] + ways[0]
    return SteeredCosts(
        items={
            "machines": machines,
            "disk": disks[0] if any(p.candidate.disk_usd_per_hour is not None for p in parts) else None,
            "egress": ways[0] if any(p.candidate.egress_usd_per_token is not None for p in parts) else None,
            "storage": charges.storage,
            "controller": controller[1],
        },
        beside_p10=always + known[0],
        beside_p50=always + known[1],
        beside_p90=(charges.storage or Decimal(0)) + max(disks) + max(ways) + known[2],
        unpriced=_unpriced(parts, charges, forecast, hours),
    )


def _parts(
    forecast: Forecast, envelope: Envelope, candidates: Sequence[Candidate], tokens: float
) -> Iterator[_Part]:
    """Who does the work; a forecast that does not say has none."""
    known = {place_of(one): one for one in candidates}
    for number, (middle, worse) in forecast.token_shares.items():
        kind = envelope.kinds[number]
        candidate = known[kind.cloud, kind.region, kind.zone, kind.instance_type, kind.spot]
        yield _Part(candidate, (max(0.0, middle) * tokens, max(0.0, worse) * tokens))


def _paid(parts: Sequence[_Part], usd: Decimal, end: int) -> float:
    """Paid machine-hours for an hour of work: starts, losses and waiting are in the dollars of the machines."""
    working = sum(float(part.candidate.usd_per_hour or 0) * part.hours(end) for part in parts)
    return max(1.0, float(usd) / working) if working > 0 else 1.0


def _disk(parts: Sequence[_Part], usd: Decimal, end: int) -> Decimal:
    """USD of the disks that have a price."""
    paid = _paid(parts, usd, end)
    each = ((p.candidate.disk_usd_per_hour or Decimal(0)) * decimal_of_float(p.hours(end)) for p in parts)
    return sum(each, Decimal(0)) * decimal_of_float(paid)


def _egress(parts: Sequence[_Part], end: int) -> Decimal:
    """USD of the ways of texts and vectors that have a price."""
    ways = ((p.candidate.egress_usd_per_token or Decimal(0)) * decimal_of_float(p.tokens[end]) for p in parts)
    return sum(ways, Decimal(0))


def _controller(charges: RunCharges, hours: float | None) -> Decimal | None:
    """USD of SkyPilot's controller, which is up as long as the run; None: no price is known."""
    return _by_hours(charges.controller_usd_per_hour, charges, hours)


def _by_hours(usd_per_hour: Decimal | None, charges: RunCharges, hours: float | None) -> Decimal | None:
    if usd_per_hour is None or hours is None:
        return None
    return usd_per_hour * decimal_of_float(hours + charges.controller_after / SECONDS_PER_HOUR)


def _unpriced(
    parts: Sequence[_Part], charges: RunCharges, forecast: Forecast, hours: HoursQuantiles
) -> dict[str, Decimal | None]:
    """The items that lack a price in whole or in part, each with the most that the missing part costs."""
    tokens = max((sum(p.tokens[end] for p in parts) for end in (0, 1)), default=0.0)
    used = [part for part in parts if max(part.tokens) > NO_SHARE * tokens]
    found: dict[str, Decimal | None] = {}
    paid = _paid(parts, forecast.usd_to_finish_p90, 1)
    disks = [part for part in used if part.candidate.disk_usd_per_hour is None]
    if disks:
        found["disk"] = _most((p.candidate.disk_at_most, paid * max(p.hours(0), p.hours(1))) for p in disks)
    ways = [p for p in used if p.candidate.egress_usd_per_token is None or p.candidate.egress_missing != 0]
    if ways:
        found["egress"] = _most((p.candidate.egress_missing, max(p.tokens)) for p in ways)
    if charges.storage is None:
        found["storage"] = None
    if charges.controller_usd_per_hour is None:
        found["controller"] = _by_hours(charges.controller_at_most, charges, hours.p90)
    return found


def _most(parts: Iterator[tuple[Decimal | None, float]]) -> Decimal | None:
    """The sum of prices times amounts; None where a price has no bound."""
    total = Decimal(0)
    for usd, amount in parts:
        if usd is None:
            return None
        total += usd * decimal_of_float(amount)
    return total
