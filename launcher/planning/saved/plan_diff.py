"""Compare two plans: what is different, and why one costs more.

Pure. Every difference is the other plan less the one. Money is exact; unknown is None, and never zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from launcher.planning.saved import plan_file
from launcher.planning.saved.plan_diff_document import (
    Change,
    CheapestChange,
    CheapestPlace,
    DiffDocument,
    GroupChange,
    GroupSide,
    HoursQuantileChanges,
    NumberChange,
    PlanHead,
    PriceChange,
    Reasons,
    Sentences,
    SpeedChange,
    TotalsChange,
    UsdChange,
    UsdQuantileChanges,
    ValueChange,
)
from launcher.planning.saved.saved_alternatives import SingleTypeFleet
from launcher.planning.saved.saved_plan import MachineGroup, PlanTotals, SavedPlan

SAME_SPEED = 1e-4  # of a speed: plans round it to a tenth of a token per second
LIMIT_KEYS = (
    "limits",
    "quota",
    "vcpu_quota",
    "local",
    "speed",
)  # keys of a job that bound the choice; the rest is the work
COMPARED = (  # parts of a plan that have a place in the document; `also` names the others that differ
    "schema",
    "run",
    "created",
    "digest",
    "prices_as_of",
    "cheaper",
    "work",
    "profile",
    "lots",
    "totals",
    "binding",
    "not_priced",
)

Json = Mapping[str, Any]
Type = tuple[str, str, float, bool]  # cloud, GPU, GPUs per machine, spot
MEASURES_OF_LOSS = ("cosine_mean", "cosine_worst", "recall_at_10")


def diff_plans(one: SavedPlan, other: SavedPlan) -> DiffDocument:
    """What the other plan has otherwise than the one."""
    before, after = plan_file.dump(one), plan_file.dump(other)
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    return DiffDocument(
        one=_head(one),
        other=_head(other),
        equal=replace(one, created=other.created, digest=other.digest) == other,
        work=_value_changes(_work(before), _work(after)),
        limits=_value_changes(_limits(before), _limits(after)),
        lots=_group_changes(one, other),
        totals=_totals(one.totals, other.totals),
        because=_reasons(one, other),
        items=_items(one.totals.items, other.totals.items),
        prices=_price_changes(one, other),
        cheapest=_cheapest_changes(one, other),
        speeds=_speed_changes(one, other),
        binding=_sentences(one.binding, other.binding),
        not_priced=_sentences(one.not_priced, other.not_priced),
        also=tuple(name for name in changed if name not in COMPARED),
    )


def _head(plan: SavedPlan) -> PlanHead:
    return PlanHead(
        run=plan.run,
        created=plan.created,
        digest=plan.digest,
        prices_as_of=plan.prices_as_of,
        cheaper=plan.cheaper,
    )


def _value_changes(one: Json, other: Json) -> tuple[ValueChange, ...]:
    differ = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    return tuple(
        ValueChange(name, one.get(name), other.get(name))
        for name in sorted(differ, key=lambda name: name.startswith("planned."))
        # the interval of a count says nothing new beside another count
        if not (name.startswith("interval.") and name.removeprefix("interval.") in differ)
    )


def _work(plan: Json) -> dict[str, Any]:
    """What there is to do, by dotted name: the job's own values, the counts, and what planning made of them."""
    work, job = plan["work"], plan["work"]["job"]
    asked = {name: value for name, value in job.items() if name not in LIMIT_KEYS}
    found = {f"planned.{name}": value for name, value in work.items() if name != "job"}
    if work["model"] == job["model"]:  # it differs only when it is a folder
        del found["planned.model"]
    counts = {name: value for name, value in plan["profile"].items() if name != "document_lengths"}
    values = _flat(asked) | _flat(counts) | found | _loss(plan)
    if values.get("corpus.documents") == values["documents"]:  # of a declared corpus: once is enough
        del values["corpus.documents"]
    return values


def _loss(plan: Json) -> dict[str, Any]:
    """What a reduced precision was measured to lose, by dotted name; empty without one."""
    reduced: Json = plan["totals"].get("reduced") or {}
    loss: Json = reduced.get("loss") or {}
    return {f"loss.{name}": value for name, value in loss.items() if name in MEASURES_OF_LOSS}


def _limits(plan: Json) -> dict[str, Any]:
    job = plan["work"]["job"]
    return _flat({name: job[name] for name in LIMIT_KEYS if name in job})


def _flat(value: Json, prefix: str = "") -> dict[str, Any]:
    """A mapping of mappings as one, with dotted names."""
    out: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            out |= _flat(cast("Json", inner), f"{prefix}{name}.")
        else:
            out[prefix + name] = inner
    return out


def _type(machines: MachineGroup | SingleTypeFleet) -> Type:
    return machines.cloud, machines.gpu, machines.gpus_per_machine, machines.spot


def _group_changes(one: SavedPlan, other: SavedPlan) -> tuple[GroupChange, ...]:
    before, after = ({_type(group): group for group in plan.lots} for plan in (one, other))
    out: list[GroupChange] = []
    for key in dict.fromkeys((*before, *after)):
        left, right = _side(before.get(key)), _side(after.get(key))
        change: Change = "added" if left is None else "dropped" if right is None else "changed"
        cloud, gpu, gpus_per_machine, spot = key
        out.append(
            GroupChange(
                cloud=cloud,
                gpu=gpu,
                gpus_per_machine=gpus_per_machine,
                spot=spot,
                change="same" if left == right else change,
                one=left,
                other=right,
            )
        )
    return tuple(out)


def _side(group: MachineGroup | None) -> GroupSide | None:
    if group is None:
        return None
    return GroupSide(
        regions=group.regions,
        machines=group.machines,
        workers=group.workers,
        threads=group.threads,
        tokens=group.tokens,
        tokens_per_second=group.tokens_per_second,
        speed_source=group.speed_source,
        usd_per_hour=group.usd_per_hour,
        usd_per_million_tokens=group.usd_per_million_tokens,
        places=group.places,
    )


def _totals(one: PlanTotals, other: PlanTotals) -> TotalsChange:
    usd, usd_other, hours, hours_other = one.usd, other.usd, one.hours, other.hours
    return TotalsChange(
        usd=UsdQuantileChanges(
            _usd(usd.p10, usd_other.p10), _usd(usd.p50, usd_other.p50), _usd(usd.p90, usd_other.p90)
        ),
        hours=HoursQuantileChanges(
            _number(hours.p10, hours_other.p10),
            _number(hours.p50, hours_other.p50),
            _number(hours.p90, hours_other.p90),
        ),
        usd_per_million_tokens=_usd(one.usd_per_million_tokens, other.usd_per_million_tokens),
        machines=_number(one.machines, other.machines),
    )


def _items(one: Mapping[str, Decimal | None], other: Mapping[str, Decimal | None]) -> dict[str, UsdChange]:
    return {name: _usd(one.get(name), other.get(name)) for name in dict.fromkeys((*one, *other))}


def _reasons(one: SavedPlan, other: SavedPlan) -> Reasons:
    before, after = one.totals.usd.p50, other.totals.usd.p50
    if before is None or after is None or not one.profile.tokens:
        return Reasons(None, None)
    at_the_old_price = before * other.profile.tokens / one.profile.tokens
    return Reasons(_rounded(at_the_old_price - before), _rounded(after - at_the_old_price))


def _price_changes(one: SavedPlan, other: SavedPlan) -> tuple[PriceChange, ...]:
    """Machines in the same place at another price: those of the groups, then the cheapest of each type."""
    before, after = (
        {replace(place, one=None): place.one for place in _places(plan)} for plan in (one, other)
    )
    out: list[PriceChange] = []
    seen: set[PriceChange] = set()
    for place, price in before.items():
        if place not in after or price == after[place]:
            continue
        usd = _usd(price, after[place])
        change = replace(place, one=price, other=usd.other, difference=usd.difference, percent=usd.percent)
        same_region = replace(change, zone=None)
        if place.zone is not None or same_region not in seen:
            out.append(change)
        seen.add(same_region)
    return tuple(out)


def _places(plan: SavedPlan) -> Iterable[PriceChange]:
    """The price of a machine-hour by place, in `one`."""
    unknown: dict[str, Any] = {"other": None, "difference": None, "percent": None}
    for group in plan.lots:
        for place in group.places:
            yield PriceChange(
                cloud=group.cloud,
                region=place.region,
                zone=place.zone,
                instance_type=place.instance_type,
                gpu=group.gpu,
                gpus_per_machine=group.gpus_per_machine,
                spot=group.spot,
                one=place.usd_per_hour,
                **unknown,
            )
    for fleet in plan.kinds:
        yield PriceChange(
            cloud=fleet.cloud,
            region=fleet.region,
            zone=None,
            instance_type=fleet.instance_type,
            gpu=fleet.gpu,
            gpus_per_machine=fleet.gpus_per_machine,
            spot=fleet.spot,
            one=fleet.usd_per_hour,
            **unknown,
        )


def _cheapest_changes(one: SavedPlan, other: SavedPlan) -> tuple[CheapestChange, ...]:
    before, after = ({_type(fleet): fleet for fleet in plan.kinds} for plan in (one, other))
    out: list[CheapestChange] = []
    for key, fleet in before.items():
        now = after.get(key)
        if now is None or (fleet.region, fleet.instance_type) == (now.region, now.instance_type):
            continue
        out.append(
            CheapestChange(
                cloud=fleet.cloud,
                gpu=fleet.gpu,
                gpus_per_machine=fleet.gpus_per_machine,
                spot=fleet.spot,
                one=CheapestPlace(fleet.region, fleet.instance_type, fleet.usd_per_hour),
                other=CheapestPlace(now.region, now.instance_type, now.usd_per_hour),
            )
        )
    return tuple(out)


def _speed_changes(one: SavedPlan, other: SavedPlan) -> tuple[SpeedChange, ...]:
    before, after = _rates(one), _rates(other)
    out: list[SpeedChange] = []
    for key, (rate, source) in before.items():
        if key not in after:
            continue
        now, now_source = after[key]
        if source != now_source or abs(now - rate) > SAME_SPEED * max(now, rate):
            gpu, share = key
            out.append(
                SpeedChange(
                    gpu=gpu,
                    share=share,
                    one=rate,
                    other=now,
                    percent=_percent(rate, now),
                    one_source=source,
                    other_source=now_source,
                )
            )
    return tuple(out)


def _rates(plan: SavedPlan) -> dict[tuple[str, float], tuple[float, str]]:
    """Tokens per second of one GPU and their source, by GPU and the part of it that is rented.

    Taken from the largest machine, because plans round the speed of a machine. A machine without GPUs counts as one.
    GPUs of the plan's own groups come first.
    """
    out: dict[tuple[str, float], tuple[float, str]] = {}
    for machine in sorted((*plan.lots, *plan.kinds), key=lambda m: -m.gpus_per_machine):
        gpus = machine.gpus_per_machine
        rate = round(machine.tokens_per_second / (gpus or 1), 1)
        out.setdefault((machine.gpu, min(1.0, gpus)), (rate, machine.speed_source))
    used = {group.gpu for group in plan.lots}
    return dict(sorted(out.items(), key=lambda item: item[0][0] not in used))


def _sentences(one: Sequence[str], other: Sequence[str]) -> Sentences:
    return Sentences(
        one=tuple(sentence for sentence in one if sentence not in other),
        other=tuple(sentence for sentence in other if sentence not in one),
        both=tuple(sentence for sentence in one if sentence in other),
    )


def _usd(one: Decimal | None, other: Decimal | None) -> UsdChange:
    if one is None or other is None:
        return UsdChange(one, other, None, None)
    return UsdChange(one, other, _rounded(other - one), _percent(one, other))


def _number(one: float, other: float) -> NumberChange:
    return NumberChange(one, other, round(other - one, 5), _percent(one, other))


def _percent(one: float | Decimal, other: float | Decimal) -> float | None:
    """How much more the other is, in per cent; None when the one is 0."""
    return round((float(other) / float(one) - 1) * 100, 2) if one else None


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("0.00000001")).normalize()
