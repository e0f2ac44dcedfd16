"""The choice of a plan: its limits, its quotes, what it calls unknown, and whether something cheaper was overlooked."""

import re
from collections import Counter
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from benchmarks.plan_check.arithmetic import amount, output_size, region_of
from benchmarks.plan_check.findings import Findings, section
from benchmarks.plan_check.snapshot import (
    DOUBTFUL,
    NOT_A_PRICE,
    NOT_LAUNCHABLE,
    SINGLE_HOST,
    Row,
    Snapshot,
)

Plan = dict[str, Any]

SAME_PRICE = 0.02  # of the cost: a fleet of fewer machines may be chosen for so much more
ROUNDING = 0.005
FEW_GPUS = 8  # of one type in one region: taken to be there for any fleet
OVERLOOKED = 0.93  # of the chosen fleet's cost: an own sum must be lower, because its parts are coarse
SPOT_RISK = 1.5  # what a spot quote is multiplied with before it counts as overlooked
UNITS = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}
WITHOUT_QUOTA = {"vast"}  # single hosts of a market


def hours_of(text: Any) -> float | None:
    """Hours of a duration such as 6h, 100m or 5d; None without one, or for a moment in time."""
    matched = re.fullmatch(r"([\d.]+)([mhdw])", str(text))
    return float(matched[1]) * UNITS[matched[2]] if matched else None


def rank(figures: dict[str, Any]) -> float | None:
    """P50 in USD with the most that its unknown parts cost; None where it cannot be compared."""
    return _with_bounds(figures, "p50")


def _with_bounds(figures: dict[str, Any], quantile: str) -> float | None:
    """A part without a bound is missing from every fleet alike, such as egress where the job gives no region."""
    usd = amount(figures["usd"][quantile])
    bounds = figures.get("unpriced", {}).values()
    return None if usd is None else usd + sum(float(bound) for bound in bounds if bound is not None)


def check_limits(plan: Plan, job: dict[str, Any], found: Findings) -> None:
    """Deadline, budget, machines and quota, and the limits of each machine group."""
    limits, totals = section(job, "limits"), plan["totals"]
    deadline, budget = hours_of(limits.get("deadline")), _dollars(limits.get("budget"))
    if deadline is not None:
        found.most("P90 keeps the deadline", totals["hours"]["p90"], deadline)
    highest = _with_bounds(totals, "p90")
    if budget is not None and highest is not None:
        found.most("P90 keeps the budget", highest, budget)
    if limits.get("machines"):
        found.most("limits.machines", totals["machines"], limits["machines"])
    per_region, per_group = _taken(plan["lots"])
    if limits.get("machines_per_region"):
        found.most("limits.machines_per_region", max(per_region.values()), limits["machines_per_region"])
    for group in plan["lots"]:
        _check_group(group, limits, found)
    for (cloud, region, gpu, spot), gpus in per_group.items():
        most = _quota(job, cloud, region, gpu, spot=spot)
        if most is not None:
            found.most(f"quota of {gpu} in {cloud} {region}", gpus, most)
    needed = {(q["cloud"], q["region"], q["gpu"], q["spot"]): q["gpus"] for q in plan["quota_needed"]}
    asked = {group: gpus for group, gpus in per_group.items() if group[0] not in WITHOUT_QUOTA}
    found.must("quota needed is the fleet's", needed == asked, str(needed), str(asked))


def _check_group(group: dict[str, Any], limits: dict[str, Any], found: Findings) -> None:
    for name, said in (("clouds", group["cloud"]), ("gpus", group["gpu"])):
        if limits.get(name):
            found.must(f"limits.{name}", said in limits[name], said, limits[name])
    patterns = limits.get("regions")
    for region in group["regions"] if patterns else ():
        inside = any(fnmatchcase(region, pattern) for pattern in patterns or ())
        found.must("limits.regions", inside, region, patterns)
    spot = limits.get("spot", "prefer")
    found.must("limits.spot", spot == "prefer" or group["spot"] == (spot == "only"), group["spot"], spot)


def check_quotes(plan: Plan, job: dict[str, Any], snapshot: Snapshot, found: Findings) -> None:
    """Each place has a quote in the snapshot, at its price, and can be launched."""
    allowed = set[str](section(job, "limits").get("opt_in") or ())
    for group in plan["lots"]:
        for place in group["places"]:
            name = f"{group['cloud']} {place['zone'] or place['region']} {place['instance_type']}"
            rows = snapshot.quotes(
                group["cloud"], place["region"], place["instance_type"], group["gpu"],
                gpus=group["gpus_per_machine"], spot=group["spot"],
            )  # fmt: skip
            paid = Decimal(place["usd_per_hour"])
            said = Decimal(
                place.get("quoted_usd_per_hour") or paid
            )  # the price book's, before age and discounts
            found.must("a quote of the snapshot", bool(rows), name, "none")
            if not rows:
                continue
            exact = [row for row in rows if row.usd == said]
            if exact:
                found.checks += 1
                flags = frozenset[str].intersection(*(row.flags for row in exact))
                refused = flags & (NOT_LAUNCHABLE | (NOT_A_PRICE if paid <= said else set[str]()))
                cheaper = paid < said and not place.get("discount")
                found.must(
                    "no price below its quote without a discount", not cheaper, f"{name} at {paid}", str(said)
                )
                found.must("a quote that may be chosen", not refused, name, sorted(refused))
                doubts = sorted(flags & (DOUBTFUL - {"zone_id"}))
                found.unverified += [f"{name}: its quote is flagged {', '.join(doubts)}"] if doubts else []
                if SINGLE_HOST in flags:
                    found.most(f"hosts behind {name}", place["machines"], len(rows))
            else:
                lowest = min(row.usd for row in rows)
                found.must(
                    "no price below the lowest quote", said >= lowest, f"{name} at {said}", str(lowest)
                )
                found.unverified.append(f"{name} at {said}: not a quote itself, the lowest is {lowest}")
            why = snapshot.why_not_launchable(group["cloud"], place["region"], place["zone"], allowed)
            found.must("can be launched", why is None, name, why)


def check_single_types(plan: Plan, job: dict[str, Any], found: Findings) -> None:
    """No fleet that the plan itself shows beside the chosen one, within the limits and fully priced, is cheaper."""
    chosen = rank(plan["totals"])
    if chosen is None:
        return
    most = max(_taken(plan["lots"])[1].values())
    floor = chosen * (1 - max(SAME_PRICE, plan["solver_gap"] or 0.0) - ROUNDING)
    for kind in plan["kinds"]:
        gpus = kind["machines"] * kind["gpus_per_machine"]
        name = f"{kind['machines']} of {kind['gpus_per_machine']:g} x {kind['gpu']} on {kind['cloud']} {kind['region']}"
        usd = rank(kind)
        if usd is not None and gpus <= max(FEW_GPUS, most) and _keeps(kind, job):
            found.must("no single type is cheaper", usd >= floor, chosen, f"{name}: {usd:.4f}")
    for other in (*plan["alternatives"], *plan["frontier"]):
        usd = rank(other)
        if usd is not None and other in plan["alternatives"] and other["name"] != "this machine":
            found.must("no alternative is cheaper", usd >= floor, chosen, f"{other['name']}: {usd:.4f}")


def check_overlooked(plan: Plan, job: dict[str, Any], snapshot: Snapshot, found: Findings) -> None:
    """No offer of the snapshot does the job alone, on up to 8 GPUs, clearly cheaper: an own sum of all its costs."""
    chosen, totals = rank(plan["totals"]), plan["totals"]
    speeds = {(kind["gpu"]): kind["tokens_per_second"] / kind["gpus_per_machine"] for kind in plan["kinds"]}
    if chosen is None or not speeds or plan["lots"][0]["cloud"] == "local":
        return
    slow = totals["hours"]["p90"] / max(totals["hours"]["p50"], 1e-9)
    allowed = set[str](section(job, "limits").get("opt_in") or ())
    cheapest: tuple[float, str] | None = None
    for row in snapshot.offers:
        if row.gpu not in speeds or row.flags & DOUBTFUL:
            continue
        if snapshot.why_not_launchable(row.cloud, row.region, row.zone or None, allowed):
            continue
        for machines in range(1, int(FEW_GPUS // max(row.gpus, 1)) + 1):
            usd = _own_sum(plan, job, row, machines, speeds[row.gpu], slow, snapshot)
            if usd is not None and (cheapest is None or usd < cheapest[0]):
                name = f"{machines} of {row.gpus:g} x {row.gpu} on {row.cloud} {row.region}"
                cheapest = usd, f"{name}, {'spot' if row.spot else 'on demand'}"
    if cheapest:
        usd, name = cheapest
        found.must("nothing cheaper was overlooked", usd >= chosen * OVERLOOKED, chosen, f"{name}: {usd:.4f}")


def _own_sum(
    plan: Plan, job: dict[str, Any], row: Row, machines: int, speed: float, slow: float, snapshot: Snapshot
) -> float | None:
    """USD of the whole job on machines of one offer, on the high side; None where it breaks a limit or is not known."""
    limits, tokens = section(job, "limits"), plan["profile"]["tokens"]
    quota = _quota(job, row.cloud, row.region, row.gpu, spot=row.spot)
    spot, deadline = limits.get("spot", "prefer"), hours_of(limits.get("deadline"))
    refused = (
        (limits.get("clouds") and row.cloud not in limits["clouds"])
        or (limits.get("gpus") and row.gpu not in limits["gpus"])
        or (limits.get("regions") and not any(fnmatchcase(row.region, p) for p in limits["regions"]))
        or (spot != "prefer" and row.spot != (spot == "only"))
        or machines > (limits.get("machines") or machines)
        or machines > (limits.get("machines_per_region") or machines)
        or (quota is not None and machines * row.gpus > quota)
    )
    model = snapshot.models.get(plan["work"]["model"])
    corpus, output = region_of(job, "corpus"), region_of(job, "output")
    start = snapshot.starts.get(row.cloud) or snapshot.starts.get("*")
    if refused or model is None or start is None or corpus is None or output is None:
        return None
    starting = sum(float(start[f"{part}_high"]) for part in ("boot", "setup")) / 3600
    starting += 2 * float(model["params_total"]) / 92e6 / 3600 + 0.05
    work = tokens / (speed * row.gpus * machines) / 3600 * (1.3 if row.spot else 1.05)
    if deadline is not None and (work + starting) * slow > deadline * 0.95:
        return None
    here = row.cloud, row.region
    storage = amount(plan["totals"]["items"]["storage"])
    # The vectors of a job are as large as those of the plan.
    legs = [snapshot.transfer(corpus, here, plan["profile"]["bytes"])]
    size = output_size(plan, job, snapshot)
    legs.append(None if size is None else snapshot.transfer(here, output, size))
    if None in legs:
        return None
    price = float(row.usd) * (SPOT_RISK if row.spot else 1.0)
    hourly = machines * (price + 0.10 * (60 + 2 * float(model["params_total"]) / 1e9) / 730) + 0.1942
    moved = sum(float(leg) for leg in legs if leg is not None)
    usd = hourly * (work + starting + 0.5) + moved + (storage or 0.0)
    budget = _dollars(limits.get("budget"))
    return None if budget is not None and usd * slow > budget else usd


def _keeps(kind: dict[str, Any], job: dict[str, Any]) -> bool:
    """Whether a fleet of one type keeps the job's limits."""
    limits = section(job, "limits")
    deadline, budget = hours_of(limits.get("deadline")), _dollars(limits.get("budget"))
    quota = _quota(job, kind["cloud"], kind["region"], kind["gpu"], spot=kind["spot"])
    highest = _with_bounds(kind, "p90")
    return (
        (deadline is None or kind["hours"]["p90"] <= deadline)
        and (budget is None or (highest is not None and highest <= budget))
        and kind["machines"] <= (limits.get("machines") or kind["machines"])
        and kind["machines"] <= (limits.get("machines_per_region") or kind["machines"])
        and (quota is None or kind["machines"] * kind["gpus_per_machine"] <= quota)
    )


def _taken(
    groups: list[dict[str, Any]],
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str, str, bool]]]:
    """Machines by region, and GPUs by region, type and purchase."""
    machines, gpus = Counter[tuple[str, str]](), Counter[tuple[str, str, str, bool]]()
    for group in groups:
        for place in group["places"]:
            machines[group["cloud"], place["region"]] += place["machines"]
            scope = group["cloud"], place["region"], group["gpu"], group["spot"]
            gpus[scope] += place["machines"] * group["gpus_per_machine"]
    if groups[0]["cloud"] == "local":
        gpus.clear()
    return machines, gpus


def _quota(job: dict[str, Any], cloud: str, region: str, gpu: str, *, spot: bool) -> float | None:
    """GPUs that the account may have; a quota for a cloud bounds all its regions. None: no word of that cloud."""
    given = section(job, "quota").get(cloud)
    if given is None:
        return None
    return float(section(section(given, region), gpu).get("spot" if spot else "on_demand", 0))


def _dollars(text: Any) -> float | None:
    return None if text is None else float(str(text).lstrip("$"))
