"""The plan as JSON: keys that tools rely on, a digest that detects changes."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.corpus.samples.profile import declared_profile
from launcher.planning.estimates.comparison import Comparison
from launcher.planning.estimates.estimate import ITEMS, Allocation, Candidate, Estimate, RunCharges
from launcher.planning.estimates.hosted_apis import HostedWork, price_apis
from launcher.planning.offers.machine_groups import machine_groups, quota_needs
from launcher.planning.optimizer.decide import Alternative
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.plan import Plan, name_run, to_json
from launcher.planning.saved.plan_file import SCHEMA, BadPlan, check
from launcher.planning.saved.saved_plan import PlannedWork
from launcher.throughput.spread import Spread
from pricing.hosted.hosted_apis import HostedPrice
from tests.support.candidates import candidate, sure
from tests.support.planned_work import WORK

PROFILE = declared_profile(36_000, [(1.0, 100)], None, None)  # an hour of the machine below
UNSURE = Spread(800, 1_000, 1_250)
API = HostedPrice("one", "m", Decimal("0.02"), Decimal("0.01"), 512, 384, "a test", date(2026, 11, 1))
ASKED = Requirements(sure(PROFILE.tokens.mid), RunCharges(None, Decimal("0.20")), seed=7)


def machine(cloud: str = "gcp", usd: str | None = "0.72", **changes: Any) -> Candidate:
    price = None if usd is None else Decimal(usd)
    return candidate(
        cloud=cloud,
        spot=True,
        usd_per_hour=price,
        tokens_per_second=UNSURE,
        cold_start=sure(36),
        egress_usd_per_token=None,
        **changes,
    )


def fleet(*kinds: Candidate, machines: int = 1) -> Estimate:
    tokens = PROFILE.tokens.mid / len(kinds)
    return estimate_fleet([Allocation(one, machines, tokens) for one in kinds], ASKED)


def plan_of(*kinds: Candidate, work: PlannedWork = WORK, **changes: Any) -> Plan:
    chosen, other = fleet(*kinds), fleet(machine("aws", "0.80"), machines=2)
    fields: dict[str, Any] = {
        "run": name_run("reviews", work),
        "created": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "work": work,
        "profile": PROFILE,
        "lots": machine_groups(chosen.allocations),
        "chosen": chosen,
        "alternatives": (Alternative("only aws", other, Decimal("0.1")),),
        "binding": ("limits.deadline 6 h: four times as long, $0.60 in 9 h",),
        "not_priced": ("requests to the object store, about 4 a shard",),
        "prices_as_of": date(2026, 2, 28),
        "frontier": (other, chosen),
        "kinds": (chosen, other),
        "hosted": price_apis(HostedWork(model="hash", parameters=None, tokens=PROFILE.tokens.mid), [API]),
        "compared": (compared(),),
        "quota": quota_needs(chosen.allocations),
        "left_out": {"limits.gpus": 7},
        "gap": 0.00123456,
    }
    return Plan(**fields | changes)


def compared(**changes: Any) -> Comparison:
    fields: dict[str, Any] = {
        "name": "one m",
        "relation": "same weights",
        "usd": Decimal("0.072"),
        "usd_p90": Decimal("0.072"),
        "fleet_p50": Decimal("0.75"),
        "fleet_p90": Decimal("1.5"),
        "fleet_mean": Decimal("0.8"),
        "chance": 0.012345,
        "unpriced": (),
        "better": True,
        "break_even": Decimal("1234567.8"),
        "notes": ("its rate limit is not known",),
    }
    return Comparison(**fields | changes)


def body(*kinds: Candidate, **changes: Any) -> dict[str, Any]:
    """A plan that was written and read again."""
    made: dict[str, Any] = json.loads(json.dumps(to_json(plan_of(*(kinds or (machine(),)), **changes))))
    return made


# --- the keys of docs/architecture.md#saved-documents


def test_plan_has_the_keys_that_tools_rely_on() -> None:
    promised = {"schema", "run", "profile", "lots", "totals", "alternatives", "hosted", "binding"}
    assert promised | {"not_priced", "prices_as_of", "digest"} <= body().keys()


def test_profile_has_its_keys() -> None:
    assert {"documents", "chunks", "tokens", "bytes"} <= body()["profile"].keys()


def test_group_has_its_keys() -> None:
    (found,) = body()["lots"]
    assert {"gpu", "gpus_per_machine", "cloud", "regions", "spot", "machines"} <= found.keys()
    assert {"tokens_per_second", "usd_per_hour", "usd_per_million_tokens"} <= found.keys()


def test_totals_have_their_keys() -> None:
    totals = body()["totals"]
    assert {"usd", "hours", "usd_per_million_tokens", "items"} <= totals.keys()
    assert totals["usd"].keys() == totals["hours"].keys() == {"p10", "p50", "p90"}
    assert {"compute", "cold_start", "preemption", "storage", "egress", "controller"} <= totals[
        "items"
    ].keys()
    assert tuple(totals["items"]) == ITEMS


def test_alternative_and_a_point_of_the_frontier_are_fleets_in_short() -> None:
    made = body()
    short = {"machines", "hours", "usd", "usd_per_million_tokens", "lots"}
    assert made["alternatives"][0].keys() - {"unpriced"} == short | {"name", "usd_more"}
    assert made["frontier"][0].keys() - {"unpriced"} == short


def test_hosted_api_has_its_keys() -> None:
    (found,) = body()["hosted"]
    assert {"provider", "model", "usd_per_million_tokens", "usd"} <= found.keys()
    assert (found["usd"], found["batch_usd"], found["comparable"]) == ("0.072", "0.036", False)


def test_money_is_text_and_all_else_plain_numbers() -> None:
    made = body()
    assert made["totals"]["items"]["compute"] == "0.72"
    assert made["totals"]["items"]["cold_start"] == "0.0072"  # 36 s
    assert made["totals"]["hours"]["p50"] == 1.01833  # 36 s before and 30 s after the hour
    assert made["profile"]["tokens"] == 3_600_000
    assert made["alternatives"][0]["usd_more"] == "0.1"
    assert made["solver_gap"] == 0.001235


def test_items_add_up_to_the_middle_of_the_dollars() -> None:
    totals = body()["totals"]
    priced = [Decimal(usd) for usd in totals["items"].values() if usd is not None]
    assert sum(priced) == pytest.approx(Decimal(totals["usd"]["p50"]), abs=Decimal("0.00000005"))


def test_unknown_price_is_null_and_never_zero() -> None:
    made = body(machine(usd=None))
    assert made["totals"]["usd"] == {"p10": None, "p50": None, "p90": None}
    assert made["totals"]["usd_per_million_tokens"] is None
    assert made["totals"]["items"]["compute"] is None
    assert made["lots"][0]["usd_per_hour"] is None
    assert made["lots"][0]["usd_per_million_tokens"] is None


def test_item_without_a_price_is_null() -> None:
    items = body()["totals"]["items"]
    assert {name for name, usd in items.items() if usd is None} == {"storage", "egress"}


def test_price_of_zero_is_zero_and_not_unknown() -> None:
    assert body(machine("local", "0"))["totals"]["items"]["compute"] == "0"


def test_nothing_better_and_no_gap_are_null() -> None:
    made = body(compared=(compared(better=False),), gap=None)
    assert (made["cheaper"], made["solver_gap"]) == (None, None)
    assert "compared" not in body(compared=())  # as the plans before it had no such key


def test_ways_are_compared_with_chance_break_even_and_notes() -> None:
    made = body()
    assert made["cheaper"] == {
        "name": "one m",
        "usd": "0.072",
        "fleet_usd_without_storage": "0.8",
        "comparable": True,
        "break_even_tokens_per_month": 1_234_567,
    }
    assert made["compared"] == [
        {
            "name": "one m",
            "relation": "same weights",
            "usd": "0.072",
            "usd_p90": "0.072",
            "fleet_p50": "0.75",
            "fleet_p90": "1.5",
            "fleet_mean": "0.8",
            "chance": 0.0123,
            "unpriced": [],
            "better": True,
            "break_even_tokens_per_month": 1_234_567,
            "notes": ["its rate limit is not known"],
        }
    ]


def test_plan_keeps_all_of_the_work() -> None:
    work = json.loads(json.dumps(asdict(WORK)))
    del work["model_fingerprint"]  # it holds nothing
    assert body()["work"] == work


# --- the digest


def test_equal_plans_have_equal_digests() -> None:
    assert body()["digest"] == body()["digest"]


def test_written_plan_passes_the_check() -> None:
    assert check(body()) == body()


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a plan are."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in paths(v, (*path, k))]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, list) and value:
        return [p for n, v in enumerate(value) for p in paths(v, (*path, n))]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return [path]


@given(st.sampled_from([p for p in paths(body()) if p != ("schema",)]))
def test_any_change_breaks_the_digest(path: tuple[Any, ...]) -> None:
    changed: Any = body()
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "changed"
    with pytest.raises(BadPlan, match="changed after it was made"):
        check(changed)


def test_added_key_breaks_the_digest() -> None:
    with pytest.raises(BadPlan, match="changed after it was made"):
        check(body() | {"approved": True})


def test_plan_of_another_version_is_refused_by_its_schema() -> None:
    with pytest.raises(BadPlan, match=f"schema 'embedfleet/plan/9', this version reads '{SCHEMA}'"):
        check(body() | {"schema": "embedfleet/plan/9"})


@pytest.mark.parametrize("value", [[], "plan", 7, None, {}, {"schema": SCHEMA}])
def test_document_that_is_no_plan_is_refused(value: Any) -> None:
    with pytest.raises(BadPlan, match="not a plan"):
        check(value)
