"""The plan as JSON: the keys tools rely on, a digest that tells of changes, and a run's name that means its vectors."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.estimate import Estimate, Kind, estimate
from launcher.plan import SCHEMA, BadPlan, Lot, Plan, Work, check, name_run, to_json
from launcher.planned import planned
from launcher.profile import declared
from launcher.speed import Spread

JOB: Mapping[str, Any] = {
    "name": "reviews",
    "corpus": {"path": "reviews/*.jsonl", "text": "text", "id": "id"},
    "model": "hash",
    "chunk": {"tokens": 512, "overlap": 50, "truncate": None},
    "output": {"path": "vectors", "dtype": "float32", "dimensions": None},
    "limits": {"deadline_hours": 6.0, "budget": "300"},
    "quota": [],
    "local": {"workers": 2, "usd_per_hour": None},
    "engine": "auto",
    "prompt": "",
}
WORK = Work(JOB, "/jobs", "/jobs/reviews", "d1", "hash", "hash", 12, 2**14)
PROFILE = declared(1_000, [(1.0, 100)], None, None)


def kind(cloud: str = "gcp", usd: str | None = "0.72") -> Kind:
    return Kind(
        cloud=cloud,
        region="us-central1",
        gpu="L4",
        gpus=1.0,
        spot=True,
        usd_per_hour=None if usd is None else Decimal(usd),
        tokens_per_second=Spread(80, 100, 125),
        speed_source="a test",
        cold_start=36.0,
    )


def lot(chosen: Estimate) -> Lot:
    k = chosen.kind
    return Lot(
        k.gpu, k.gpus, k.cloud, (k.region,), k.spot, 1, 1, None, 100.0, k.speed_source, k.usd_per_hour, None
    )


def plan_of(machine: Kind, work: Work = WORK) -> Plan:
    chosen = estimate(machine, PROFILE, 1)
    return Plan(
        run=name_run("reviews", work),
        created="2026-03-01T12:00:00+00:00",
        work=work,
        profile=PROFILE,
        lots=(lot(chosen),),
        chosen=chosen,
        alternatives=(estimate(kind("aws", "0.80"), PROFILE, 2),),
        binding=("limits.deadline 6 h: 2 kinds of machine miss it",),
        not_priced=("hosted embedding APIs",),
        prices_as_of="2026-02-28",
    )


def body(machine: Kind | None = None) -> dict[str, Any]:
    """A plan that was written and read again."""
    made: dict[str, Any] = json.loads(json.dumps(to_json(plan_of(machine or kind()))))
    return made


# --- the keys of DESIGN 3


def test_a_plan_has_the_keys_that_tools_rely_on() -> None:
    promised = {"schema", "run", "profile", "lots", "totals", "alternatives", "hosted", "binding"}
    assert promised | {"not_priced", "prices_as_of", "digest"} <= body().keys()


def test_a_profile_has_its_keys() -> None:
    assert {"documents", "chunks", "tokens", "bytes"} <= body()["profile"].keys()


def test_a_lot_has_its_keys() -> None:
    (found,) = body()["lots"]
    assert {"gpu", "gpus_per_machine", "cloud", "regions", "spot", "machines"} <= found.keys()
    assert {"tokens_per_second", "usd_per_hour", "usd_per_million_tokens"} <= found.keys()


def test_totals_have_their_keys() -> None:
    totals = body()["totals"]
    assert totals.keys() == {"usd", "hours", "usd_per_million_tokens", "items"}
    assert totals["usd"].keys() == totals["hours"].keys() == {"p10", "p50", "p90"}
    items = {"compute", "cold_start", "preemption", "storage", "egress", "controller"}
    assert totals["items"].keys() == items


def test_money_is_text_and_all_else_plain_numbers() -> None:
    totals = body()["totals"]
    assert totals["usd"]["p50"] == "0.2072"  # 1,036 s at $0.72
    assert totals["items"]["cold_start"] == "0.0072"
    assert totals["hours"]["p50"] == 0.28778
    assert body()["profile"]["tokens"] == 100_000


def test_an_unknown_price_is_null_and_never_zero() -> None:
    made = body(kind(usd=None))
    assert made["totals"]["usd"] == {"p10": None, "p50": None, "p90": None}
    assert made["totals"]["items"]["compute"] is None
    assert made["lots"][0]["usd_per_hour"] is None


def test_what_nobody_priced_on_a_cloud_is_null() -> None:
    items = body()["totals"]["items"]
    assert {k for k, v in items.items() if v is None} == {"preemption", "storage", "egress", "controller"}


def test_what_costs_nothing_on_this_machine_is_zero() -> None:
    items = body(kind("local"))["totals"]["items"]
    assert {items[k] for k in ("preemption", "storage", "egress", "controller")} == {"0"}


def test_a_price_of_nothing_is_zero_and_not_unknown() -> None:
    assert body(kind("local", "0"))["totals"]["usd"]["p50"] == "0"


def test_a_report_can_be_held_against_a_plan() -> None:
    figures = planned(body())
    assert figures["usd"] == {"p10": "0.1672", "p50": "0.2072", "p90": "0.2572"}
    assert figures["tokens"] == 100_000
    assert figures["digest"] == body()["digest"]


# --- the digest


def test_equal_plans_have_equal_digests() -> None:
    assert body()["digest"] == body()["digest"]


def test_a_plan_that_was_written_and_read_passes() -> None:
    assert check(body()) == body()


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a plan are."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in paths(v, (*path, k))]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, list) and value:
        return [p for n, v in enumerate(value) for p in paths(v, (*path, n))]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return [path]


@given(st.sampled_from([p for p in paths(body()) if p != ("schema",)]))
def test_a_change_anywhere_is_noticed(path: tuple[Any, ...]) -> None:
    changed: Any = body()
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "changed"
    with pytest.raises(BadPlan, match="changed after it was made"):
        check(changed)


def test_a_key_that_was_added_is_noticed() -> None:
    with pytest.raises(BadPlan, match="changed after it was made"):
        check(body() | {"approved": True})


def test_a_plan_of_another_version_is_refused_by_its_schema() -> None:
    with pytest.raises(BadPlan, match=f"schema 'embedfleet/plan/9', this version reads '{SCHEMA}'"):
        check(body() | {"schema": "embedfleet/plan/9"})


@pytest.mark.parametrize("value", [[], "plan", 7, None, {}, {"schema": SCHEMA}])
def test_what_is_no_plan_is_refused(value: Any) -> None:
    with pytest.raises(BadPlan, match="not a plan"):
        check(value)


# --- the run's name


def named(job: Mapping[str, Any] | None = None, **work: Any) -> str:
    return name_run("reviews", replace(WORK, job={**JOB, **(job or {})}, **work))


def test_a_run_is_named_after_its_job() -> None:
    name, _, digest = named().rpartition("-")
    assert name == "reviews"
    assert len(digest) == 8


@pytest.mark.parametrize(
    "job",
    [
        {"limits": {"deadline_hours": 1.0, "budget": None}},
        {"local": {"workers": 8, "usd_per_hour": "1"}},
        {"quota": [{"cloud": "aws", "region": "us-east-1", "gpu": "L4", "spot": 64, "on_demand": None}]},
    ],
)
def test_limits_do_not_make_another_run(job: Mapping[str, Any]) -> None:
    assert named(job) == named()


@pytest.mark.parametrize(
    "job",
    [
        {"prompt": "query: "},
        {"chunk": {"tokens": 256, "overlap": 50, "truncate": None}},
        {"output": {"path": "vectors", "dtype": "float16", "dimensions": None}},
        {"output": {"path": "elsewhere", "dtype": "float32", "dimensions": None}},
        {"corpus": {"path": "reviews/*.jsonl", "text": "title", "id": "id"}},
    ],
)
def test_what_makes_other_vectors_makes_another_run(job: Mapping[str, Any]) -> None:
    assert named(job) != named()


@pytest.mark.parametrize(
    "work",
    [
        {"listing": "d2"},
        {"corpus": "/jobs/elsewhere"},
        {"model": "/models/minilm"},
        {"engine": "torch"},
        {"shard_tokens": 2**15},
    ],
)
def test_another_corpus_or_model_makes_another_run(work: dict[str, Any]) -> None:
    assert named(**work) != named()


def test_an_output_beside_another_job_file_makes_another_run() -> None:
    assert named(base="/elsewhere") != named()


@pytest.mark.parametrize("path", ["/vectors", "s3://bucket/vectors"])
def test_a_job_file_that_moved_is_the_same_run_where_its_output_did_not(path: str) -> None:
    job = {"output": {"path": path, "dtype": "float32", "dimensions": None}}
    assert named(job, base="/elsewhere") == named(job)


def test_the_plan_keeps_all_of_the_work() -> None:
    assert body()["work"] == json.loads(json.dumps(asdict(WORK)))
