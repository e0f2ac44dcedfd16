"""A plan with one of everything: two machine groups, three places, an item without a price, a cheaper API."""

from typing import Any

from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan


def saved(**changes: Any) -> SavedPlan:
    """The sample plan; `changes` are top-level values as JSON."""
    return plan_file.read_recorded(plan(**changes))


def saved_local(**changes: Any) -> SavedPlan:
    """The sample plan for this machine; `changes` are top-level values as JSON."""
    return plan_file.read_recorded(local() | changes)


def steered() -> dict[str, Any]:
    """The sample plan, steered by the autopilot: spot in two regions, and the net on demand in one."""
    body = plan()
    body["work"]["job"]["limits"] = {"deadline_hours": 6.0, "budget": "300", "regions": ["us-*"]}
    kind = {
        "cloud": "aws", "region": "us-east-1", "zone": None, "instance_type": "g6.xlarge", "gpu": "L4",
        "gpus_per_machine": 1.0, "spot": True, "machines": 16, "workers": 1, "usd_per_hour": "0.3",
        "usd_per_million_tokens": "0.0185", "tokens_per_second": 4500.0, "tokens_per_second_p10": 2900.0,
        "cold_start_seconds": 417.4, "cold_start_seconds_p90": 843.4, "egress_usd_per_million_tokens": "0",
    }  # fmt: skip
    body["compared"][0] |= {"fleet_p50": "212", "fleet_p90": "268", "fleet_mean": "216", "chance": 0.0}
    body["steering"] = {
        "policy": "autopilot",
        "usd": _spread("180", "212", "268"),
        "hours": {"p10": 3.2, "p50": 4.1, "p90": 5.8},
        "on_demand_share": {"p50": 0.06, "p90": 0.31},
        "chance_late": 0.012,
        "chance_over_budget": 0.03,
        "assumes": [
            "on-demand L4 can be had in 1 region (assumed)",
            "no machine is slower than the P10 of its speed",
        ],
        "envelope": {
            "kinds": [
                kind,
                kind | {"cloud": "gcp", "region": "us-central1", "instance_type": "g2-standard-4"},
                kind | {"spot": False, "usd_per_hour": "0.8048", "usd_per_million_tokens": "0.0497"},
            ],
            "machines": 32,
            "on_demand": 16,
            "quotas": [],
        },
        "items": {
            "machines": "206.4",
            "disk": "0.8",
            "egress": None,
            "storage": None,
            "controller": "4.8",
        },
        "unpriced": {"egress": None, "storage": None},
    }
    return body


def saved_steered() -> SavedPlan:
    """The steered sample plan."""
    return plan_file.read_recorded(steered())


def plan(**changes: Any) -> dict[str, Any]:
    """The sample plan as JSON, a new one each time, so that a test may change it. The digest is of the unchanged one."""
    return {
        "schema": "embedfleet/plan/2",
        "run": "reviews-1a2b3c4d",
        "created": "2026-03-01T12:00:00+00:00",
        "work": _work(),
        "profile": _profile(),
        "cheaper": {
            "name": "apt same-embed in batches",
            "usd": "60.18",
            "fleet_usd_without_storage": "88.5",
            "comparable": True,
            "break_even_tokens_per_month": 9_000_000_000,
        },
        "compared": [
            compared("apt same-embed in batches", "same weights", "60.18", better=True)
            | {"notes": ["the deadline needs 8.4M tokens a minute, and its rate limit is not known"]},
            compared("someone other-embed", "same class", "240", better=False)
            | {"chance": 0.998, "parameters": 568_000_000},
        ],
        "lots": [
            _group("L4", 8.0, 20, ("us-east-1", "us-west-2")),
            _group("H100", 1.0, 1, ("europe-north1",)),
        ],
        "totals": {
            "usd": _spread("60.5", "80.25", "131"),
            "hours": {"p10": 2.1, "p50": 3.0, "p90": 5.2},
            "usd_per_million_tokens": "0.02667",
            "machines": 21,
            "items": {
                "compute": "70",
                "cold_start": "6.5",
                "preemption": "2",
                "idle_tail": "0.75",
                "disk": "0.5",
                "storage": None,
                "egress": None,
                "controller": "0.5",
            },
        },
        "frontier": [
            _fleet(120, 0.5, "220"),
            _fleet(60, 1.0, "110"),
            _fleet(21, 3.0, "80.25"),
            _fleet(9, 6.4, "74"),
        ],
        "alternatives": [
            {"name": "only L4", "usd_more": "0"} | _fleet(21, 3.0, "80.25"),
            {"name": "only on demand", "usd_more": "120.5"} | _fleet(18, 3.2, "200.75"),
        ],
        "kinds": [
            _kind("L4", "spot", "0.30", "82"),
            _kind("L4", "on demand", "0.75", "201"),
            _kind("H100", "spot", "1.28", "90"),
        ],
        "hosted": [
            _api("apt", "same-embed", "60.18", comparable=True),
            _api("someone", "small-embed", "30.09"),
        ],
        "quota_needed": [
            {"cloud": "aws", "region": "us-east-1", "gpu": "L4", "spot": True, "gpus": 8.0, "vcpus": 32},
            {
                "cloud": "gcp",
                "region": "europe-north1",
                "gpu": "H100",
                "spot": True,
                "gpus": 1.0,
                "vcpus": None,
            },
        ],
        "binding": ["limits.deadline 6 h: four times as long, $74.00 in 6.4 h"],
        "not_priced": ["egress: set corpus.region and output.region in the job file"],
        "left_out": {"limits.clouds": 1450, "needs 16.3 GB in float16, T4 has 14.4 GB to fill": 292},
        "prices_as_of": "2026-02-01",
        "solver_gap": 0.0012,
        "digest": "1b1715248c7c1edfbbfba8383f9e5acf",
    } | changes


def compared(name: str, relation: str, usd: str, *, better: bool) -> dict[str, Any]:
    """A way beside the fleet of the sample plan, as JSON."""
    return {
        "name": name,
        "relation": relation,
        "usd": usd,
        "usd_p90": usd,
        "fleet_p50": "80.25",
        "fleet_p90": "131",
        "fleet_mean": "88.5",
        "chance": 0.1873,
        "unpriced": ["egress"],
        "better": better,
        "break_even_tokens_per_month": 9_000_000_000,
        "notes": [],
    }


def local() -> dict[str, Any]:
    """A plan for this machine as JSON; an hour of it has no price."""
    group = _group("cpu", 1.0, 1, ("local",)) | {"cloud": "local", "spot": False, "usd_per_hour": None}
    group |= {"usd_per_million_tokens": None, "speed_source": "measured here, hash float32, 2 workers"}
    unknown = dict.fromkeys(("compute", "cold_start", "preemption", "idle_tail"))
    free = dict.fromkeys(("disk", "storage", "egress", "controller"), "0")
    totals = plan()["totals"] | {"usd": _spread(None, None, None), "items": unknown | free, "machines": 1}
    return plan(
        cheaper=None,
        compared=[],
        lots=[group],
        totals=totals | {"usd_per_million_tokens": None},
        frontier=[],
        alternatives=[],
        kinds=[],
        quota_needed=[],
        binding=[],
        left_out={},
        prices_as_of=None,
        solver_gap=None,
    )


def _work() -> dict[str, Any]:
    limits: dict[str, Any] = {
        "deadline_hours": 6.0,
        "deadline_at": None,
        "budget": "150",
        "spot": "prefer",
        "machines": 400,
    }
    limits |= {"gpus": [], "clouds": ["aws", "gcp"], "regions": [], "machines_per_region": None}
    job: dict[str, Any] = {
        "name": "reviews",
        "corpus": {"documents": 29_500_000, "lengths": [[1.0, 102.0]], "region": None},
        "model": "acme/embed-7b",
        "shape": None,
        "chunk": {"tokens": None, "overlap": 0, "truncate": 512},
        "output": {"path": "s3://bucket/vectors", "dtype": "float16", "dimensions": 1024, "region": None},
        "limits": limits,
        "quota": [],
        "local": {"workers": None, "usd_per_hour": None},
        "engine": "auto",
        "prompt": "",
        "speed": {},
    }
    facts = {"corpus": None, "listing": None, "shards": None, "shard_tokens": 1_048_576}
    return {"job": job, "base": "/home/ann", "model": "acme/embed-7b", "engine": "vllm"} | facts


def _profile() -> dict[str, Any]:
    counts = {"documents": 29_500_000, "chunks": 29_500_000, "tokens": 3_009_000_000, "bytes": 12_036_000_000}
    counts |= {"tokens_cut": 1_000_000, "documents_cut": 500, "bad_rows": 3}
    interval = {name: [n, n] for name, n in counts.items()} | {"tokens": [2_900_000_000, 3_100_000_000]}
    interval["beside"] = [354_000_000, 354_000_000]
    return counts | {
        "beside": 354_000_000,
        "interval": interval,
        "lengths": [[1.0, 102.0]],
        "files": 0,
        "stored_bytes": 0,
        "sampled": 0,
        "tokens_repeated": None,
    }


def _group(gpu: str, gpus: float, machines: int, regions: tuple[str, ...]) -> dict[str, Any]:
    return {
        "gpu": gpu,
        "gpus_per_machine": gpus,
        "cloud": "aws" if gpu == "L4" else "gcp",
        "regions": list(regions),
        "spot": True,
        "machines": machines,
        "workers": int(gpus),
        "threads": None,
        "tokens": 3_009_000_000 * machines // 21,
        "tokens_per_second": 897.0 * gpus,
        "speed_source": "predicted: ceiling 46.4 TFLOPS",
        "usd_per_hour": "0.297",
        "usd_per_million_tokens": "0.0265",
        "places": [
            {
                "region": region,
                "zone": f"{region}a",
                "instance_type": "g6.48xlarge",
                "machines": machines // len(regions),
                "usd_per_hour": "0.297",
            }
            for region in regions
        ],
    }


def _fleet(machines: int, hours: float, usd: str) -> dict[str, Any]:
    group = {"gpu": "L4", "gpus_per_machine": 8.0, "cloud": "aws", "regions": ["us-east-1"], "spot": True}
    spread = {"p10": hours * 0.7, "p50": hours, "p90": hours * 1.5}
    dollars = _spread(f"{float(usd) * 0.7:.2f}", usd, f"{float(usd) * 1.5:.2f}")
    if usd == "80.25":
        spread, dollars = {"p10": 2.1, "p50": 3.0, "p90": 5.2}, _spread("60.5", "80.25", "131")
    fleet = {"machines": machines, "hours": spread, "usd": dollars, "usd_per_million_tokens": "0.03"}
    return fleet | {"lots": [group | {"machines": machines}]}


def _kind(gpu: str, bought: str, hourly: str, usd: str) -> dict[str, Any]:
    return {
        "gpu": gpu,
        "gpus_per_machine": 1.0,
        "cloud": "gcp",
        "region": "europe-north1",
        "instance_type": "g2-standard-4",
        "spot": bought == "spot",
        "machines": 12,
        "tokens_per_second": 897.0 if gpu == "L4" else 9_000.0,
        "speed_source": "predicted: ceiling 46.4 TFLOPS",
        "usd_per_hour": hourly,
        "hours": {"p10": 2.0, "p50": 3.1, "p90": 5.0},
        "usd": _spread("60", usd, "150"),
        "usd_per_million_tokens": "0.03",
    }


def _api(provider: str, model: str, usd: str, *, comparable: bool = False) -> dict[str, Any]:
    return {
        "provider": provider,
        "model": model,
        "comparable": comparable,
        "usd_per_million_tokens": "0.02",
        "usd": usd,
        "batch_usd_per_million_tokens": None,
        "batch_usd": None,
        "dimensions": 1024,
        "as_of": "2026-02-20",
        "source": "a price list",
        "flags": ["as_of_unknown"],
    }


def _spread(p10: str | None, p50: str | None, p90: str | None) -> dict[str, str | None]:
    return {"p10": p10, "p50": p50, "p90": p90}
