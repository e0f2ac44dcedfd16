"""What is different between two plans, and why one costs more.

Pure: two plans as JSON in, JSON out. `difftext` shows it. Schema `embedfleet/diff/1`, every difference being the
other less the one, money as strings, unknown as null and never as zero:

    one, other          run, created, digest, prices_as_of, and what is cheaper than the fleet, of each plan
    equal               whether the plans say the same, but for when they were made
    work, limits        [{name, one, other}] of what the jobs ask and the corpora hold; only what differs
    lots                [{gpu, gpus_per_machine, cloud, spot, change, one, other}], change being same, changed, added
                        or dropped, and each side the rest of the plan's lot, or null
    totals              usd, hours: {p10, p50, p90}; usd_per_million_tokens; machines: each {one, other, difference,
                        percent}
    because             the difference in dollars at P50 in two parts that add up: from_tokens (more or fewer, at the
                        one's price for each) and from_usd_per_token (the other's tokens, dearer or cheaper)
    items               by name, {one, other, difference, percent}
    prices              [{cloud, region, zone, instance_type, gpu, gpus_per_machine, spot, one, other, difference,
                        percent}] of a machine-hour in the same place, where it moved; zone null: the region's cheapest
    cheapest            [{cloud, gpu, gpus_per_machine, spot, one, other}] whose cheapest place is another now, each
                        side {region, instance_type, usd_per_hour}
    speeds              [{gpu, share, one, other, percent, one_source, other_source}], tokens per second of one GPU
    binding, not_priced {one, other, both}: sentences that stand in that plan alone, or in both
    also                names of the plan's other parts that differ
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

SCHEMA = "embedfleet/diff/1"
NEARLY = 1e-4  # of a speed: plans round it to a tenth of a token
LIMITS = ("limits", "quota", "local", "speed")  # keys of a job that bound the choice; the rest is the work
TOLD = (  # parts of a plan that are compared here; of the rest only the names are told
    *("schema", "run", "created", "digest", "prices_as_of", "cheaper"),
    *("work", "profile", "lots", "totals", "binding", "not_priced"),
)
KIND = ("cloud", "gpu", "gpus_per_machine", "spot")
PLACE = ("cloud", "region", "zone", "instance_type", "gpu", "gpus_per_machine", "spot")

Json = Mapping[str, Any]


def diff_plans(one: Json, other: Json) -> dict[str, Any]:
    """What the second plan has otherwise than the first."""
    fields = sorted(one.keys() | other.keys())
    changed = [name for name in fields if one.get(name) != other.get(name)]
    return {
        "schema": SCHEMA,
        "one": _head(one),
        "other": _head(other),
        "equal": not set(changed) - {"created", "digest"},
        "work": _facts(_work(one), _work(other)),
        "limits": _facts(_limits(one), _limits(other)),
        "lots": _lots(one, other),
        "totals": _totals(one["totals"], other["totals"]),
        "because": _because(one, other),
        "items": _items(one["totals"]["items"], other["totals"]["items"]),
        "prices": _prices(one, other),
        "cheapest": _cheapest(one, other),
        "speeds": _speeds(one, other),
        "binding": _sentences(one["binding"], other["binding"]),
        "not_priced": _sentences(one["not_priced"], other["not_priced"]),
        "also": [name for name in changed if name not in TOLD],
    }


def _head(plan: Json) -> dict[str, Any]:
    return {name: plan[name] for name in ("run", "created", "digest", "prices_as_of", "cheaper")}


def _facts(one: Json, other: Json) -> list[dict[str, Any]]:
    differ = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    return [
        {"name": name, "one": one.get(name), "other": other.get(name)}
        for name in sorted(differ, key=lambda name: name.startswith("planned."))
        # the bounds of a count say nothing new beside another count
        if not (name.startswith("interval.") and name.removeprefix("interval.") in differ)
    ]


def _work(plan: Json) -> dict[str, Any]:
    """What there is to do: the job file's own words, what was counted, and what planning made of them."""
    work, job = plan["work"], plan["work"]["job"]
    asked = {name: value for name, value in job.items() if name not in LIMITS}
    found = {f"planned.{name}": value for name, value in work.items() if name != "job"}
    if work["model"] == job["model"]:  # another only where it is a folder
        del found["planned.model"]
    said = _flat(asked) | _flat(plan["profile"]) | found
    if said.get("corpus.documents") == said["documents"]:  # of a declared corpus: told once
        del said["corpus.documents"]
    return said


def _limits(plan: Json) -> dict[str, Any]:
    job = plan["work"]["job"]
    return _flat({name: job[name] for name in LIMITS if name in job})


def _flat(value: Json, before: str = "") -> dict[str, Any]:
    """A mapping of mappings as one, with dotted names."""
    out: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            out |= _flat(cast("Json", inner), f"{before}{name}.")
        else:
            out[before + name] = inner
    return out


def _lots(one: Json, other: Json) -> list[dict[str, Any]]:
    before, after = ({_key(lot, KIND): lot for lot in plan["lots"]} for plan in (one, other))
    out: list[dict[str, Any]] = []
    for key in dict.fromkeys((*before, *after)):
        left, right = _lot(before.get(key)), _lot(after.get(key))
        change = "added" if left is None else "dropped" if right is None else "changed"
        sides = {"change": "same" if left == right else change, "one": left, "other": right}
        out.append(dict(zip(KIND, key, strict=True)) | sides)
    return out


def _lot(lot: Json | None) -> dict[str, Any] | None:
    return None if lot is None else {name: value for name, value in lot.items() if name not in KIND}


def _totals(one: Json, other: Json) -> dict[str, Any]:
    quantiles = ("p10", "p50", "p90")
    each = "usd_per_million_tokens"
    return {
        "usd": {p: _dollars(one["usd"][p], other["usd"][p]) for p in quantiles},
        "hours": {p: _numbers(one["hours"][p], other["hours"][p]) for p in quantiles},
        each: _dollars(one[each], other[each]),
        "machines": _numbers(one["machines"], other["machines"]),
    }


def _items(one: Json, other: Json) -> dict[str, Any]:
    return {name: _dollars(one.get(name), other.get(name)) for name in dict.fromkeys((*one, *other))}


def _because(one: Json, other: Json) -> dict[str, str | None]:
    before, after = (plan["totals"]["usd"]["p50"] for plan in (one, other))
    tokens = one["profile"]["tokens"]
    if before is None or after is None or not tokens:
        return {"from_tokens": None, "from_usd_per_token": None}
    at_the_old_price = Decimal(before) * other["profile"]["tokens"] / tokens
    return {
        "from_tokens": _text(at_the_old_price - Decimal(before)),
        "from_usd_per_token": _text(Decimal(after) - at_the_old_price),
    }


def _prices(one: Json, other: Json) -> list[dict[str, Any]]:
    """Machines in the same place at another price: those of the lots, then the cheapest of each kind."""
    before, after = _seats(one), _seats(other)
    out: list[dict[str, Any]] = []
    seen: set[tuple[Any, ...]] = set()
    for key, price in before.items():
        if key not in after or price == after[key]:
            continue
        place = dict(zip(PLACE, key, strict=True))
        same = (*_key(place | {"zone": None}, PLACE), price, after[key])
        if place["zone"] is not None or same not in seen:
            out.append(place | _dollars(price, after[key]))
        seen.add(same)
    return out


def _seats(plan: Json) -> dict[tuple[Any, ...], str | None]:
    """The price of a machine-hour, by place."""
    seats = [lot | seat for lot in plan["lots"] for seat in lot["places"]]
    cheapest = [kind | {"zone": None} for kind in plan["kinds"]]
    return {_key(seat, PLACE): seat["usd_per_hour"] for seat in (*seats, *cheapest)}


def _cheapest(one: Json, other: Json) -> list[dict[str, Any]]:
    before, after = ({_key(kind, KIND): kind for kind in plan["kinds"]} for plan in (one, other))
    names = ("region", "instance_type", "usd_per_hour")
    return [
        dict(zip(KIND, key, strict=True))
        | {"one": {n: kind[n] for n in names}, "other": {n: after[key][n] for n in names}}
        for key, kind in before.items()
        if key in after and _key(kind, names[:2]) != _key(after[key], names[:2])
    ]


def _speeds(one: Json, other: Json) -> list[dict[str, Any]]:
    before, after = _rates(one), _rates(other)
    out: list[dict[str, Any]] = []
    for key, (rate, source) in before.items():
        if key not in after:
            continue
        now, now_source = after[key]
        if source != now_source or abs(now - rate) > NEARLY * max(now, rate):
            gpu, share = key
            sources = {"one_source": source, "other_source": now_source}
            sides = {"one": rate, "other": now, "percent": _percent(rate, now)}
            out.append({"gpu": gpu, "share": share} | sides | sources)
    return out


def _rates(plan: Json) -> dict[tuple[str, float], tuple[float, str]]:
    """Tokens per second of one GPU and where that comes from, by GPU and the part of it that is rented.

    The largest machine tells it best, for plans round what a machine does. A machine without GPUs counts as one.
    """
    out: dict[tuple[str, float], tuple[float, str]] = {}
    machines = sorted((*plan["lots"], *plan["kinds"]), key=lambda m: -m["gpus_per_machine"])
    for machine in machines:
        gpus = machine["gpus_per_machine"]
        rate = round(machine["tokens_per_second"] / (gpus or 1), 1)
        out.setdefault((machine["gpu"], min(1.0, gpus)), (rate, machine["speed_source"]))
    used = {lot["gpu"] for lot in plan["lots"]}
    return dict(sorted(out.items(), key=lambda item: item[0][0] not in used))


def _sentences(one: Sequence[str], other: Sequence[str]) -> dict[str, list[str]]:
    return {
        "one": [said for said in one if said not in other],
        "other": [said for said in other if said not in one],
        "both": [said for said in one if said in other],
    }


def _dollars(one: str | None, other: str | None) -> dict[str, Any]:
    if one is None or other is None:
        return {"one": one, "other": other, "difference": None, "percent": None}
    before, after = Decimal(one), Decimal(other)
    difference = _text(after - before)
    return {"one": one, "other": other, "difference": difference, "percent": _percent(before, after)}


def _numbers(one: float, other: float) -> dict[str, Any]:
    return {
        "one": one,
        "other": other,
        "difference": round(other - one, 5),
        "percent": _percent(one, other),
    }


def _percent(one: float | Decimal, other: float | Decimal) -> float | None:
    """How much more the other is; None where there is nothing to compare it with."""
    return round((float(other) / float(one) - 1) * 100, 2) if one else None


def _key(value: Json, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(value[name] for name in names)


def _text(usd: Decimal) -> str:
    return f"{usd.quantize(Decimal('0.00000001')).normalize():f}"
