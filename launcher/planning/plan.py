"""The Plan: what the planner decided, and how it becomes a SavedPlan (`plan.json`).

Pure: the value with all that the estimates know, and the arithmetic that makes it short enough to save.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from launcher.corpus.left_out import LeftOut
from launcher.corpus.profile import Count, Profile
from launcher.planning import plan_file
from launcher.planning.estimate import NO_CHARGES, Allocation, Estimate, UsdSpread, itemize, per_million
from launcher.planning.hosted_apis import CheaperWay, HostedApi
from launcher.planning.optimizer.decide import Alternative
from launcher.planning.saved_plan import (
    AlternativeFleet,
    CheaperOption,
    CorpusFigures,
    FrontierPoint,
    GroupSummary,
    HostedOption,
    HoursQuantiles,
    MachineGroup,
    MachinePlace,
    PlannedWork,
    PlanTotals,
    QuotaNeed,
    SavedPlan,
    SingleTypeFleet,
    UsdQuantiles,
    digest_of,
)
from launcher.throughput.spread import Spread

MACHINE_ITEMS = (  # cost items of a machine group, not of the whole run
    "compute",
    "cold_start",
    "preemption",
    "idle_tail",
    "disk",
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
    prices_as_of: date | None  # the oldest price; None: no price was used
    frontier: tuple[Estimate, ...] = ()
    kinds: tuple[Estimate, ...] = ()  # each machine type alone, where it is cheapest
    hosted: tuple[HostedApi, ...] = ()
    cheaper: CheaperWay | None = None
    quota: tuple[QuotaNeed, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])  # number of offers, by the reason
    files_left_out: tuple[LeftOut, ...] = ()  # what corpus.path names and is not read
    gap: float | None = None  # how far above the optimum the choice may be, as a share of it


def machine_groups(
    allocations: Sequence[Allocation], workers: int | None = None, threads: int | None = None
) -> tuple[MachineGroup, ...]:
    """Group allocations by GPU type, size, cloud and purchase kind; each group keeps its places.

    `workers` and `threads` are per machine; None: a worker for each GPU, and threads as the engine likes.
    """
    groups: dict[tuple[str, str, float, bool], list[Allocation]] = {}
    for allocation in allocations:
        candidate = allocation.candidate
        groups.setdefault((candidate.cloud, candidate.gpu, candidate.gpus, candidate.spot), []).append(
            allocation
        )
    return tuple(_machine_group(group, workers, threads) for group in groups.values())


def _machine_group(group: Sequence[Allocation], workers: int | None, threads: int | None) -> MachineGroup:
    candidate = group[0].candidate
    ranked = sorted(
        group,
        key=lambda s: (s.candidate.usd_per_hour or Decimal(0), s.candidate.region, s.candidate.zone or ""),
    )
    machines, tokens = sum(s.machines for s in group), sum(s.tokens for s in group)
    prices = [s.candidate.usd_per_hour for s in group]
    hourly = [p * s.machines for p, s in zip(prices, group, strict=True) if p is not None]
    items = itemize(group, NO_CHARGES)
    own = [items[name] for name in MACHINE_ITEMS]
    spent = sum((usd for usd in own if usd is not None), Decimal(0)) if None not in prices else None
    return MachineGroup(
        gpu=candidate.gpu,
        gpus_per_machine=candidate.gpus,
        cloud=candidate.cloud,
        regions=tuple(dict.fromkeys(s.candidate.region for s in ranked)),
        spot=candidate.spot,
        machines=machines,
        workers=workers or max(1, round(candidate.gpus)),
        threads=threads,
        tokens=round(tokens),
        tokens_per_second=round(
            sum(s.candidate.tokens_per_second.mid * s.machines for s in group) / machines, 1
        ),
        speed_source=candidate.speed_source,
        usd_per_hour=_rounded(sum(hourly, Decimal(0)) / machines if None not in prices else None),
        usd_per_million_tokens=_rounded(None if spent is None else per_million(spent, tokens)),
        places=tuple(
            MachinePlace(
                region=s.candidate.region,
                zone=s.candidate.zone,
                instance_type=s.candidate.instance_type,
                machines=s.machines,
                usd_per_hour=_rounded(s.candidate.usd_per_hour),
            )
            for s in ranked
        ),
    )


def quota_needs(allocations: Sequence[Allocation]) -> tuple[QuotaNeed, ...]:
    """The GPUs and vCPUs that the account must be allowed in each region; none for this machine."""
    groups: dict[tuple[str, str, str, bool], list[Allocation]] = {}
    for allocation in allocations:
        if allocation.candidate.cloud != "local":
            groups.setdefault(allocation.candidate.group, []).append(allocation)
    return tuple(
        QuotaNeed(
            cloud=cloud,
            region=region,
            gpu=gpu,
            spot=spot,
            gpus=sum(s.candidate.gpus * s.machines for s in members),
            vcpus=None
            if any(s.candidate.vcpus is None for s in members)
            else sum((s.candidate.vcpus or 0) * s.machines for s in members),
        )
        for (cloud, region, gpu, spot), members in groups.items()
    )


def name_run(name: str, work: PlannedWork) -> str:
    """The name of the run: the job's name, and a digest of what determines its vectors."""
    job = {k: v for k, v in work.job.items() if k not in ("limits", "quota", "local", "name", "notify")}
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
        profile=_corpus_figures(plan.profile, plan.files_left_out),
        cheaper=_cheaper_option(plan.cheaper),
        lots=plan.lots,
        totals=PlanTotals(
            usd=_usd_quantiles(chosen.usd),
            hours=_hours_quantiles(chosen.hours),
            usd_per_million_tokens=_rounded(chosen.usd_per_million_tokens),
            machines=chosen.machines,
            items={name: _rounded(usd) for name, usd in chosen.items.items()},
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
        solver_gap=None if plan.gap is None else round(plan.gap, 6),
    )
    return plan_file.with_digest(saved)


def _corpus_figures(profile: Profile, left_out: tuple[LeftOut, ...]) -> CorpusFigures:
    """Estimates as whole numbers, each with its 95 % interval."""
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
        left_out=left_out,
    )


def _frontier_point(estimate: Estimate) -> FrontierPoint:
    return FrontierPoint(
        machines=estimate.machines,
        hours=_hours_quantiles(estimate.hours),
        usd=_usd_quantiles(estimate.usd),
        usd_per_million_tokens=_rounded(estimate.usd_per_million_tokens),
        lots=_group_summaries(estimate),
    )


def _alternative_fleet(alternative: Alternative) -> AlternativeFleet:
    estimate = alternative.estimate
    return AlternativeFleet(
        name=alternative.name,
        usd_more=_rounded(alternative.more),
        machines=estimate.machines,
        hours=_hours_quantiles(estimate.hours),
        usd=_usd_quantiles(estimate.usd),
        usd_per_million_tokens=_rounded(estimate.usd_per_million_tokens),
        lots=_group_summaries(estimate),
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
        instance_type=candidate.instance_type,
        spot=candidate.spot,
        machines=estimate.machines,
        tokens_per_second=round(candidate.tokens_per_second.mid, 1),
        speed_source=candidate.speed_source,
        usd_per_hour=_rounded(candidate.usd_per_hour),
        hours=_hours_quantiles(estimate.hours),
        usd=_usd_quantiles(estimate.usd),
        usd_per_million_tokens=_rounded(estimate.usd_per_million_tokens),
    )


def _hosted_quote(api: HostedApi) -> HostedOption:
    hosted = api.hosted
    return HostedOption(
        provider=hosted.provider,
        model=hosted.model,
        comparable=api.comparable,
        usd_per_million_tokens=_rounded_usd(hosted.usd_per_million_tokens),
        usd=_rounded_usd(api.usd),
        batch_usd_per_million_tokens=_rounded(hosted.batch_usd_per_million_tokens),
        batch_usd=_rounded(api.batch_usd),
        dimensions=hosted.dimensions,
        as_of=hosted.as_of,
        source=hosted.source,
        flags=tuple(hosted.flags),
    )


def _cheaper_option(found: CheaperWay | None) -> CheaperOption | None:
    if found is None:
        return None
    return CheaperOption(
        name=found.name,
        usd=_rounded_usd(found.usd),
        fleet_usd_without_storage=_rounded_usd(found.fleet_usd),
        comparable=found.comparable,
        break_even_tokens_per_month=None if found.break_even is None else int(found.break_even),
    )


def _hours_quantiles(spread: Spread) -> HoursQuantiles:
    return HoursQuantiles(round(spread.low, 5), round(spread.mid, 5), round(spread.high, 5))


def _usd_quantiles(money: UsdSpread | None) -> UsdQuantiles:
    if money is None:
        return UsdQuantiles(None, None, None)
    return UsdQuantiles(_rounded_usd(money.p10), _rounded_usd(money.p50), _rounded_usd(money.p90))


def _rounded_usd(usd: Decimal) -> Decimal:
    """Dollars to a millionth of a cent: exact enough to add up, short enough to read."""
    return usd.quantize(Decimal("0.00000001")).normalize()


def _rounded(usd: Decimal | None) -> Decimal | None:
    return None if usd is None else _rounded_usd(usd)
