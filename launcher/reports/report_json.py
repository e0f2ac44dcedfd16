"""Make the document of a report (schema embedfleet/report/1), and read one back.

Pure. `launcher.documents.encode.to_json` writes it. It knows nothing of the clock, the ledger or the store.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import ceil
from statistics import median
from typing import Any

import msgspec

from launcher.costs.usage import time_series
from launcher.costs.usage.attribution import to_microseconds
from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.spend import Metered
from launcher.documents.truncation import Truncation, truncation_of
from launcher.errors import Problem
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.saved.plan_reader import planned_figures
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.document import (
    SCHEMA,
    ActualFigures,
    FruitlessLease,
    HourlyPrice,
    LengthFigures,
    MachineLife,
    Preemption,
    RepeatsFigures,
    ReportDocument,
    SpeedPoint,
    StartStageTime,
    WorkDone,
)
from launcher.reports.report import Report
from launcher.reports.shard_rows import ShardRows
from launcher.reports.spend_json import (
    counterfactual_rows,
    group_spend,
    lessons,
    place_spend,
    seconds_by_part,
    spend_figures,
    waterfall_figures,
)
from launcher.reports.unknowns import unknown
from tasks.protocol.start_stages import BEFORE_WORKER, START_STAGES

MICROSECONDS = 10**6  # in a second
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
        facts=report.facts,
        lengths=_lengths(report),
        vectors=report.vectors,
        spend=spend_figures(report.spend),
        work=_work(report),
        plan=planned_figures(report.plan),
        actual=_actual(report),
        output_bytes=report.done.sums.output_bytes,
        stages=_stages(report),
        starts=_starts(report),
        budget=report.budget,
        waterfall=waterfall_figures(report),
        instead=counterfactual_rows(report),
        lessons=lessons(report),
        places=tuple(place_spend(place, one) for place, one in report.spend.places.items()),
        lots=tuple(group_spend(number, one) for number, one in report.spend.groups.items()),
        machines=tuple(_machine(m, one, report) for m, one in zip(report.machines, lives, strict=True)),
        shards=ShardRows(report.done),
        series=speed_series(report),
        spent=time_series.spent_series(report.machines, lives, began, span, now),
        fleet=time_series.fleet_series(report.machines, began, span, now),
        preemptions=_preemptions(report),
        lost=tuple(map(_lease, report.fruitless.lost)),
        open=tuple(map(_lease, report.fruitless.open)),
        failures=tuple(report.failures),
        events=tuple(report.events),
        steering=report.steering,
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
    work, created = report.done, to_microseconds(report.created)
    for started, finished, count in work.rows(work.started, work.finished, work.tokens):
        since = (started - created) / MICROSECONDS
        first = min(max(since, 0.0), span) / width
        took = max(0.0, (finished - started) / MICROSECONDS) / width
        last = min(max(since / width + took, 0.0), span / width)
        left, right = min(int(first), bins - 1), min(int(last), bins - 1)
        if left == right or last <= first:  # most of them
            tokens[left] += count
            continue
        per_bin = count / (last - first)
        for i in range(left, right + 1):
            tokens[i] += per_bin * (min(last, i + 1) - max(first, i))
    return tuple(
        SpeedPoint(seconds=round(i * width, 3), tokens_per_second=round(tokens[i] / width, 3))
        for i in range(bins)
    )


def _work(report: Report) -> WorkDone:
    sums = report.done.sums
    return WorkDone(
        documents=sums.documents,
        chunks=sums.chunks,
        tokens=sums.tokens,
        tokens_cut=sums.tokens_cut,
        tokens_repeated=sums.tokens_repeated,
        failed_rows=report.failed_rows,
        cut_short=report.cut_short,
        shards=report.shards,
        shards_done=report.shards_done,
        failed_shards=sums.failed_shards,
        truncation=_truncation(report),
        tokens_embedded=report.tokens_embedded,
        usd_saved=report.usd_saved,
        repeats=_repeats(report),
    )


def _repeats(report: Report) -> RepeatsFigures | None:
    found = report.repeats
    return found and RepeatsFigures(
        vectors=found.chunks, tokens=found.tokens, shards=found.shards, shards_done=found.shards_done
    )


def _lengths(report: Report) -> LengthFigures | None:
    """How long the texts are, as the plan says."""
    if report.plan is None:
        return None
    return length_figures(report.plan)


def length_figures(plan: SavedPlan) -> LengthFigures:
    """How long the texts of a plan are."""
    profile = plan.profile
    chunk: Mapping[str, Any] = plan.work.job.get("chunk") or {}
    return LengthFigures(
        documents=profile.document_lengths,
        chunks=profile.lengths,
        longest=profile.longest,
        chunked=chunk.get("tokens") is not None,
    )


def _truncation(report: Report) -> Truncation | None:
    """The warning, with the dollars and hours of this run as the measure of what chunks would cost."""
    actual = _actual(report)
    longest = report.plan.profile.longest if report.plan else None
    return truncation_of(
        report.tokens, report.done.sums.tokens_cut, longest, usd=actual.usd, hours=actual.hours
    )


def _stages(report: Report) -> dict[str, float]:
    """Seconds by stage, the longest first."""
    return {stage: round(seconds, 4) for stage, seconds in report.done.stages.items()}


def _starts(report: Report) -> tuple[StartStageTime, ...]:
    """The stages of the workers' start that one of them knows; of rented machines also those that none knows."""
    told = report.done.cold_starts
    if not told:
        return ()
    rented = BEFORE_WORKER if any(machine.cloud != "local" for machine in report.machines) else ()
    known = dict.fromkeys(stage for one in told for stage in one)
    names = [stage for stage in START_STAGES if stage in known or stage in rented]
    return tuple(
        _start_stage(stage, [one[stage] for one in told if stage in one])
        for stage in dict.fromkeys([*names, *known])
    )


def _start_stage(stage: str, seconds: Sequence[float]) -> StartStageTime:
    return StartStageTime(
        stage=stage,
        workers=len(seconds),
        median_seconds=round(median(seconds), 3) if seconds else None,
        longest_seconds=max(seconds, default=None),
    )


def _actual(report: Report) -> ActualFigures:
    rates = report.rates
    return ActualFigures(
        hours=(rates.seconds or 0.0) / SECONDS_PER_HOUR,
        usd=rates.usd,
        tokens=report.tokens,
        tokens_per_second=rates.tokens_per_second,
        usd_per_million_tokens=rates.usd_per_million_tokens,
        share_of_ceiling=_share_of_ceiling(report),
        span_hours=report.span.total_seconds() / SECONDS_PER_HOUR,
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
        lot=machine.group,
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
        parts=seconds_by_part(metered),
        usd_per_hour=machine.usd_per_hour,
        prices=tuple(HourlyPrice(at=at, usd_per_hour=usd) for at, usd in machine.rates),
        usd=metered.total_usd,
        waived=metered.waived,
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
