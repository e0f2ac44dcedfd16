"""Figures of a report, ready to be read: the plan next to the run, and where the time and the dollars went.

The page, the terminal text and Markdown show them. Knows the document, and no way to show it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from launcher.costs.analysis.counterfactuals import OTHER_VECTORS
from launcher.costs.analysis.plan_accuracy import PlanError
from launcher.costs.usage.spend import PARTS, Part
from launcher.format import count, duration, hours_text, money, percent, plain, plural, rate, relative_change
from launcher.ledger.records import CORPUS_EVENT, RunState
from launcher.planning.saved.saved_alternatives import NO_API
from launcher.reports.document import CounterfactualRow, MachineLife, ReportDocument
from launcher.steering.situation import ON_DEMAND
from tasks.models.files import HASH_MODEL

PART_NAMES: dict[Part, str] = {
    "useful": "useful work",
    "lost": "lost work",
    "cold_start": "cold start",
    "waiting": "waiting",
    "idle": "idle",
    "teardown": "teardown",
}


START_NAMES: dict[str, str] = {  # of the stages of `tasks.protocol.start_stages`
    "boot": "boot",
    "setup": "setup",
    "process": "process",
    "check": "check of the model's files",
    "download": "download of the model's files",
    "load": "load",
    "compile": "compilation",
    "warm_up": "warm-up",
    "first_batch": "first batch",
}


HOSTED = ("api", "api of class", "other api")  # groups of other ways that are hosted APIs


@dataclass(frozen=True, slots=True)
class HostedWords:
    """The same weights hosted beside the run, or that no API serves them; and a note on another model."""

    first: str
    note: str | None


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """A figure of the plan next to the same figure of the run."""

    label: str
    planned: str
    between: str  # the plan's P10 and P90, if it has them
    actual: str
    difference: str


@dataclass(frozen=True, slots=True)
class PartShare:
    """One part of the machine time. `known_usd` is what is known of its dollars."""

    part: Part
    label: str
    seconds: float
    known_usd: Decimal
    time: str
    share: str
    dollars: str


def start_name(stage: str) -> str:
    """A stage of a worker's start as it is shown, also one of a later version."""
    return START_NAMES.get(stage, plain(stage.replace("_", " ")))


def compare_figures(report: ReportDocument) -> list[FigureComparison]:
    """The plan next to the run, one row for each figure. What still grows is a share of the plan, and below no P10."""
    plan, actual, work = report.plan, report.actual, report.work
    hours, usd, going = plan.hours, plan.usd, is_going(report)
    return [
        _row("Documents", plan.documents, work.documents, count, going=going),
        _row("Chunks", plan.chunks, work.chunks, count, going=going),
        _row("Tokens", plan.tokens, work.tokens, count, going=going),
        _row_with_range("Time", (hours.p10, hours.p50, hours.p90), actual.hours, hours_text, going=going),
        _row_with_range("Dollars", (usd.p10, usd.p50, usd.p90), actual.usd, money, going=going),
        _row("Speed", plan.tokens_per_second, actual.tokens_per_second, rate),
        _row("Dollars per 1M tokens", plan.usd_per_million_tokens, actual.usd_per_million_tokens, money),
    ]


def is_going(report: ReportDocument) -> bool:
    """Whether the run is not over, so that its figures still grow; one that was stopped may be resumed."""
    return report.state != RunState.DONE


def part_shares(report: ReportDocument) -> list[PartShare]:
    """Where the time and the dollars of the machines went, part by part."""
    spend, seconds = report.spend, report.spend.seconds
    return [
        PartShare(
            part=part,
            label=PART_NAMES[part],
            seconds=seconds.of(part),
            known_usd=spend.known.of(part),
            time=duration(seconds.of(part)),
            share=percent(seconds.of(part), seconds.total),
            dollars=money(spend.of(part)),
        )
        for part in PARTS
    ]


def any_dollars(report: ReportDocument) -> bool:
    """Whether a dollar of the run is known: else a column of dollars would have unknowns alone."""
    spend = report.spend
    return spend.total is not None or bool(spend.known.total) or bool(spend.others)


def total_dollars(report: ReportDocument) -> str:
    """What the run cost, such as `$12.30`, or `? (known: $9.10)` if some of it is unknown."""
    spend = report.spend
    return known_in_part(spend.total, spend.known.total)


def known_in_part(total: Decimal | None, known: Decimal) -> str:
    """A total, or if it is unknown a question mark and the part of it that is known."""
    return f"? (known: {money(known)})" if total is None and known else money(total)


def on_demand_text(machines: Sequence[MachineLife]) -> str | None:
    """What machines on demand cost of what all machines did; None where none was there, or all were on demand."""
    there = [one for one in machines if one.seconds > 0]
    rented = [one for one in there if one.purchase == ON_DEMAND]
    if not rented or len(rented) == len(there):
        return None
    all_of_them, these = ([one.usd for one in lives if one.usd is not None] for lives in (there, rented))
    least = "" if len(these) == len(rented) else "at least "
    known = len(all_of_them) == len(there)
    whole = f" of {money(sum(all_of_them, Decimal(0)))} for all machines" if known else ""
    return f"{plural(len(rented), 'machine')} on demand cost {least}{money(sum(these, Decimal(0)))}{whole}"


def corpus_facts(report: ReportDocument) -> tuple[str, ...]:
    """What was odd about the corpus when it was cut into shards, each once: a run may have been created again."""
    return tuple(dict.fromkeys(event.text for event in report.events if event.kind == CORPUS_EVENT))


def _row(
    label: str,
    planned: float | Decimal | None,
    actual: float | Decimal | None,
    text: Callable[[Any], str],
    *,
    going: bool = False,
) -> FigureComparison:
    return FigureComparison(
        label=label,
        planned=text(planned),
        between="",
        actual=text(actual),
        difference=_difference(planned, actual, going=going),
    )


def _row_with_range(
    label: str,
    planned: tuple[float | Decimal | None, float | Decimal | None, float | Decimal | None],
    actual: float | Decimal | None,
    text: Callable[[Any], str],
    *,
    going: bool,
) -> FigureComparison:
    """A figure whose plan has a P10 and a P90; the difference says if the run is outside of them."""
    p10, p50, p90 = planned
    between = "" if p10 is None or p90 is None else f"{text(p10)} to {text(p90)}"
    difference = _difference(p50, actual, going=going)
    if actual is not None and p90 is not None and actual > p90:
        difference += ", above P90"
    elif actual is not None and p10 is not None and actual < p10 and not going:
        difference += ", below P10"
    return FigureComparison(
        label=label,
        planned=text(p50),
        between=between,
        actual=text(actual),
        difference=difference.removeprefix(", "),
    )


def _difference(planned: float | Decimal | None, actual: float | Decimal | None, *, going: bool) -> str:
    if not going or not planned or actual is None:
        return relative_change(planned, actual)
    return f"{percent(float(actual), float(planned))} so far"


def plan_error_text(error: PlanError | None) -> str:
    """By how much the run cost more or less than planned, as `Plan and run` has it; empty where it does not compare."""
    if error is None or error.run_over_plan is None or error.run_over_again is None:
        return ""
    return (
        f"The run cost {_more(error.run_over_plan)} than its plan, and {_more(error.run_over_again)} than a plan with "
        "the speeds measured here, which the next plan uses."
    )


def _more(share: float) -> str:
    return f"{percent(abs(share), 1)} {'less' if share < 0 else 'more'}"


def machines_text(report: ReportDocument) -> str:
    """How many machines were there; on this machine each worker has a life of its own in the document.

    A machine that was asked for and never came has a life of no length.
    """
    names = {one.name for one in report.machines if one.seconds > 0 or one.ended is None}
    if names and all(one.place == "local" for one in report.machines):
        return f"this machine, {plural(len(names), 'worker')}"
    return plural(len(names), "machine")


def hosted_words(report: ReportDocument) -> HostedWords | None:
    """The run beside hosted APIs, like with like first; None where its plan knew no prices of them."""
    if not any(one.group in HOSTED for one in report.instead) or (
        report.facts is not None and report.facts.model == HASH_MODEL
    ):
        return None
    same, alike = (next((one for one in report.instead if one.group == group), None) for group in HOSTED[:2])
    first = NO_API if same is None else _beside(same, "the same weights")
    return HostedWords(first, None if alike is None else _beside(alike, _known_of(alike)))


def _known_of(row: CounterfactualRow) -> str:
    """What the basis of a row says of its model, which plans of earlier versions did not."""
    _, found, words = row.basis.partition(f"{OTHER_VECTORS}: ")
    return f"another model of its size class: {words}" if found else "another model of its size class"


def _beside(one: CounterfactualRow, alike: str) -> str:
    """What an API would have asked for the tokens that were done, beside what the run cost."""
    text = f"{plain(one.name)} ({alike}) {money(one.usd)}"
    if one.usd_saved is None:
        return f"{text}; what this run cost is not known in full"
    if not one.usd_saved:
        return f"{text}, as this run"
    return f"{text}: this run cost {money(abs(one.usd_saved))} {'less' if one.usd_saved > 0 else 'more'}"
