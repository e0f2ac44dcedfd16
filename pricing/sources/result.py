"""What a price source returns: quotes, or an error with the reason why there are none.

All sources return the same type, so that a refresh can treat them alike. Prices are not validated here: that is
`pricing/book/validate.py`.
"""

from dataclasses import dataclass
from decimal import Decimal

from pricing.offer import Quote


@dataclass(frozen=True, slots=True)
class FetchedPrices:
    """The prices of one source. `offerings` are the (instance type, region) pairs that it knows to exist.

    Offerings say nothing about types that are not in them. A quote of a listed type in a region that is not listed with
    it is for a machine that the region does not have. None: the source has no offerings, and its quotes may have the
    flag "region_unverified".
    """

    quotes: tuple[Quote, ...]
    offerings: frozenset[tuple[str, str]] | None
    notes: tuple[str, ...]  # what was left out or corrected, one sentence each


class SourceUnavailable(Exception):  # noqa: N818 - a state of the source, not a defect
    """A source returned no prices: no network, no credentials, or a response that cannot be read."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint  # the next thing to try


def without_trailing_zeros(price: Decimal) -> Decimal:
    """Remove zeros at the end of a price: feeds write 0.8048000000, and equal prices should be written equally."""
    short = price.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short
