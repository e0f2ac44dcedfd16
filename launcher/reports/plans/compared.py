"""What was chosen beside other ways to do the work, in sentences: the plan's first lines, and the report's.

Pure words: knows a saved plan, and no way to show it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from launcher.format import compact, money
from launcher.planning.saved.saved_alternatives import ComparedWay, HostedOption
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.plans.steering_lines import is_steered

RELATIONS = {
    "same weights": "the same weights",
    "same class": "another model of its size class: other vectors",
}
FLEET, STEERED_FLEET = "this fleet", "the steered fleet"
SURE = 0.995  # a chance beyond is not written as 0 % or 100 %
MOST_NOTES = 8
LETTERS = 120  # of a name or a note


@dataclass(frozen=True, slots=True)
class Sentence:
    """One comparison. `better`: the other way is; `notes` hold what does not fit or is not known."""

    better: bool
    text: str
    notes: tuple[str, ...]


def comparisons(plan: SavedPlan) -> tuple[Sentence, ...]:
    """What was chosen beside each other way, the same weights hosted first."""
    chosen = chosen_text(plan)
    storage = storage_usd(plan)
    apart = f", without {money(storage)} of storage" if storage else ""
    bound = sum((usd for k, usd in plan.totals.unpriced.items() if usd and k != "storage"), Decimal(0))
    found: list[Sentence] = []
    for one in plan.compared:
        middle, high, mean = money(one.fleet_p50), money(one.fleet_p90), money(one.fleet_mean)
        own = "" if found else f", {chosen} {middle} (P90 {high}, mean {mean}{apart})"  # said once
        notes = tuple(_cut(note) for note in one.notes[:MOST_NOTES])
        found.append(Sentence(one.better, _text(one, chosen, own, bound), notes))
    return tuple(found)


def chosen_text(plan: SavedPlan) -> str:
    """What the other ways are compared with."""
    if plan.lots[0].cloud == "local":
        return "this machine"
    return STEERED_FLEET if is_steered(plan) else FLEET


def storage_usd(plan: SavedPlan) -> Decimal | None:
    """What the storage of the vectors costs, which is on neither side of a comparison."""
    return plan.totals.items.get("storage")


def _cut(words: str) -> str:
    """The beginning of a name or a note."""
    return words if len(words) <= LETTERS else f"{words[: LETTERS - 1]}…"


def _text(way: ComparedWay, chosen: str, own: str, bound: Decimal) -> str:
    """One way; `own` is what the choice costs, where that was not said yet, `bound` what its unpriced parts may cost."""
    word = "CHEAPER" if way.relation == "same class" else "BETTER"
    head = f"{word}: " if way.better else "Not clear: " if way.unpriced else f"Not {word.lower()}: "
    related = f" ({RELATIONS[way.relation]})" if way.relation in RELATIONS else ""
    price = money(way.usd)
    if way.usd != way.usd_p90:
        price += f" (P90 {money(way.usd_p90)})"
    elif way.relation in RELATIONS:
        price += " for certain"
    middle, end = _difference(way.fleet_p50, way.usd), _difference(way.fleet_p90, way.usd_p90)
    more = ""
    if way.unpriced:
        items = ", ".join(_cut(name).replace("_", " ") for name in way.unpriced[:MOST_NOTES])
        upto = f"up to {money(bound)} " if bound else ""
        more = f"; {chosen} costs {upto}more than that: {items} not priced"
    return (
        f"{head}{_cut(way.name)}{related} costs {price}{own}: {chosen} costs {middle} at P50, {end} at P90; "
        f"{_chance(way)} that it is cheaper{more}{_break_even(way, chosen)}"
    )


def _difference(own: Decimal, other: Decimal) -> str:
    if own == other:
        return "the same"
    return f"{money(abs(own - other))} {'less' if own < other else 'more'}"


def _chance(way: ComparedWay) -> str:
    """The chance in words: never 0 % or 100 %, and at most what is known where something has no price."""
    if way.chance > SURE:
        return "an unknown chance" if way.unpriced else "a chance of more than 99 %"
    if way.chance < 1 - SURE:
        return "a chance of less than 1 %"
    return f"a chance of {'at most ' if way.unpriced else ''}{way.chance * 100:.0f} %"


def _break_even(way: ComparedWay, chosen: str) -> str:
    if not way.better or way.relation not in RELATIONS or chosen not in (FLEET, STEERED_FLEET):
        return ""
    if way.break_even_tokens_per_month is None:
        return "; no number of tokens a month makes it cheaper"
    return f"; from {compact(way.break_even_tokens_per_month)} tokens a month it is cheaper"


def other_models(plan: SavedPlan) -> Iterator[str]:
    """A note for the cheapest smaller model, and for the cheapest of unknown size, that ask less than the P50 to expect.

    They are other models, not other ways to make these vectors.
    """
    usd = plan.expected_usd.p50
    if usd is None:
        return
    for relation, words in (("smaller", "a smaller model"), ("unknown", "a model of unpublished size")):
        found = [api for api in plan.hosted if api.relation == relation and least(api) < usd]
        if found:
            api = min(found, key=least)
            yield (
                f"{words}, {_cut(f'{api.provider} {api.model}')}, costs {money(least(api))}: "
                "other vectors, of another quality"
            )


def least(api: HostedOption) -> Decimal:
    """The lower of list and batch price."""
    return api.usd if api.batch_usd is None else min(api.usd, api.batch_usd)
