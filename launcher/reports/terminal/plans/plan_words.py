"""A plan in words, for its screen and for `plan --all`: the corpus, machines, places, fleets and items of the cost."""

from collections.abc import Sequence
from decimal import Decimal

from rich.text import Text

from launcher.corpus.files.left_out import left_out_text
from launcher.corpus.repeat_shares import CorpusRepeats
from launcher.format import compact, money, plain, plural, share_text, size
from launcher.money import decimal_of_float
from launcher.planning.saved.saved_alternatives import GroupSummary, SingleTypeFleet
from launcher.planning.saved.saved_plan import MachineGroup, SavedPlan
from launcher.reports.plans.place_names import place_names
from launcher.reports.plans.steering_lines import is_steered
from launcher.reports.terminal.truncation import truncation_line

REGION_LETTERS = 23
SHARED = "texts that the corpus repeats are embedded once for all workers"


def work_lines(plan: SavedPlan) -> list[Text]:
    """What the corpus holds, and what truncation, repetition and unread files take of it."""
    profile = plan.profile
    low, high = profile.interval["tokens"]
    work = (
        f"{plan.run}: {plural(profile.documents, 'document')}, {plural(profile.chunks, 'chunk')}, "
        f"{compact(profile.tokens)} tokens"
    )
    work += "" if low == high else f" ({compact(low)} to {compact(high)})"
    if profile.files:
        work += f", {size(profile.bytes)} of text in {plural(profile.files, 'file')}"
    lines = [work]
    if profile.documents_cut and profile.truncation is None:
        share = profile.tokens_cut / max(1, profile.tokens + profile.tokens_cut)
        lost = (
            f"loses {share_text(share)} of the tokens" if profile.tokens_cut else "loses some of their tokens"
        )
        lines.append(f"truncation cuts {plural(profile.documents_cut, 'document')} and {lost}")
    if profile.tokens_repeated:
        share = profile.tokens_repeated / max(1, profile.tokens)
        lines.append(
            f"{share_text(share)} of the tokens are in texts that repeat close by: these are embedded once"
        )
    shared = plan.work.job.get("deduplicate") == "corpus"
    if profile.repeats:
        lines.append(
            repeats_text(profile.repeats, plan.totals.items.get("compute") if shared else None, shared=shared)
        )
    elif shared:
        lines.append(f"{SHARED}: the tokens of this plan are the most; --count-repeats says how many repeat")
    if profile.bad_rows:
        lines.append(f"about {plural(profile.bad_rows, 'row')} cannot be embedded")
    if profile.left_out:
        lines.append(left_out_text(profile.left_out, examples=True))
    warning = [] if profile.truncation is None else [truncation_line(profile.truncation)]
    return [*(Text(line) for line in lines), *warning]


def repeats_text(repeats: CorpusRepeats, compute: Decimal | None = None, *, shared: bool = False) -> str:
    """How much of the whole corpus repeats, and what is done of it.

    `shared`: texts that repeat are embedded once for all workers; `compute` is then what the plan counts for all of them.
    """
    texts, low, high = (
        share_text(n) for n in (repeats.of_texts.mid, repeats.of_texts.low, repeats.of_texts.high)
    )
    between = "" if low == high else f" ({low} to {high})"
    words = (
        f"{texts} of the texts{between} and {share_text(repeats.of_characters.mid)} of the characters occur before, "
        "anywhere in the corpus"
    )
    if not shared:
        return f"{words}: a worker embeds once only those close to each other; `deduplicate: corpus` all"
    saved = (
        f", which saves about {money(compute * decimal_of_float(repeats.of_characters.mid))}"
        if compute
        else ""
    )
    return f"{words}: {SHARED}{saved}; the tokens and dollars of this plan are the most"


def instead_text(plan: SavedPlan) -> str:
    """The head of the alternatives, whose dollars are compared with those of the planned machines."""
    return "instead of the static fleet" if is_steered(plan) else "instead"


def machine_text(kind: MachineGroup | GroupSummary | SingleTypeFleet) -> str:
    """The GPUs of a machine, such as "8 x L4"."""
    return "this machine" if kind.cloud == "local" else f"{kind.gpus_per_machine:g} x {kind.gpu}"


def place_text(group: MachineGroup) -> str:
    """The cloud and the first region of a group, and how it is bought. A local zone has a name of its own."""
    if group.cloud == "local":
        return "here"
    first, *others = place_names(group)
    where = region_text(first)
    more = f" and {len(others)} more" if others else ""
    return f"{group.cloud} {where}{more}, {'spot' if group.spot else 'on demand'}"


def region_text(name: str) -> str:
    """The name of a region; of a long one that says city and country, the city."""
    name = plain(name)
    return name if len(name) <= REGION_LETTERS else name.partition(",")[0][:REGION_LETTERS]


def fleet_text(groups: Sequence[GroupSummary]) -> str:
    """The first machine groups of a fleet, and how many more it has."""
    parts = [f"{group.machines} of {machine_text(group)}" for group in groups[:2]]
    return ", ".join(parts) + (f" and {len(groups) - 2} more" if len(groups) > 2 else "")
