"""The cost in the document of a report: what the run cost, where its dollars went, and what it would have cost otherwise.

Pure, like `report_json`, which puts these figures into the document.
"""

from decimal import Decimal

from launcher.costs.analysis import plan_accuracy
from launcher.costs.analysis.counterfactuals import counterfactuals
from launcher.costs.analysis.waterfall import waterfall
from launcher.costs.usage.spend import PARTS, Metered, OtherCharge, Spend
from launcher.money import USD_GRAIN
from launcher.reports.document import CounterfactualRow, GroupLesson, Lessons, WaterfallFigures, WaterfallStep
from launcher.reports.report import Report
from launcher.reports.spend_document import (
    ChargeRow,
    GroupSpend,
    KnownRunUsd,
    KnownUsd,
    PlaceSpend,
    RunSpend,
    SecondsByPart,
)


def spend_figures(spend: Spend) -> RunSpend:
    """What the run cost in all, by part, and beside machines."""
    known = _known(spend.total) | {"total": spend.known_usd}
    return RunSpend(
        **(_usd(spend.total) | {"total": spend.usd}),
        known=KnownRunUsd(**known, other=spend.other_known_usd),
        seconds=seconds_by_part(spend.total),
        other=None if any(other.usd is None for other in spend.others) else spend.other_known_usd,
        waived=spend.total.waived,
        others=tuple(map(_other, spend.others)),
    )


def place_spend(place: str, metered: Metered) -> PlaceSpend:
    """What the machines of one place cost."""
    known = KnownUsd(**_known(metered))
    return PlaceSpend(place=place, **_usd(metered), known=known, seconds=seconds_by_part(metered))


def group_spend(number: int | None, metered: Metered) -> GroupSpend:
    """What the machines of one row of the plan cost; None: machines of no row."""
    known = KnownUsd(**_known(metered))
    return GroupSpend(lot=number, **_usd(metered), known=known, seconds=seconds_by_part(metered))


def _usd(metered: Metered) -> dict[str, Decimal | None]:
    """Dollars in all and by part; all None if some of the time has no price."""
    usd = metered.usd or dict.fromkeys(PARTS)
    return {"total": metered.total_usd, **usd}


def _known(metered: Metered) -> dict[str, Decimal]:
    return {"total": metered.total_known_usd, **metered.known_usd}


def seconds_by_part(metered: Metered) -> SecondsByPart:
    """How long the metered time was, by part."""
    parts = {part: time.total_seconds() for part, time in metered.time.items()}
    return SecondsByPart(total=metered.total_time.total_seconds(), **parts)


def _other(other: OtherCharge) -> ChargeRow:
    return ChargeRow(
        kind=other.kind,
        place=other.place,
        quantity=other.quantity,
        unit=other.unit,
        usd=other.usd,
        reason=other.reason,
        estimated=other.estimated,
    )


def waterfall_figures(report: Report) -> WaterfallFigures | None:
    """The steps from the planned to the actual dollars; None: there is no plan, or a price is unknown."""
    if report.plan is None:
        return None
    found = waterfall(report.plan, report.spend, report.machines, report.done)
    if found is None:
        return None
    steps = tuple(
        WaterfallStep(cause=step.cause, words=step.description, usd=step.usd) for step in found.steps
    )
    return WaterfallFigures(planned=found.planned, actual=found.actual, steps=steps)


def counterfactual_rows(report: Report) -> tuple[CounterfactualRow, ...]:
    """What the same work would have cost otherwise."""
    actual = report.spend.usd
    found = counterfactuals(report.plan, report.spend, report.machines, report.tokens, report.offers)
    return tuple(
        CounterfactualRow(
            group=one.group,
            name=one.name,
            usd=one.usd.quantize(USD_GRAIN),
            usd_saved=None if actual is None else (one.usd - actual).quantize(USD_GRAIN),
            basis=one.basis,
        )
        for one in found
    )


def lessons(report: Report) -> Lessons:
    """Planned beside measured speeds and starts; empty without a plan."""
    if report.plan is None:
        return Lessons(lots=(), plan=None)
    learned = plan_accuracy.group_accuracies(report.plan, report.spend, report.machines, report.done)
    groups = tuple(
        GroupLesson(
            gpu=one.gpu,
            cloud=one.cloud,
            planned_tokens_per_second=one.planned_speed,
            measured_tokens_per_second=one.measured_speed,
            measured_start_seconds=one.measured_start,
            starts=one.starts,
        )
        for one in learned
    )
    return Lessons(lots=groups, plan=plan_accuracy.plan_error(report.plan, learned, report.spend.usd))
