"""Tokens, hours and each item of the dollars of a plan, computed a second time.

Plans are dictionaries on purpose: this is what a stranger with `plan --json` can do. A plan does not say how long a
machine starts or how often it is preempted, so some figures are checked between bounds.
"""

from typing import Any, cast

from benchmarks.plan_check.findings import Findings, section
from benchmarks.plan_check.snapshot import Snapshot

Plan = dict[str, Any]

OTHER_ITEMS = ("disk", "storage", "egress", "controller")  # all others are of machine hours
BYTES = {"float32": 4.0, "float16": 2.0, "int8": 1.0, "binary": 0.125}
# List prices that are in no CSV file: of a GB and month of the usual disk, and of SkyPilot's controller by the hour.
DISK_USD = {"aws": 0.08, "gcp": 0.10}
DISK_GB = 60
CONTROLLER_USD = {"aws": 0.192, "azure": 0.192, "gcp": 0.1942}
HOURS_PER_MONTH = 730
MOST_PREEMPTED = 0.6  # of the compute: more lost work than this is not believed
IDLE_HOURS = 0.5  # of a controller after the last job, at most
TYPES_DIFFER = 0.06  # of the speed: machine types of one group, of which the plan gives the mean
LOST_DIFFERS = {
    True: 0.06,
    False: 0.002,
}  # of the work: what preemption takes of spot, and of machines on demand
LAUNCHES, LAUNCH_HOURS = (
    8,
    140 / 3600,
)  # machines that are launched at a time, and how long that takes at most
CONTROLLER_HOURS = (
    0.2  # before the first machine, and waiting for capacity: clouds and purchase kinds differ in it
)


def amount(value: str | None) -> float | None:
    """USD of a plan; None is unknown."""
    return None if value is None else float(value)


def declared_tokens(job: dict[str, Any]) -> float | None:
    """Tokens of a declared corpus as the job's YAML gives them."""
    corpus = section(job, "corpus")
    if "documents" not in corpus:
        return None
    each: Any = corpus["tokens_per_document"]
    if isinstance(each, list):
        pairs = cast("list[tuple[float, float]]", each)
        return float(corpus["documents"]) * sum(share * tokens for share, tokens in pairs)
    return float(corpus["documents"]) * float(each)


def check_totals(plan: Plan, job: dict[str, Any], found: Findings) -> None:
    """Tokens, machines, quantiles and sums."""
    profile, groups, totals = plan["profile"], plan["lots"], plan["totals"]
    declared = declared_tokens(job)
    if declared is not None:
        found.near("tokens, cut ones included", profile["tokens"] + profile["tokens_cut"], declared, 0.001)
    found.near("tokens of the groups", sum(group["tokens"] for group in groups), profile["tokens"], 1e-6)
    found.between("machines", totals["machines"], *(float(sum(group["machines"] for group in groups)),) * 2)
    for group in groups:
        places = group["places"]
        count = sum(place["machines"] for place in places)
        found.between(f"machines of {group['gpu']}", group["machines"], count, count)
        if group["usd_per_hour"] is not None:
            mean = sum(float(p["usd_per_hour"]) * p["machines"] for p in places) / count
            found.near(f"$/h of {group['gpu']}", float(group["usd_per_hour"]), mean, 1e-5)
        for name, said in section(job, "speed").items():
            if name == group["gpu"]:
                given = said * group["gpus_per_machine"]
                found.near(f"speed of {name} as the job gives it", group["tokens_per_second"], given, 1e-3)
    for name in ("usd", "hours", "tokens_per_second"):
        spread = totals.get(name)
        if spread and spread["p50"] is not None:
            low, mid, high = (float(spread[key]) for key in ("p10", "p50", "p90"))
            found.must(f"P10, P50 and P90 of {name} rise", low <= mid <= high, [low, mid, high], "")
    items = {name: amount(usd) for name, usd in totals["items"].items()}
    known = sum(usd for usd in items.values() if usd is not None)
    middle = amount(totals["usd"]["p50"])
    if middle is not None:
        found.near("P50 is the sum of the items", middle, known, 1e-6)
        each = amount(totals["usd_per_million_tokens"])
        if each is not None:
            found.near("dollars per million tokens", each, middle / profile["tokens"] * 1e6, 1e-4)


def work_hours(group: dict[str, Any]) -> float:
    """Hours that all machines of a lot work together."""
    return group["tokens"] / group["tokens_per_second"] / 3600


def check_hours(plan: Plan, snapshot: Snapshot, found: Findings) -> None:
    """Wall time: at least the work and the shortest start, at most what starts and preemption can add."""
    groups, hours = plan["lots"], plan["totals"]["hours"]["p50"]
    if groups[0]["cloud"] == "local":
        return
    work = max(work_hours(group) / group["machines"] for group in groups)
    starts = [_start_hours(group["cloud"], snapshot) for group in groups]
    low = work + min(low for low, _ in starts)
    slowest = max(high for _, high in starts) + _download_hours(plan, snapshot)
    # Machines are launched one after the other: up to half a minute each.
    high = work * (1 + MOST_PREEMPTED) + 2 * slowest + plan["totals"]["machines"] / 120 + 0.5
    found.between("hours at P50", hours, low, high)


def check_shares(plan: Plan, snapshot: Snapshot, found: Findings) -> None:
    """Workers take shards from one queue: machines of all places work until the same moment, whatever they cost."""
    groups = plan["lots"]
    places = [(group, place) for group in groups for place in group["places"]]
    found.between(
        "tokens of the places",
        sum(place["tokens"] for _, place in places),
        *(
            float(sum(group["tokens"] for group in groups)) + rounding
            for rounding in (-len(places), len(places))
        ),
    )
    waves = (plan["totals"]["machines"] - 1) // LAUNCHES * LAUNCH_HOURS
    for number, (group, place) in enumerate(places):
        for other_group, other in places[:number]:
            if group["cloud"] == "local":
                continue
            worked, others = (_hours_each(*one) for one in ((group, place), (other_group, other)))
            slack = waves + max(worked, others) * _speeds_differ(group, other_group)
            if (group["cloud"], group["spot"]) != (other_group["cloud"], other_group["spot"]):
                starts = [_start_hours(one["cloud"], snapshot) for one in (group, other_group)]
                slack += max(high for _, high in starts) - min(low for low, _ in starts) + CONTROLLER_HOURS
            name = f"{group['gpu']} in {place['region']} works as long as {other_group['gpu']} in {other['region']}"
            found.between(name, worked, others - slack, others + slack)


def _hours_each(group: dict[str, Any], place: dict[str, Any]) -> float:
    """Hours that each machine of a place works."""
    return place["tokens"] / place["machines"] / group["tokens_per_second"] / 3600


def _speeds_differ(*groups: dict[str, Any]) -> float:
    """How much the work of machines in these groups may differ, as a share of it."""
    several = any(len({place["instance_type"] for place in group["places"]}) > 1 for group in groups)
    return (TYPES_DIFFER if several else 1e-4) + max(LOST_DIFFERS[group["spot"]] for group in groups)


def check_machine_items(plan: Plan, snapshot: Snapshot, found: Findings) -> None:
    """Compute from speeds and prices; starts and preemption between bounds."""
    groups, items = plan["lots"], plan["totals"]["items"]
    if any(group["usd_per_hour"] is None for group in groups):
        found.must("no price, no dollars", plan["totals"]["usd"]["p50"] is None, plan["totals"]["usd"], None)
        return
    low = high = starts = 0.0
    for group in groups:
        mean = float(group["usd_per_hour"])
        types = len({place["instance_type"] for place in group["places"]})
        usd = sum(
            place["tokens"] / group["tokens_per_second"] / 3600 * float(place["usd_per_hour"])
            for place in group["places"]
        )
        spread = TYPES_DIFFER if types > 1 else 1e-4
        low += usd * (1 - spread)
        high += usd * (1 + spread)
        starts += group["machines"] * mean * _start_hours(group["cloud"], snapshot)[0]
    compute = float(items["compute"])
    found.between("compute", compute, low * (1 - 1e-4), high * (1 + 1e-4))
    if groups[0]["cloud"] == "local":
        return
    cold = float(items["cold_start"])
    found.must("starts cost at least the shortest start", cold >= starts * 0.999, cold, starts)
    most = MOST_PREEMPTED * compute if any(group["spot"] for group in groups) else 0.0
    found.between("preemption", float(items["preemption"]), 0.0, most)


def check_disks(plan: Plan, snapshot: Snapshot, found: Findings) -> None:
    """Disks of all machine hours, where the cloud has a list price here."""
    groups, items = plan["lots"], plan["totals"]["items"]
    if groups[0]["cloud"] == "local" or any(group["usd_per_hour"] is None for group in groups):
        return
    unpriced = {group["cloud"] for group in groups if group["cloud"] not in DISK_USD}
    if unpriced:
        if is_marked(plan, "disk"):
            found.checks += 1
        else:
            found.unverified.append(
                f"disks on {', '.join(sorted(unpriced))}: priced by the plan, no price here"
            )
        return
    model = snapshot.models.get(plan["work"]["model"])
    if model is None or items["disk"] is None:
        found.must("disks have a price", items["disk"] is not None, items["disk"], "a list price")
        return
    size = DISK_GB + 2 * float(model["params_total"]) / 1e9
    rates = {group["cloud"]: DISK_USD[group["cloud"]] * size / HOURS_PER_MONTH for group in groups}
    working = sum(work_hours(group) * rates[group["cloud"]] for group in groups)
    machines = [usd for name, usd in items.items() if name not in (*OTHER_ITEMS, "compute")]
    beside = sum(float(usd) for usd in machines if usd is not None)
    prices = [float(place["usd_per_hour"]) for group in groups for place in group["places"]]
    found.between(
        "disk",
        float(items["disk"]),
        (working + beside / max(prices) * min(rates.values())) * 0.999,
        (working + beside / min(prices) * max(rates.values())) * 1.001,
    )


def output_size(plan: Plan, job: dict[str, Any], snapshot: Snapshot) -> float | None:
    """Bytes of the vectors and what lies beside them; None where the model is not known here."""
    model, output = snapshot.models.get(plan["work"]["model"]), section(job, "output")
    if model is None or not output:
        return None
    dimensions = output.get("dimensions") or int(model["dimensions"])
    dtype = output.get("dtype", "float32")
    each = -(-dimensions * BYTES[dtype] // 1) + (4 if dtype == "int8" else 0)
    return plan["profile"]["chunks"] * each + (plan["profile"]["beside"] or 0)


def check_storage(plan: Plan, job: dict[str, Any], snapshot: Snapshot, found: Findings) -> None:
    """A month of the vectors in the output's region."""
    place, size = region_of(job, "output"), output_size(plan, job, snapshot)
    if place is None or size is None or plan["lots"][0]["cloud"] == "local":
        return
    price, said = snapshot.storage_month(*place, size), amount(plan["totals"]["items"]["storage"])
    if price is not None and said is not None:
        found.near("storage", said, float(price), 1e-4)
    elif said is None:
        found.must("unknown storage is marked", is_marked(plan, "storage"), plan["not_priced"], "storage")
    else:
        assumed = any("storage of the vectors" in line for line in plan["not_priced"])
        found.must("storage without a price of its region is called assumed", assumed, said, None)


def check_egress(plan: Plan, job: dict[str, Any], snapshot: Snapshot, found: Findings) -> None:
    """Texts to the machines and vectors back, by the share of work in each place."""
    corpus, output = region_of(job, "corpus"), region_of(job, "output")
    size, said = output_size(plan, job, snapshot), amount(plan["totals"]["items"]["egress"])
    if corpus is None or output is None or size is None or plan["lots"][0]["cloud"] == "local":
        return
    total, known, missing = plan["profile"]["tokens"], 0.0, False
    for group in plan["lots"]:
        for place in group["places"]:
            share = place["tokens"] / total
            here = (group["cloud"], place["region"])
            legs = (
                snapshot.transfer(corpus, here, plan["profile"]["bytes"]),
                snapshot.transfer(here, output, size),
            )
            missing = missing or None in legs
            known += share * sum(float(leg) for leg in legs if leg is not None)
    if missing:
        found.must("egress of which a leg is unknown is marked", is_marked(plan, "egress"), said, None)
        if said is not None:
            found.near("the known part of egress", said, known, 1e-3)
    elif said is None:
        found.must("egress has a price", False, None, known)  # noqa: FBT003 - it failed
    else:
        found.near("egress", said, known, 1e-3)


def check_controller(plan: Plan, found: Findings) -> None:
    """The controller from the first launch to some idle minutes after the last job."""
    if plan["lots"][0]["cloud"] == "local":
        return
    said, hours = amount(plan["totals"]["items"]["controller"]), plan["totals"]["hours"]["p50"]
    if said is None:
        found.must("unknown controller is marked", is_marked(plan, "controller"), said, plan["not_priced"])
        return
    rates = list(CONTROLLER_USD.values())
    found.between("controller", said, min(rates) * hours * 0.999, max(rates) * (hours + IDLE_HOURS))


def region_of(job: dict[str, Any], key: str) -> tuple[str, str] | None:
    """The (cloud, region) of corpus or output as the job gives it; None where it does not."""
    named = section(job, key).get("region")
    if not isinstance(named, str):
        return None
    cloud, _, region = named.partition("/")
    return cloud, region or "*"


def is_marked(plan: Plan, item: str) -> bool:
    """Whether a plan says that an item lacks a price in whole or in part."""
    totals = plan["totals"]
    named = item in totals.get("unpriced", {}) or totals["items"].get(item) is None
    return named and any(item in line for line in plan["not_priced"])


def _start_hours(cloud: str, snapshot: Snapshot) -> tuple[float, float]:
    row = snapshot.starts.get(cloud) or snapshot.starts.get("*")
    if row is None:
        return 0.0, 0.0
    low, high = (float(row[f"boot_{end}"]) + float(row[f"setup_{end}"]) for end in ("low", "high"))
    return low / 3600, high / 3600


def _download_hours(plan: Plan, snapshot: Snapshot) -> float:
    """Weights at 92 MB/s, the slowest that was measured."""
    model = snapshot.models.get(plan["work"]["model"])
    return 2 * float(model["params_total"]) / 92e6 / 3600 if model else 0.5
