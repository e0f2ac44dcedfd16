"""What a job names that no offer has: a misspelt region shrinks the market, or loses a discount, without a word. Pure."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, get_close_matches
from fnmatch import fnmatchcase

from launcher.jobs.job import Job
from pricing.account import access
from pricing.offer import Offer

NEAR = 0.6  # how alike a name must be to be suggested
ALL = "*"


def unmatched_names(job: Job, offers: Sequence[Offer]) -> tuple[str, ...]:
    """A sentence for each pattern of regions or opt-in places, and each discount, that fits no offer."""
    limits = job.limits
    clouds = [offer for offer in offers if not limits.clouds or offer.cloud in limits.clouds]
    return (
        *_patterns("limits.regions", limits.regions, sorted({offer.region for offer in clouds})),
        *_patterns("limits.opt_in", limits.opt_in, sorted(_gated(offers))),
        *_discounts(job, offers),
    )


def near_region(pattern: str, offers: Sequence[Offer]) -> str | None:
    """The regions of offers that are spelt most like a pattern that fits none."""
    names = sorted({offer.region for offer in offers})
    return None if any(fnmatchcase(name, pattern) for name in names) else _near(pattern, names)


def _patterns(key: str, patterns: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        if pattern != ALL and not any(fnmatchcase(name, pattern) for name in names):
            yield f"{key} {pattern}: no offer is there{_did_you_mean(_near(pattern, names))}"


def _gated(offers: Sequence[Offer]) -> set[str]:
    """The places of offers that an account must ask for first."""
    places = {(offer.cloud, offer.region, offer.zone) for offer in offers}
    found = (access.gated_place(cloud, region, zone) for cloud, region, zone in places)
    return {place.name for place in found if place is not None}


def _discounts(job: Job, offers: Sequence[Offer]) -> Iterator[str]:
    for number, discount in enumerate(job.discounts):
        if any(discount.fits(offer) for offer in offers):
            continue
        names = sorted({offer.region for offer in offers if offer.cloud == discount.cloud})
        pattern = discount.region
        near = None
        if pattern is not None and not any(fnmatchcase(name, pattern) for name in names):
            near = _near(pattern, names)
        yield f"discounts[{number}] ({discount}): fits no offer{_did_you_mean(near)}"


def _near(name: str, names: Sequence[str]) -> str | None:
    """The names that are spelt most like it."""
    found = get_close_matches(name, names, 3, NEAR)
    alike = [SequenceMatcher(None, name, one).ratio() for one in found]
    return (
        " or ".join(sorted(one for one, ratio in zip(found, alike, strict=True) if ratio == alike[0])) or None
    )


def _did_you_mean(name: str | None) -> str:
    return "" if name is None else f"; did you mean {name}?"
