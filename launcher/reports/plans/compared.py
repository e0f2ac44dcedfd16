"""What was chosen beside other ways to do the work, in sentences, the same on the screen, the page and in Markdown.

Like with like: the first is the same weights hosted, or that no API serves them; then this machine or rented ones.
Another model makes other vectors: it is a note, with its size and quality. Pure words: knows a saved plan, and no way to
show it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.format import compact, money
from launcher.planning.saved.saved_alternatives import NO_API, ComparedWay, HostedOption, size_and_quality
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.plans.steering_lines import is_steered
from tasks.models.files import HASH_MODEL

SAME_WEIGHTS, SAME_CLASS = "same weights", "same class"  # relations of hosted models
FLEET, STEERED_FLEET = "this fleet", "the steered fleet"
SURE = 0.995  # a chance beyond is not written as 0 % or 100 %
MOST_NOTES = 8
LETTERS = 120  # of a name or a note
SHORT_LETTERS = 40  # of a name on a screen


@dataclass(frozen=True, slots=True)
class Sentence:
    """One comparison. `better`: the other way is; `notes` hold what does not fit or is not known."""

    better: bool
    text: str
    notes: tuple[str, ...]


def like_with_like(plan: SavedPlan) -> tuple[Sentence, ...]:
    """The same weights hosted, or that no API serves them, then this machine or rented ones."""
    ways = [one for one in plan.compared if one.relation != SAME_CLASS]
    said = [] if any(one.relation == SAME_WEIGHTS for one in ways) else _without_api(plan)
    return (*said, *_sentences(plan, ways))


def another_model(plan: SavedPlan) -> tuple[Sentence, ...]:
    """The cheapest hosted model of the same size class, with its size and quality: a note."""
    alike = any(one.relation != SAME_CLASS for one in plan.compared)
    ways = [one for one in plan.compared if one.relation == SAME_CLASS]
    return tuple(_sentences(plan, ways, own_is_said=alike))


def short_headlines(plan: SavedPlan) -> tuple[Sentence, ...]:
    """`like_with_like` for a screen: each way with the two P50, their difference and the chance.

    With the same weights hosted, another way only where it is better.
    """
    ways = [one for one in plan.compared if one.relation != SAME_CLASS]
    hosted = [one for one in ways if one.relation == SAME_WEIGHTS]
    said = [] if hosted else _without_api(plan)
    return (*said, *(_short(plan, one) for one in ways if not hosted or one in hosted or one.better))


def short_notes(plan: SavedPlan) -> Iterator[str]:
    """`another_model` for a screen; with the same weights hosted, only what is cheaper than the choice."""
    hosted = any(one.relation == SAME_WEIGHTS for one in plan.compared)
    for way in plan.compared:
        if way.relation == SAME_CLASS and (way.better or not hosted):
            yield (
                f"another model of its size class, {_cut(way.name, SHORT_LETTERS)} "
                f"({size_and_quality(way.parameters)}), costs {money(way.usd)}: "
                f"{chosen_text(plan)} costs {_difference(way.fleet_p50, way.usd)}, {_chance(way)} "
                "that it is cheaper"
            )


def _without_api(plan: SavedPlan) -> list[Sentence]:
    """What is said where nothing is compared with the same weights hosted."""
    if not plan.hosted or plan.work.model == HASH_MODEL:
        return []
    same = [api for api in plan.hosted if api.comparable]
    if not same:
        return [Sentence(better=False, text=NO_API, notes=())]
    api = min(same, key=least)
    name = _cut(f"{api.provider} {api.model}")
    text = (
        f"{name} (the same weights) costs {money(least(api))}; what {chosen_text(plan)} costs is not known."
    )
    return [Sentence(better=False, text=text, notes=())]


def _sentences(plan: SavedPlan, ways: Sequence[ComparedWay], *, own_is_said: bool = False) -> list[Sentence]:
    chosen = chosen_text(plan)
    storage = storage_usd(plan)
    apart = f", without {money(storage)} of storage" if storage else ""
    missing = [usd for name, usd in plan.expected_unpriced.items() if name != "storage"]
    # Without a bound of one of them, the bounds of the others are no bound of all.
    bound = Decimal(0) if None in missing else sum((usd for usd in missing if usd), Decimal(0))
    found: list[Sentence] = []
    for one in ways:
        middle, high, mean = money(one.fleet_p50), money(one.fleet_p90), money(one.fleet_mean)
        said = own_is_said or found
        own = "" if said else f", {chosen} {middle} (P90 {high}, mean {mean}{apart})"
        notes = tuple(_cut(note) for note in one.notes[:MOST_NOTES])
        found.append(Sentence(one.better and _is_clear(one), _text(one, chosen, own, bound), notes))
    return found


def _short(plan: SavedPlan, way: ComparedWay) -> Sentence:
    storage = storage_usd(plan)
    apart = f"; storage of {money(storage)} apart" if storage else ""
    text = (
        f"{_verdict(way)}{_cut(way.name, SHORT_LETTERS)}{_related(way)} costs {money(way.usd)}, {chosen_text(plan)} "
        f"{'at least ' if way.unpriced else ''}{money(way.fleet_p50)} (P90 {money(way.fleet_p90)}): "
        f"{_difference(way.fleet_p50, way.usd)}, {_chance(way)} that it is cheaper{apart}"
    )
    return Sentence(way.better and _is_clear(way), text, ())


def _verdict(way: ComparedWay) -> str:
    word = "CHEAPER" if way.relation == SAME_CLASS else "BETTER"
    if not _is_clear(way):
        return "Not clear: "
    return f"{word}: " if way.better else f"Not {word.lower()}: "


def _is_clear(way: ComparedWay) -> bool:
    """Whether what has no price cannot turn the verdict: counted at its bound it does not, or it has none left out."""
    if not way.unpriced:
        return True
    return way.fleet_mean > way.usd if way.better else way.chance_least is not None


def _related(way: ComparedWay) -> str:
    """How the model of a hosted API is related, in brackets."""
    if way.relation == SAME_WEIGHTS:
        return " (the same weights)"
    if way.relation == SAME_CLASS:
        return f" (another model of its size class: {size_and_quality(way.parameters)})"
    return ""


def chosen_text(plan: SavedPlan) -> str:
    """What the other ways are compared with."""
    if plan.lots[0].cloud == "local":
        return "this machine"
    return STEERED_FLEET if is_steered(plan) else FLEET


def storage_usd(plan: SavedPlan) -> Decimal | None:
    """What the storage of the vectors costs, which is on neither side of a comparison."""
    return plan.totals.items.get("storage")


def _cut(words: str, letters: int = LETTERS) -> str:
    """The beginning of a name or a note."""
    return words if len(words) <= letters else f"{words[: letters - 1]}…"


def _text(way: ComparedWay, chosen: str, own: str, bound: Decimal) -> str:
    """One way; `own` is what the choice costs, where that was not said yet, `bound` what its unpriced parts may cost."""
    hosted = way.relation in (SAME_WEIGHTS, SAME_CLASS)
    price = money(way.usd)
    if way.usd != way.usd_p90:
        price += f" (P90 {money(way.usd_p90)})"
    elif hosted:
        price += " for certain"
    middle, end = _difference(way.fleet_p50, way.usd), _difference(way.fleet_p90, way.usd_p90)
    more = ""
    if way.unpriced:
        items = ", ".join(_cut(name).replace("_", " ") for name in way.unpriced[:MOST_NOTES])
        upto = f"up to {money(bound)} " if bound else ""
        more = f"; {chosen} costs {upto}more than that: {items} not priced"
    return (
        f"{_verdict(way)}{_cut(way.name)}{_related(way)} costs {price}{own}: "
        f"{chosen} costs {middle} at P50, {end} at P90; "
        f"{_chance(way)} that it is cheaper{more}{_break_even(way, chosen)}"
    )


def _difference(own: Decimal, other: Decimal) -> str:
    if own == other:
        return "the same"
    return f"{money(abs(own - other))} {'less' if own < other else 'more'}"


def _chance(way: ComparedWay) -> str:
    """The chance in words: never 0 % or 100 %, and a range where something has no price."""
    most, least = way.chance, way.chance_least
    if least is None:
        least = 0.0 if way.unpriced else most
    if most < 1 - SURE:
        return "a chance of less than 1 %"
    if least > SURE:
        return "a chance of more than 99 %"
    low, high = f"{least * 100:.0f}", f"{most * 100:.0f}"
    if least < 1 - SURE:
        return "an unknown chance" if most > SURE else f"a chance of at most {high} %"
    if most > SURE:
        return f"a chance of at least {low} %"
    return f"a chance of {low} %" if low == high else f"a chance of {low} to {high} %"


def _break_even(way: ComparedWay, chosen: str) -> str:
    if (
        not way.better
        or way.relation not in (SAME_WEIGHTS, SAME_CLASS)
        or chosen not in (FLEET, STEERED_FLEET)
    ):
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
    for relation, words in (("smaller", "a smaller model"), ("unknown", "another model")):
        found = [api for api in plan.hosted if api.relation == relation and least(api) < usd]
        if found:
            api = min(found, key=least)
            yield (
                f"{words}, {_cut(f'{api.provider} {api.model}')} ({size_and_quality(api.parameters)}), "
                f"costs {money(least(api))}: other vectors"
            )


def least(api: HostedOption) -> Decimal:
    """The lower of list and batch price."""
    return api.usd if api.batch_usd is None else min(api.usd, api.batch_usd)
