"""Machines, places and spreads of a plan's JSON in the few words that a page has room for.

Knows the plan's fields and no page. A name from outside may be as long as it likes: it is cut.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from launcher.format import compact, count, duration, money, plain
from launcher.reports.html.elements import Markup, join, tag

LOTS = 3  # of a fleet in one cell
LETTERS = 200  # of a name

Json = Mapping[str, Any]


def deadline_of(plan: Json) -> float | None:
    """Hours from when the plan was made."""
    limits = plan["work"]["job"]["limits"]
    if limits["deadline_at"] is None:
        return limits["deadline_hours"]
    left = datetime.fromisoformat(limits["deadline_at"]) - datetime.fromisoformat(plan["created"])
    return left.total_seconds() / 3600


def interval(profile: Json, name: str, text: Callable[[float], str] = compact) -> str:
    """Between what an estimate lies; nothing of what was counted."""
    low, high = profile["interval"][name]
    return "" if low == high else f"{text(low)} to {text(high)}"


def between(spread: Json, text: Callable[[Any], str]) -> str:
    """P10 and P90; nothing where they are unknown."""
    return "" if spread["p10"] is None else f"{text(spread['p10'])} to {text(spread['p90'])}"


def more(usd: str | None) -> str:
    """What another way costs more than the chosen one."""
    if usd is None:
        return "?"
    amount = Decimal(usd)
    return "the same" if not amount else f"{'+' if amount > 0 else ''}{money(amount)}"


def machine(kind: Json) -> str:
    return "this machine" if is_local(kind) else f"{kind['gpus_per_machine']:g} x {short(kind['gpu'])}"


def purchase(kind: Json, *, bare: bool = False) -> str:
    if is_local(kind):
        return ""
    bought = "spot" if kind["spot"] else "on demand"
    return bought if bare else f"{short(kind['cloud'])}, {bought}"


def place(lot: Json) -> str:
    cheapest, *others = lot["regions"]
    rest = f" and {many(len(others), 'region')} more" if others else ""
    return f"{short(lot['cloud'])} {short(cheapest)}{rest}, {purchase(lot, bare=True)}"


def fleet(lots: Sequence[Json]) -> str:
    """Most of a fleet in few words."""
    said = [
        f"{count(lot['machines'])} of {machine(lot)} ({purchase(lot)})".removesuffix(" ()")
        for lot in lots[:LOTS]
    ]
    return ", ".join(said) + (f" and {many(len(lots) - LOTS, 'lot')} more" if len(lots) > LOTS else "")


def is_local(kind: Json) -> bool:
    return kind["cloud"] == "local"


def hours_text(hours: float) -> str:
    return duration(hours * 3600)


def spaced(name: str) -> str:
    return short(name).replace("_", " ")


def aside(text: str) -> str:
    return f" ({text})" if text else ""


def first(shown: int, all_of_them: int, things: str) -> str:
    """How many are shown, where not all are."""
    return "" if shown >= all_of_them else f"The first {count(shown)} of {count(all_of_them)} {things}."


def short(text: str) -> str:
    return plain(text if len(text) <= LETTERS else f"{text[:LETTERS]}\N{HORIZONTAL ELLIPSIS}")


def many(n: int, thing: str) -> str:
    return f"{count(n)} {thing}{'' if n == 1 else 's'}"


def over(said: str, below: str) -> Markup:
    """A figure or a name with what belongs to it in small under it, such as P10 and P90 of a P50."""
    return join(said, tag("span", below, class_="between") if below else "")
