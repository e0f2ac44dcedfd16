"""The Plan: what the planner decided, and how it becomes a SavedPlan (`plan.json`).

Pure: the value with all that the estimates know, and the arithmetic that makes it short enough to save.
`machine_groups` groups its machines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from launcher.corpus.files.left_out import LeftOut
from launcher.corpus.repeat_shares import CorpusRepeats
from launcher.corpus.samples.profile import Count, Profile
from launcher.documents.truncation import truncation_of
from launcher.planning.estimates.comparison import Comparison
from launcher.planning.estimates.estimate import Allocation, Estimate, UsdSpread
from launcher.planning.estimates.hosted_apis import HostedApi
from launcher.planning.estimates.past_runs import PastRuns
from launcher.planning.estimates.store_costs import SinkCost, StoreCost
from launcher.planning.offers.machine_groups import machine_groups, rounded, rounded_usd
from launcher.planning.optimizer.decide import Alternative
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_alternatives import (
    AlternativeFleet,
    CheaperOption,
    ComparedWay,
    FrontierPoint,
    GroupSummary,
    HostedOption,
    SingleTypeFleet,
)
from launcher.planning.saved.saved_plan import (
    CorpusFigures,
    HoursQuantiles,
    MachineGroup,
    NeededUpload,
    PlannedWork,
    PlanTotals,
    QuotaNeed,
    ReducedPrecision,
    SavedPlan,
    SpeedQuantiles,
    UsdQuantiles,
    digest_of,
)
from launcher.planning.saved.steering_plan import SteeringPlan
from launcher.planning.steering.static_fleet import LateChance
from launcher.throughput.spread import Spread

# Keys of a job that change where and for how much it is done, but not its vectors.
NOT_THE_WORK = frozenset(
    {"limits", "quota", "vcpu_quota", "local", "name", "notify", "discounts", "query_prompt", "sink"}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, what it will cost, and what else was considered."""

    run: str
    created: datetime
    work: PlannedWork
    profile: Profile
    lots: tuple[MachineGroup, ...]
    chosen: Estimate
    alternatives: tuple[Alternative, ...]
    binding: tuple[str, ...]  # limits that keep a cheaper fleet out, in words
    not_priced: tuple[str, ...]  # what the dollars leave out, in words
    prices_as_of: date | None  # the oldest price that has a date; None: no such price was used
    static_chance_late: LateChance | None = None  # of the chosen fleet, were it not steered
    frontier: tuple[Estimate, ...] = ()
    kinds: tuple[Estimate, ...] = ()  # each machine type alone, where it is cheapest
    hosted: tuple[HostedApi, ...] = ()
    compared: tuple[Comparison, ...] = ()  # the same weights hosted first
    quota: tuple[QuotaNeed, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])  # number of offers, by the reason
    files_left_out: tuple[LeftOut, ...] = ()  # what corpus.path names and is not read
    past: PastRuns | None = None  # how plans of this sort came true here
    gap: float | None = None  # how far above the optimum the choice may be, as a share of it
    reduced: ReducedPrecision | None = None  # the price of a reduced precision; None: the usual one
    upload: NeededUpload | None = None  # that rented machines need first
    repeats: CorpusRepeats | None = None  # None: not counted
    stores: tuple[StoreCost, ...] = ()  # the usual vector stores with these vectors
    sink: SinkCost | None = None  # the vector store that the job names
    steering: SteeringPlan | None = None  # None: the machines above, whatever happens


def name_run(name: str, work: PlannedWork) -> str:
    """The name of the run: the job's name, and a digest of what determines its vectors."""
    job = {k: v for k, v in work.job.items() if k not in NOT_THE_WORK}
    where: dict[str, Any] = job.get("output") or {}
    output = str(where.get("path", ""))
    # A relative output path names another output when the job file lies in another folder.
    base = None if "://" in output or output.startswith("/") else work.base
    facts = [job, base, work.corpus, work.listing, work.model, work.engine, work.shard_tokens]
    if work.model_fingerprint is not None:
        facts.append(work.model_fingerprint)
    return f"{name}-{digest_of(facts)[:8]}"


def to_json(plan: Plan) -> dict[str, Any]:
    """`plan.json`. Money as strings; unknown is null."""
    return plan_file.dump(saved_plan_of(plan))


def saved_plan_of(plan: Plan) -> SavedPlan:
    """The plan as it is saved: figures rounded, fleets in short, and a digest."""
    chosen = plan.chosen
    saved = SavedPlan(
        run=plan.run,
        created=plan.created,
        work=plan.work,
        profile=_corpus_figures(plan),
        cheaper=_cheaper_option(plan.compared),
        compared=tuple(_compared_way(one) for one in plan.compared),
        lots=plan.lots,
        totals=PlanTotals(
            usd=_usd_quantiles(chosen.usd),
            hours=_hours_quantiles(chosen.hours),
            usd_per_million_tokens=rounded(chosen.usd_per_million_tokens),
            machines=chosen.machines,
            items={name: rounded(usd) for name, usd in chosen.items.items()},
            tokens_per_second=_fleet_speed(chosen.allocations),
            past_runs=plan.past,
            unpriced=_unpriced(chosen),
            reduced=plan.reduced,
            chance_late=None if plan.static_chance_late is None else plan.static_chance_late.mean,
            chance_late_range=None if plan.static_chance_late is None else plan.static_chance_late.range,
        ),
        frontier=tuple(_frontier_point(estimate) for estimate in plan.frontier),
        alternatives=tuple(_alternative_fleet(alternative) for alternative in plan.alternatives),
        kinds=tuple(_single_type_fleet(estimate) for estimate in plan.kinds),
        hosted=tuple(_hosted_quote(api) for api in plan.hosted),
        quota_needed=plan.quota,
        binding=plan.binding,
        not_priced=plan.not_priced,
        left_out=plan.left_out,
        prices_as_of=plan.prices_as_of,
        upload=plan.upload,
        stores=plan.stores,
        sink=plan.sink,
        steering=plan.steering,
        solver_gap=None if plan.gap is None else round(plan.gap, 6),
    )
    return plan_file.with_digest(saved)


def _fleet_speed(allocations: Sequence[Allocation]) -> SpeedQuantiles:
    """Tokens per second of all machines while they work. One error makes all of them slow: their ends add up."""
    speeds = [(allocation.machines, allocation.candidate.tokens_per_second) for allocation in allocations]
    return SpeedQuantiles(
        p10=round(sum(machines * speed.low for machines, speed in speeds), 1),
        p50=round(sum(machines * speed.mid for machines, speed in speeds), 1),
        p90=round(sum(machines * speed.high for machines, speed in speeds), 1),
    )


def _corpus_figures(plan: Plan) -> CorpusFigures:
    """Estimates as whole numbers, each with its 95 % interval."""
    profile, usd = plan.profile, plan.chosen.usd
    counts: dict[str, Count] = {
        "documents": profile.documents,
        "chunks": profile.chunks,
        "tokens": profile.tokens,
        "bytes": profile.bytes,
        "tokens_cut": profile.tokens_cut,
        "documents_cut": profile.documents_cut,
        "bad_rows": profile.bad_rows,
        "beside": profile.beside,
    }
    return CorpusFigures(
        **{name: round(count.mid) for name, count in counts.items()},
        interval={name: (round(count.low), round(count.high)) for name, count in counts.items()},
        lengths=tuple((round(share, 6), round(tokens, 2)) for share, tokens in profile.lengths),
        files=profile.files,
        stored_bytes=profile.stored_bytes,
        sampled=profile.sampled,
        tokens_repeated=None if profile.tokens_repeated is None else round(profile.tokens_repeated.mid),
        left_out=plan.files_left_out,
        document_lengths=tuple(
            (round(share, 6), round(tokens, 2)) for share, tokens in profile.document_lengths
        ),
        longest=profile.longest,
        repeats=plan.repeats,
        truncation=truncation_of(
            profile.tokens.mid,
            profile.tokens_cut.mid,
            profile.longest,
            usd=usd and usd.p50,
            hours=plan.chosen.hours.mid,
        ),
    )


def _frontier_point(estimate: Estimate) -> FrontierPoint:
    return FrontierPoint(
        machines=estimate.machines,
        hours=_hours_quantiles(estimate.hours),
        usd=_usd_quantiles(estimate.usd),
        usd_per_million_tokens=rounded(estimate.usd_per_million_tokens),
        lots=_group_summaries(estimate),
        unpriced=_unpriced(estimate),
    )


def _alternative_fleet(alternative: Alternative) -> AlternativeFleet:
    estimate = alternative.estimate
    return AlternativeFleet(
        name=alternative.name,
        usd_more=rounded(alternative.more),
        machines=estimate.machines,
        hours=_hours_quantiles(estimate.hours),
        usd=_usd_quantiles(estimate.usd),
        usd_per_million_tokens=rounded(estimate.usd_per_million_tokens),
        lots=_group_summaries(estimate),
        unpriced=_unpriced(estimate),
    )


def _group_summaries(estimate: Estimate) -> tuple[GroupSummary, ...]:
    return tuple(
        GroupSummary(
            gpu=group.gpu,
            gpus_per_machine=group.gpus_per_machine,
            cloud=group.cloud,
            regions=group.regions,
            spot=group.spot,
            machines=group.machines,
        )
        for group in machine_groups(estimate.allocations)
    )


def _single_type_fleet(estimate: Estimate) -> SingleTypeFleet:
    candidate = estimate.main_candidate
    return SingleTypeFleet(
        gpu=candidate.gpu,
        gpus_per_machine=candidate.gpus,
        cloud=candidate.cloud,
        region=candidate.region,
        zone=candidate.zone,
        instance_type=candidate.instance_type,
        spot=candidate.spot,
        machines=estimate.machines,
        tokens_per_second=round(candidate.tokens_per_second.mid, 1),
        speed_source=candidate.speed_source,
        usd_per_hour=rounded(candidate.usd_per_hour),
        hours=_hours_quantiles(estimate.hours),
        usd=_usd_quantiles(estimate.usd),
        usd_per_million_tokens=rounded(estimate.usd_per_million_tokens),
        unpriced=_unpriced(estimate),
    )


def _hosted_quote(api: HostedApi) -> HostedOption:
    hosted = api.hosted
    return HostedOption(
        provider=hosted.provider,
        model=hosted.model,
        comparable=api.comparable,
        usd_per_million_tokens=rounded_usd(hosted.usd_per_million_tokens),
        usd=rounded_usd(api.usd),
        batch_usd_per_million_tokens=rounded(hosted.batch_usd_per_million_tokens),
        batch_usd=rounded(api.batch_usd),
        dimensions=hosted.dimensions,
        as_of=hosted.as_of,
        source=hosted.source,
        flags=tuple(hosted.flags),
        relation=api.relation,
        batch_as_of=hosted.batch_as_of,
        batch_source=hosted.batch_source,
        notes=api.notes,
        parameters=api.parameters,
    )


def _cheaper_option(compared: Sequence[Comparison]) -> CheaperOption | None:
    """The first way that is expected to cost less."""
    found = next((one for one in compared if one.better), None)
    if found is None:
        return None
    return CheaperOption(
        name=found.name,
        usd=rounded_usd(found.usd),
        fleet_usd_without_storage=rounded_usd(found.fleet_mean),
        comparable=found.relation != "same class",
        break_even_tokens_per_month=None if found.break_even is None else int(found.break_even),
    )


def _unpriced(estimate: Estimate) -> dict[str, Decimal | None]:
    return {name: rounded(usd) for name, usd in estimate.unpriced.items()}


def _compared_way(found: Comparison) -> ComparedWay:
    return ComparedWay(
        name=found.name,
        relation=found.relation,
        usd=rounded_usd(found.usd),
        usd_p90=rounded_usd(found.usd_p90),
        fleet_p50=rounded_usd(found.fleet_p50),
        fleet_p90=rounded_usd(found.fleet_p90),
        fleet_mean=rounded_usd(found.fleet_mean),
        chance=round(found.chance, 4),
        chance_least=None if found.chance_least is None else round(found.chance_least, 4),
        unpriced=found.unpriced,
        better=found.better,
        break_even_tokens_per_month=None if found.break_even is None else int(found.break_even),
        notes=found.notes,
        parameters=found.parameters,
    )


def _hours_quantiles(spread: Spread) -> HoursQuantiles:
    return HoursQuantiles(round(spread.low, 5), round(spread.mid, 5), round(spread.high, 5))


def _usd_quantiles(money: UsdSpread | None) -> UsdQuantiles:
    if money is None:
        return UsdQuantiles(None, None, None)
    return UsdQuantiles(rounded_usd(money.p10), rounded_usd(money.p50), rounded_usd(money.p90))
