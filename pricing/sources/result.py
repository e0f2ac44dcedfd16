"""What asking a price source gives: quotes, or the reason why there are none.

Every source returns the same small value, so that a refresh can ask them all and say of each what came of it. Nothing
here judges a price: that is `pricing/validate.py`.
"""

from dataclasses import dataclass
from decimal import Decimal

from pricing.offer import Quote


@dataclass(frozen=True, slots=True)
class Fetched:
    """One source's answer. `offerings` are the (instance type, region) pairs that it knows to exist.

    They speak of the types they name and of no other. A quote of such a type in a region that is not named with it is
    for a machine which that region does not have. None: the source cannot tell, and its quotes may say so in a flag.
    """

    quotes: tuple[Quote, ...]
    offerings: frozenset[tuple[str, str]] | None
    notes: tuple[str, ...]  # what was left out or read otherwise than it stands, one sentence each


class Unanswered(Exception):  # noqa: N818 - a state of the world, not a mistake of ours
    """A source gave no prices: no network, no credentials, or an answer that cannot be read."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint  # the next thing to try


def plain(price: Decimal) -> Decimal:
    """The same price without zeros at its end: feeds write 0.8048000000, and one price is to be written one way."""
    short = price.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short
