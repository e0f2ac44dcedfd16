"""Whether the prices of a steered plan still hold: every kind of its envelope beside today's price book. Pure.

A kind whose price moved is repriced, and the run steers by today's price: spot that now costs more a token than the
cheapest machine on demand is never asked for. The launch is refused only if the P90 that the user is asked for, reckoned
again at today's prices, is untrue: above the plan's by more than TOLERANCE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from launcher.format import money, share_text
from launcher.jobs.job import load
from launcher.planning.offers.price_check import (
    PLAN_AGAIN,
    TOLERANCE,
    OutdatedPlan,
    PriceCheck,
    PriceMove,
    check_age,
    machine_name,
    names,
)
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.saved.steering_plan import Envelope, SteeredKind
from launcher.planning.steering.steering_forecast import p90_at
from pricing.account.discounts import discount_of
from pricing.expected_price import expected_prices
from pricing.offer import Offer
from pricing.staleness import is_stale

MachineKey = tuple[str, str, str, bool, str, float]  # cloud, region, type, spot, GPU, GPUs


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopePrices:
    """What the kinds of an envelope cost today. `usd`: USD an hour of a machine by position, where the book has it."""

    usd: Mapping[int, Decimal] = field(default_factory=dict[int, Decimal])
    risen: tuple[PriceMove, ...] = ()
    too_dear: tuple[
        str, ...
    ] = ()  # spot kinds that cost no less a token than machines on demand, as they did not
    p90: Decimal | None = None  # of the run at these prices; None: unknown
    check: PriceCheck = field(default_factory=PriceCheck)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know before saying yes."""
        found: list[str] = []
        if self.risen:
            p90 = "" if self.p90 is None else f"; with today's the P90 is {money(self.p90)}"
            found.append(f"dearer than planned: {names(self.risen)}. Steering goes by today's prices{p90}")
        if self.too_dear:
            found.append(f"too dear now, so not asked for while machines can be had: {names(self.too_dear)}")
        return (*found, *self.check.remarks)


def check_envelope(plan: SavedPlan, offers: Sequence[Offer], now: datetime) -> EnvelopePrices:
    """Compare all that a steered launch may rent with a price book.

    Raises:
        OutdatedPlan: the plan is too old, or its P90 is no longer true.
        ValueError: the plan is not steered.
    """
    check_age(plan, now)
    found = envelope_prices(plan, offers, now)
    if plan.steering is None or plan.usd_p90 is None or found.p90 is None:
        return found
    if found.p90 > plan.usd_p90 * (1 + TOLERANCE):
        raise OutdatedPlan(
            f"prices have risen since the plan was made, and its P90 with the safety net would be {money(found.p90)}, "
            f"more than {share_text(float(TOLERANCE))} above {money(plan.usd_p90)}: {names(found.risen)}",
            hint=PLAN_AGAIN,
        )
    job = load(plan.work.job)
    budget = job.limits.budget
    if job.limits.when_short == "deadline" and budget is not None and plan.usd_p90 <= budget < found.p90:
        raise OutdatedPlan(
            f"limits.when_short is deadline, and at today's prices keeping it costs up to {money(found.p90)} (P90); "
            f"limits.budget is {money(budget)}: {names(found.risen)}",
            hint=PLAN_AGAIN,
        )
    return found


def envelope_prices(plan: SavedPlan, offers: Sequence[Offer], now: datetime) -> EnvelopePrices:
    """Each kind of the envelope at the price of the book that is likely now, after the job's discounts.

    Raises:
        ValueError: the plan is not steered.
    """
    if plan.steering is None:
        raise ValueError(f"the plan of {plan.run} is not steered")
    envelope = plan.steering.envelope
    discounts, likely = load(plan.work.job).discounts, expected_prices(offers, now)
    by_key: dict[MachineKey, list[Offer]] = {}
    for offer in offers:
        key = (offer.cloud, offer.region, offer.instance_type, offer.spot, offer.gpu, offer.gpus)
        by_key.setdefault(key, []).append(offer)
    usd: dict[int, Decimal] = {}
    risen, fallen = list[PriceMove](), list[PriceMove]()
    unlisted, stale = list[str](), list[str]()
    for number, kind in enumerate(envelope.kinds):
        name = kind_name(kind)
        offer = _offer_of(kind, by_key)
        if offer is None:
            unlisted.append(name)
            continue
        if is_stale(offer, now):
            stale.append(f"{name} of {offer.as_of}")
        discount = discount_of(offer, discounts)
        price = likely[offer.key].usd_per_hour
        price = round(price if discount is None else discount.price(price), 6).normalize()
        usd[number] = price
        if price > kind.usd_per_hour * (1 + TOLERANCE):
            risen.append(PriceMove(name, kind.usd_per_hour, price))
        elif price < kind.usd_per_hour * (1 - TOLERANCE):
            fallen.append(PriceMove(name, kind.usd_per_hour, price))
    return EnvelopePrices(
        usd=usd,
        risen=tuple(risen),
        too_dear=_too_dear(envelope, usd),
        p90=p90_at(plan, repriced(envelope, usd), now),
        check=PriceCheck(fallen=tuple(fallen), unlisted=tuple(unlisted), stale=tuple(stale)),
    )


def repriced(envelope: Envelope, usd: Mapping[int, Decimal]) -> Envelope:
    """The envelope at other prices, USD an hour by position, in the same order: quotas name kinds by position."""
    kinds = tuple(
        replace(
            kind,
            usd_per_hour=usd.get(number, kind.usd_per_hour),
            usd_per_million_tokens=kind.egress_usd_per_million_tokens
            + (kind.usd_per_million_tokens - kind.egress_usd_per_million_tokens)
            * (usd[number] / kind.usd_per_hour if number in usd and kind.usd_per_hour else 1),
        )
        for number, kind in enumerate(envelope.kinds)
    )
    return replace(envelope, kinds=kinds)


def kind_name(kind: SteeredKind) -> str:
    """A kind in a message."""
    purchase = "spot" if kind.spot else "on demand"
    return f"{machine_name(kind.cloud, kind.region, kind.zone, kind.instance_type)} {purchase}"


def _offer_of(kind: SteeredKind, by_key: Mapping[MachineKey, Sequence[Offer]]) -> Offer | None:
    """The offer of the kind's zone, else the cheapest of its region, as a plan without a zone prices it."""
    key = (kind.cloud, kind.region, kind.instance_type, kind.spot, kind.gpu, kind.gpus_per_machine)
    here = by_key.get(key, ())
    exact = [offer for offer in here if offer.zone == kind.zone]
    return min(exact or here, key=lambda offer: offer.usd_per_hour, default=None)


def _too_dear(envelope: Envelope, usd: Mapping[int, Decimal]) -> tuple[str, ...]:
    """Spot that was cheaper a token than any machine on demand, and is not at these prices."""
    if not envelope.on_demand:
        return ()
    kinds = repriced(envelope, usd).kinds
    net = min((kind.usd_per_million_tokens for kind in kinds if not kind.spot), default=None)
    planned = min((k.usd_per_million_tokens for k in envelope.kinds if not k.spot), default=None)
    if net is None or planned is None:
        return ()
    return tuple(
        kind_name(now)
        for before, now in zip(envelope.kinds, kinds, strict=True)
        if now.spot and now.usd_per_million_tokens >= net and before.usd_per_million_tokens < planned
    )
