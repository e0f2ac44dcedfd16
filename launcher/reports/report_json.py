"""Make the document of a report (schema embedfleet/report/1), and read one back.

Pure. `launcher.documents.encode.to_json` writes it. It knows nothing of the clock, the ledger or the store.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import Any

import msgspec

from launcher.costs import plan_accuracy, time_series
from launcher.costs.counterfactuals import counterfactuals
from launcher.costs.machine_time import LeaseTime, MachineTime
from launcher.costs.spend import PARTS, Metered, OtherCharge, Spend
from launcher.costs.waterfall import waterfall
from launcher.errors import Problem
from launcher.money import SECONDS_PER_HOUR, USD_GRAIN
from launcher.planning.plan_reader import planned_figures
from launcher.reports.document import (
    SCHEMA,
    ActualFigures,
    ChargeRow,
    CounterfactualRow,
    FruitlessLease,
    GroupLesson,
    GroupSpend,
    HourlyPrice,
    KnownRunUsd,
    KnownUsd,
    Lessons,
    MachineLife,
    PlaceSpend,
    Preemption,
    ReportDocument,
    RunSpend,
    SecondsByPart,
    ShardDone,
    SpeedPoint,
    WaterfallFigures,
    WaterfallStep,
    WorkDone,
)
from launcher.reports.report import Report
from launcher.reports.unknowns import unknown
from tasks.protocol.receipt import Receipt

SERIES_POINTS = 120  # of tokens per second: one for every few pixels of a chart
PREEMPTED_ENDS = ("PREEMPTED", "LOST")


def report_document(report: Report) -> ReportDocument:
    """All figures of a report. Tools read them as JSON; the page and the texts show them."""
    span = report.span.total_seconds()
    lives, began, now = report.spend.lives, report.created, report.updated
    return ReportDocument(
        run=report.run,
        name=report.name,
        state=report.state,
        created=began,
        updated=now,
        spend=_spend(report.spend),
        work=_work(report),
        plan=planned_figures(report.plan),
        actual=_actual(report),
        output_bytes=sum(r.output_bytes for r in report.receipts),
        stages=_stages(report),
        budget=report.budget,
        waterfall=_waterfall(report),
        instead=_instead(report),
        lessons=_lessons(report),
        places=tuple(_place(place, one) for place, one in report.spend.places.items()),
        lots=tuple(_group(lot, one) for lot, one in report.spend.lots.items()),
        machines=tuple(_machine(m, one, report) for m, one in zip(report.machines, lives, strict=True)),
        shards=tuple(map(_shard, report.receipts)),
        series=speed_series(report),
        spent=time_series.spent_series(report.machines, lives, began, span, now),
        fleet=time_series.fleet_series(report.machines, began, span, now),
        preemptions=_preemptions(report),
        lost=tuple(map(_lease, report.fruitless.lost)),
        open=tuple(map(_lease, report.fruitless.open)),
        failures=tuple(report.failures),
        events=tuple(report.events),
        unknown=tuple(unknown(report)),
    )


def read(document: str | bytes | Mapping[str, Any]) -> ReportDocument:
    """The document of a report.json, as text or as the JSON object.

    Raises:
        Problem: it is no report of this schema, or a field is missing or of another type.
    """
    again = "write it again: embedfleet report RUN --json"
    try:
        body = document if isinstance(document, Mapping) else json.loads(document)
        found = msgspec.convert(body, ReportDocument)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise Problem(f"the report cannot be read: {error}", hint=again) from error
    if found.schema != SCHEMA:
        raise Problem(f"the report has schema {found.schema!r}, this version reads {SCHEMA!r}", hint=again)
    return found


def speed_series(report: Report) -> tuple[SpeedPoint, ...]:
    """Tokens per second over time in equal bins; the tokens of a receipt are spread evenly over its work.

    A worker's clock may be wrong, so work is moved into the run's span: the tokens always add up.
    """
    span = report.span.total_seconds()
    if span <= 0:
        return ()
    bins = min(SERIES_POINTS, ceil(span))
    width = span / bins
    tokens = [0.0] * bins
    for receipt in report.receipts:
        first = min(max((receipt.started - report.created).total_seconds(), 0.0), span) / width
        took = max(0.0, (receipt.finished - receipt.started).total_seconds()) / width
        last = min(max((receipt.started - report.created).total_seconds() / width + took, 0.0), span / width)
        left, right = min(int(first), bins - 1), min(int(last), bins - 1)
        if left == right or last <= first:  # most of them
            tokens[left] += receipt.tokens
            continue
        per_bin = receipt.tokens / (last - first)
        for i in range(left, right + 1):
            tokens[i] += per_bin * (min(last, i + 1) - max(first, i))
    return tuple(
        SpeedPoint(seconds=round(i * width, 3), tokens_per_second=round(tokens[i] / width, 3))
        for i in range(bins)
    )


def _work(report: Report) -> WorkDone:
    receipts = report.receipts
    return WorkDone(
        documents=sum(r.documents for r in receipts),
        chunks=sum(r.chunks for r in receipts),
        tokens=report.tokens,
        tokens_cut=sum(r.tokens_cut for r in receipts),
        tokens_repeated=sum(r.tokens_repeated for r in receipts),
        failed_rows=report.failed_rows,
        cut_short=report.cut_short,
        shards=report.shards,
        shards_done=report.shards_done,
        failed_shards=sum(r.fault is not None for r in receipts),
    )


def _stages(report: Report) -> dict[str, float]:
    """Seconds by stage, the longest first."""
    stages = Counter[str]()
    for receipt in report.receipts:
        stages.update(receipt.stages)
    return {stage: round(seconds, 4) for stage, seconds in stages.most_common()}


def _actual(report: Report) -> ActualFigures:
    seconds, usd = report.span.total_seconds(), report.spend.usd
    per_million = None
    if usd is not None and report.tokens:
        per_million = (usd * 1_000_000 / report.tokens).quantize(USD_GRAIN)
    return ActualFigures(
        hours=seconds / SECONDS_PER_HOUR,
        usd=usd,
        tokens=report.tokens,
        tokens_per_second=report.tokens / seconds if seconds else None,
        usd_per_million_tokens=per_million,
        share_of_ceiling=_share_of_ceiling(report),
    )


def _share_of_ceiling(report: Report) -> float | None:
    """Tokens divided by those that the GPUs could have computed at most in the machine time."""
    limit = 0.0
    for machine, one in zip(report.machines, report.spend.lives, strict=True):
        gpu = report.ceilings.get(machine.gpu)
        if gpu is None:
            return None
        limit += gpu * machine.workers * one.total_time.total_seconds()
    return report.tokens / limit if limit else None


def _spend(spend: Spend) -> RunSpend:
    known = _known(spend.total) | {"total": spend.known_usd}
    return RunSpend(
        **(_usd(spend.total) | {"total": spend.usd}),
        known=KnownRunUsd(**known, other=spend.other_known_usd),
        seconds=_seconds(spend.total),
        other=None if any(other.usd is None for other in spend.others) else spend.other_known_usd,
        waived=spend.total.waived,
        others=tuple(map(_other, spend.others)),
    )


def _place(place: str, metered: Metered) -> PlaceSpend:
    known = KnownUsd(**_known(metered))
    return PlaceSpend(place=place, **_usd(metered), known=known, seconds=_seconds(metered))


def _group(lot: int | None, metered: Metered) -> GroupSpend:
    known = KnownUsd(**_known(metered))
    return GroupSpend(lot=lot, **_usd(metered), known=known, seconds=_seconds(metered))


def _usd(metered: Metered) -> dict[str, Decimal | None]:
    """Dollars in all and by part; all None if some of the time has no price."""
    usd = metered.usd or dict.fromkeys(PARTS)
    return {"total": metered.total_usd, **usd}


def _known(metered: Metered) -> dict[str, Decimal]:
    return {"total": metered.total_known_usd, **metered.known_usd}


def _seconds(metered: Metered) -> SecondsByPart:
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


def _waterfall(report: Report) -> WaterfallFigures | None:
    if report.plan is None:
        return None
    found = waterfall(report.plan, report.spend, report.machines, report.receipts)
    if found is None:
        return None
    steps = tuple(
        WaterfallStep(cause=step.cause, words=step.description, usd=step.usd) for step in found.steps
    )
    return WaterfallFigures(planned=found.planned, actual=found.actual, steps=steps)


def _instead(report: Report) -> tuple[CounterfactualRow, ...]:
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


def _lessons(report: Report) -> Lessons:
    if report.plan is None:
        return Lessons(lots=(), plan=None)
    learned = plan_accuracy.group_accuracies(report.plan, report.spend, report.machines, report.receipts)
    lots = tuple(
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
    return Lessons(lots=lots, plan=plan_accuracy.plan_error(report.plan, learned, report.spend.usd))


def _preemptions(report: Report) -> tuple[Preemption, ...]:
    """The machines that were taken away, by time."""
    taken = [
        Preemption(
            at=m.ended,
            machine=m.name,
            life=m.number,
            place=m.place,
            lived_seconds=max(0.0, (m.ended - m.started).total_seconds()),
            waived=one.waived,
        )
        for m, one in zip(report.machines, report.spend.lives, strict=True)
        if m.ended and (m.how or m.state) in PREEMPTED_ENDS and m.ended > m.started
    ]
    return tuple(sorted(taken, key=lambda e: (e.at, e.machine)))


def _machine(machine: MachineTime, metered: Metered, report: Report) -> MachineLife:
    lived = max(timedelta(0), (machine.ended or report.updated) - machine.started)
    return MachineLife(
        name=machine.name,
        life=machine.number,
        lot=machine.lot,
        place=machine.place,
        zone=machine.zone,
        gpu=machine.gpu,
        instance_type=machine.instance_type,
        purchase=machine.purchase,
        state=machine.state,
        how=machine.how,
        started=machine.started,
        ready=machine.ready,
        stopping=machine.stopping,
        ended=machine.ended,
        gone=machine.gone,
        seconds=lived.total_seconds(),
        parts=_seconds(metered),
        usd_per_hour=machine.usd_per_hour,
        prices=tuple(HourlyPrice(at=at, usd_per_hour=usd) for at, usd in machine.rates),
        usd=metered.total_usd,
        waived=metered.waived,
    )


def _shard(receipt: Receipt) -> ShardDone:
    return ShardDone(
        position=receipt.position,
        id=receipt.shard,
        worker=receipt.worker,
        generation=receipt.generation,
        started=receipt.started,
        seconds=receipt.seconds,
        tokens=receipt.tokens,
        failed=receipt.failed_rows,
    )


def _lease(lease: LeaseTime) -> FruitlessLease:
    assert lease.ended, "judge gives every lease an end"
    return FruitlessLease(
        shard=lease.shard,
        generation=lease.generation,
        worker=lease.worker,
        claimed=lease.claimed,
        seconds=(lease.ended - lease.claimed).total_seconds(),
    )
