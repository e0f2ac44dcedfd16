"""Machines, places and ranges of a saved plan in the few words that the page has room for.

Knows the plan, and no page. A foreign name may have any length: it is cut.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from launcher.format import compact, count, plain, plural, signed_money
from launcher.planning.saved.saved_alternatives import GroupSummary, SingleTypeFleet
from launcher.planning.saved.saved_plan import (
    CorpusFigures,
    HoursQuantiles,
    MachineGroup,
    QuotaNeed,
    UsdQuantiles,
)
from launcher.reports.html.elements import Markup, join, tag
from launcher.reports.plans.place_names import place_names

SHOWN_GROUPS = 3  # of a fleet in one cell
SHOWN_LETTERS = 200  # of a name

MachineType = MachineGroup | GroupSummary | SingleTypeFleet


def interval(profile: CorpusFigures, name: str, text: Callable[[float], str] = compact) -> str:
    """The 95 % interval of an estimated count; empty if it was counted exactly."""
    low, high = profile.interval[name]
    return "" if low == high else f"{text(low)} to {text(high)}"


def between(quantiles: UsdQuantiles | HoursQuantiles, text: Callable[[Any], str]) -> str:
    """P10 and P90; empty if they are unknown."""
    return "" if quantiles.p10 is None else f"{text(quantiles.p10)} to {text(quantiles.p90)}"


def extra_cost(usd: Decimal | None) -> str:
    """What another fleet costs more than the chosen one."""
    if usd is None:
        return "?"
    return "the same" if not usd else signed_money(usd)


def machine(kind: MachineType) -> str:
    """A machine type, such as `8 x L4`."""
    return "this machine" if is_local(kind) else f"{kind.gpus_per_machine:g} x {short(kind.gpu)}"


def purchase(kind: MachineType | QuotaNeed, *, bare: bool = False) -> str:
    """Cloud and purchase kind, such as `aws, spot`; `bare` leaves the cloud out. Empty for this machine."""
    if is_local(kind):
        return ""
    bought = "spot" if kind.spot else "on demand"
    return bought if bare else f"{short(kind.cloud)}, {bought}"


def place(group: MachineGroup) -> str:
    """The cheapest region of a group, how many others it has, and its purchase kind."""
    cheapest, *others = place_names(group)
    rest = f" and {plural(len(others), 'region')} more" if others else ""
    return f"{short(group.cloud)} {short(cheapest)}{rest}, {purchase(group, bare=True)}"


def fleet(groups: Sequence[MachineGroup | GroupSummary]) -> str:
    """The first groups of a fleet, and how many more it has."""
    parts = [
        f"{count(group.machines)} of {machine(group)} ({purchase(group)})".removesuffix(" ()")
        for group in groups[:SHOWN_GROUPS]
    ]
    more = len(groups) - SHOWN_GROUPS
    return ", ".join(parts) + (f" and {plural(more, 'group')} more" if more > 0 else "")


def is_local(kind: MachineType | QuotaNeed) -> bool:
    """Whether this is the machine that embedfleet runs on."""
    return kind.cloud == "local"


def spaced(name: str) -> str:
    """A field's name with spaces, cut to a readable length."""
    return short(name).replace("_", " ")


def in_brackets(text: str) -> str:
    """The text in brackets after a space; empty if there is none."""
    return f" ({text})" if text else ""


def short(text: str) -> str:
    """Foreign text, cut to a readable length."""
    return plain(text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}\N{HORIZONTAL ELLIPSIS}")


def with_detail(text: str, detail: str) -> Markup:
    """A figure or a name, and below it in small what belongs to it, such as P10 and P90 of a P50."""
    return join(text, tag("span", detail, class_="between") if detail else "")
