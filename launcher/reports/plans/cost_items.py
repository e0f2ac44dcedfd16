"""The items of a plan's dollars in words, and those that lack a price. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from launcher.format import money, plain

WORDS = {
    "cold_start": "start of machines",
    "teardown": "stopping",
}  # items whose names are not words of their own

RANGE = "Dollars from - to: without what has no price, and with the most that it costs; fleets are ranked by the latter."

Items = Mapping[str, Decimal | None]


def range_note(unpriced: Iterable[Items]) -> str:
    """What a table says whose dollars are ranges (`launcher.format.least_money`); empty where none is."""
    return f" {RANGE}" if any(items and None not in items.values() for items in unpriced) else ""


def item_text(name: str) -> str:
    """The name of a cost item in words."""
    return WORDS.get(name) or plain(name).replace("_", " ")


def sum_text(items: Items) -> str:
    """The items that cost something, as a sum."""
    return " + ".join(f"{item_text(name)} {money(amount)}" for name, amount in items.items() if amount)


def missing_items(items: Items, unpriced: Items) -> list[str]:
    """The items that dollars lack in whole or in part, such as "part of egress (at most $317.00)"."""
    names = [name for name, amount in items.items() if amount is None]
    return [_missing(items, unpriced, name) for name in dict.fromkeys([*names, *unpriced])]


def _missing(items: Items, unpriced: Items, name: str) -> str:
    part = "part of " if items.get(name) is not None else ""
    most = unpriced.get(name)
    return f"{part}{item_text(name)}" + (f" (at most {money(most)})" if most else "")
