"""Which offers of the price book a job may use, and what a machine-hour of each is likely to cost it.

Pure. Left out, each with its reason: what the job's limits exclude, what cannot be launched (clouds that SkyPilot does
not know, places that the account must ask for first), and spot quotes that say nothing about a price.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase

from launcher.jobs.job import Job, JobLimits
from pricing import gpu as gpus
from pricing.account import access
from pricing.account.discounts import discount_of
from pricing.expected_price import expected_prices
from pricing.offer import Offer

# Spot quotes with one of these flags are no evidence of a price: they are never chosen.
NO_EVIDENCE = {
    "floor": "spot at the floor of about a tenth of on-demand: no evidence of a price",
    "unmoved": "spot unchanged for months while its neighbours moved: no evidence of a price",
}


@dataclass(frozen=True, slots=True)
class UsableOffer:
    """An offer that the job may use. `usd_per_hour` is what it is likely to cost now, after the account's discount."""

    offer: Offer
    usd_per_hour: Decimal
    discount: str | None  # in words; None: none fits
    at_most: int | None  # machines of this offer that there are; None: not known


def usable_offers(
    offers: Sequence[Offer], job: Job, now: datetime
) -> tuple[tuple[UsableOffer, ...], Counter[str]]:
    """The offers that a job may use, and how many were left out, by the reason."""
    left_out = Counter[str]()
    found: list[UsableOffer] = []
    wanted = frozenset(gpus.canonical(name) or name for name in job.limits.gpus)
    prices = expected_prices(offers, now)
    for offer in offers:
        reason = _violated_limit(offer, job.limits, wanted) or unusable_reason(offer, job.limits)
        if reason:
            left_out[reason] += 1
            continue
        discount = discount_of(offer, job.discounts)
        usd = prices[offer.key].usd_per_hour
        found.append(
            UsableOffer(
                offer=offer,
                usd_per_hour=usd if discount is None else discount.price(usd),
                discount=None if discount is None else str(discount),
                at_most=1 if offer.cloud in access.SINGLE_HOST_CLOUDS else None,
            )
        )
    return tuple(found), left_out


def unusable_reason(offer: Offer, limits: JobLimits) -> str | None:
    """Why no machine is rented by this offer, whatever it costs; None: one may be."""
    if access.unlaunchable(offer.cloud):
        return f"{offer.cloud}: SkyPilot launches nothing there, so its prices are for comparison only"
    if offer.spot and not access.rents_spot(offer.cloud):
        return f"{offer.cloud}: SkyPilot rents no spot machines there"
    gate = access.gated_place(offer.cloud, offer.region, offer.zone)
    if gate is not None:
        if not access.is_allowed(gate, limits.opt_in):
            return gate.reason
        outside = gate.access in ("local-zone", "wavelength-zone")
        if outside and access.zone_name(offer.region, offer.zone) is None:
            return f"{access.WORDS[gate.access]}, of which only the account knows the name"
    return next((why for flag, why in NO_EVIDENCE.items() if offer.spot and flag in offer.flags), None)


def _violated_limit(offer: Offer, limits: JobLimits, wanted: frozenset[str]) -> str | None:
    """The limit that keeps an offer out, else None. `wanted` are the GPUs of limits.gpus by our names."""
    if wanted and offer.gpu not in wanted:
        return "limits.gpus"
    if limits.clouds and offer.cloud not in limits.clouds:
        return "limits.clouds"
    if limits.regions and not any(fnmatchcase(offer.region, pattern) for pattern in limits.regions):
        return "limits.regions"
    if limits.spot == ("never" if offer.spot else "only"):
        return "limits.spot"
    return None
