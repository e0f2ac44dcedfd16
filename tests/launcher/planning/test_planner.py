"""The planner: models and corpora it accepts, the machine or fleet it chooses, and what it refuses."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.errors import Infeasible, Problem, Usage
from launcher.jobs import parse
from launcher.ledger.records import MeasuredSpeed
from launcher.planning import plan as plans
from launcher.planning import plan_file, planner
from launcher.planning.plan import Plan
from launcher.planning.request import PlanOptions
from pricing import price_book
from pricing.offer import Offer
from tests.support.runs import write_jsonl

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
QWEN = "Alibaba-NLP/gte-Qwen2-7B-instruct"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def offer(usd: str = "0.755", **changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "cloud": "gcp",
        "region": "us-central1",
        "zone": None,
        "instance_type": "g2-standard-4",
        "gpu": "L4",
        "gpus": 1.0,
        "vcpus": 4,
        "memory_gb": 16.0,
        "spot": False,
        "usd_per_hour": Decimal(usd),
        "as_of": date(2026, 11, 20),
        "source": "a test",
    }
    return Offer(**fields | changes)


L4 = (offer(), offer("0.297", spot=True))


def declared(
    extra: str = "", *, documents: str = "1M", tokens: str = "2000", model: str = MINILM, region: str = ""
) -> str:
    where = f", region: {region}" if region else ""
    return (
        f"name: what-if\ncorpus: {{documents: {documents}, tokens_per_document: {tokens}{where}}}\n"
        f"model: {model}\n{extra}\n"
    )


def showcase(limits: str, extra: str = "speed: {L4: 897}") -> str:
    """The published run: 29.5M documents of 102 tokens."""
    return declared(
        f"limits: {{gpus: [L4], machines: 406, {limits}}}\n{extra}",
        documents="29.5e6",
        tokens="102",
        model=QWEN,
    )


def made(
    text: str, folder: Path, offers: tuple[Offer, ...] = L4, now: datetime = NOW, **changes: Any
) -> Plan:
    options = PlanOptions(on=changes.pop("on", None), probe_seconds=0.1, offers=offers, **changes)
    return planner.make_plan(parse.parse(text), folder, options, now, lambda _: None)


def refused(
    kind: type[Problem], text: str, folder: Path, offers: tuple[Offer, ...] = L4, now: datetime = NOW
) -> Problem:
    with pytest.raises(kind) as caught:
        made(text, folder, offers, now)
    return caught.value


def item(plan: Plan, name: str) -> float:
    return float(plan.chosen.items[name] or 0)


# --- models and the corpus


def test_unknown_model_is_a_mistake_of_the_job_and_names_the_nearest(tmp_path: Path) -> None:
    problem = refused(Usage, declared(model="gte-Qwen2-7B-instruc"), tmp_path)
    assert "unknown model 'gte-Qwen2-7B-instruc'" in str(problem)
    assert problem.hint.startswith(f"write model: {QWEN}")
    assert problem.code == 2


def test_unknown_model_can_be_given_by_its_shape(tmp_path: Path) -> None:
    model = "{name: ours, layers: 12, hidden: 768, vocabulary: 30000}"
    assert made(declared(model=model), tmp_path).chosen.usd is not None


def test_declared_corpus_is_cut_at_the_models_own_maximum(tmp_path: Path) -> None:
    plan = made(declared("truncate: 512"), tmp_path)
    assert plan.profile.tokens.mid == 256e6
    assert plan.profile.tokens_cut.mid == 1_744e6


def test_declared_corpus_can_be_planned_and_not_embedded(tmp_path: Path) -> None:
    plan = made(declared(), tmp_path)
    assert (plan.work.corpus, plan.work.shards) == (None, None)
    assert "there is nothing to embed" in str(refused(Problem, declared(model="hash"), tmp_path))


def test_corpus_of_one_compressed_file_is_planned_for_one_worker(tmp_path: Path) -> None:
    import gzip

    with gzip.open(tmp_path / "all.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(f'{{"text": "number {n}"}}\n' for n in range(200))
    text = "name: one\ncorpus: all.jsonl.gz\nmodel: hash\noutput: out\nlocal: {workers: 4}\n"
    plan = made(text, tmp_path, on="local")
    assert plan.lots[0].workers == 1
    assert plan.binding == ("1 shard: a compressed or CSV file cannot be cut, so no more workers",)


# --- this machine


def here(tmp_path: Path, extra: str = "") -> str:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", ({"text": f"number {n}"} for n in range(500)))
    return f"name: here\ncorpus: in\nmodel: hash\noutput: out\n{extra}\n"


def test_plan_for_this_machine_is_one_group_of_it(tmp_path: Path) -> None:
    plan = made(here(tmp_path, "local: {workers: 1, usd_per_hour: 3.60}"), tmp_path, on="local")
    (lot,) = plan.lots
    assert (lot.cloud, lot.machines, lot.workers) == ("local", 1, 1)
    assert lot.usd_per_hour == Decimal("3.60")
    assert (plan.frontier, plan.kinds, plan.quota, plan.prices_as_of, plan.gap) == ((), (), (), None, None)
    assert plan.alternatives == ()
    assert plan.chosen.usd is not None


def test_machine_without_a_price_has_unknown_cost(tmp_path: Path) -> None:
    plan = made(here(tmp_path), tmp_path, on="local")
    assert plan.chosen.usd is None
    assert "this machine: what an hour of it costs you (set local.usd_per_hour)" in plan.not_priced


def test_budget_that_this_machine_breaks_is_refused_with_one_that_works(tmp_path: Path) -> None:
    text = here(tmp_path, "local: {workers: 1, usd_per_hour: 1e9}\nlimits: {budget: $0.01}")
    with pytest.raises(Infeasible, match="this machine costs"):
        made(text, tmp_path, on="local")


def test_where_neither_a_cloud_nor_this_machine_will_do_both_are_named(tmp_path: Path) -> None:
    shape = "model: {name: hash, layers: 6, hidden: 384}"  # so that clouds have a speed for it
    text = here(tmp_path, "limits: {deadline: 0.1s}").replace("model: hash", shape)
    problem = refused(Infeasible, text, tmp_path)
    assert "--on local" not in problem.hint
    assert "L4" in str(problem)


# --- the published case


def test_published_run_on_demand_is_within_5_per_cent(tmp_path: Path) -> None:
    plan = made(showcase("spot: never, deadline: 2.5h"), tmp_path)
    assert item(plan, "compute") == pytest.approx(703.5, rel=0.05)
    assert plan.chosen.usd is not None
    assert float(plan.chosen.usd.p50) == pytest.approx(710, rel=0.05)
    assert 2.3 <= plan.chosen.hours.mid <= 2.45
    assert plan.chosen.machines <= 406


def test_published_run_on_spot_says_what_starts_and_preemptions_add(tmp_path: Path) -> None:
    plan = made(showcase("spot: only, deadline: 3h"), tmp_path)
    assert item(plan, "compute") == pytest.approx(277, rel=0.05)
    assert item(plan, "cold_start") > 5  # hundreds of machines, some minutes each
    assert item(plan, "preemption") > 0
    assert plan.chosen.items["egress"] is None  # the job does not say where the texts are


def test_plan_beyond_what_is_known_to_be_obtainable_says_so(tmp_path: Path) -> None:
    plan = made(showcase("spot: never, deadline: 2.5h"), tmp_path)
    assert any("known to be obtainable" in why for why in plan.binding)
    (quota,) = plan.quota
    assert (quota.gpus, quota.vcpus) == (plan.chosen.machines, 4 * plan.chosen.machines)


def test_showcase_on_every_offer_is_cheaper_than_on_l4_and_has_a_frontier(tmp_path: Path) -> None:
    """The snapshot, the same corpus and deadline, and no limit on the kind of GPU."""
    text = declared("limits: {deadline: 2.5h}", documents="29.5e6", tokens="102", model=QWEN)
    plan = made(text, tmp_path, price_book.load())
    only = made(showcase("spot: never, deadline: 2.5h"), tmp_path)
    assert plan.chosen.usd is not None
    assert only.chosen.usd is not None
    assert plan.chosen.usd.p50 < only.chosen.usd.p50
    assert plan.chosen.hours.high <= 2.5
    assert len(plan.frontier) >= 8


def test_showcase_on_every_offer_is_shown_to_be_within_half_a_per_cent(tmp_path: Path) -> None:
    text = declared("limits: {deadline: 2.5h}", documents="29.5e6", tokens="102", model=QWEN)
    plan = made(text, tmp_path, price_book.load())
    assert plan.gap is not None
    assert plan.gap <= 0.005


# --- limits


def test_quota_is_kept_to(tmp_path: Path) -> None:
    text = showcase(
        "deadline: 30d", "speed: {L4: 897}\nquota: {gcp: {us-central1: {l4: {spot: 2, on_demand: 1}}}}"
    )
    plan = made(text, tmp_path)
    assert {lot.spot: lot.machines for lot in plan.lots}.get(True, 0) <= 2
    assert {lot.spot: lot.machines for lot in plan.lots}.get(False, 0) <= 1


def test_quota_for_a_region_that_is_not_there_is_listed(tmp_path: Path) -> None:
    plan = made(declared("quota: {gcp: {us-cental1: {L4: {spot: 0, on_demand: 0}}}}"), tmp_path)
    assert "us-cental1" in str((plan.binding, plan.not_priced))


def test_deadline_may_be_a_moment(tmp_path: Path) -> None:
    plan = made(showcase("deadline: 2026-11-24"), tmp_path)
    assert 0 < plan.chosen.hours.high <= 12


def test_deadline_that_has_passed_is_refused(tmp_path: Path) -> None:
    problem = refused(Usage, declared("limits: {deadline: 2020-01-01}"), tmp_path)
    assert "limits.deadline 2020-01-01" in str(problem)
    assert "is in the past" in str(problem)
    assert problem.code == 2


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ("limits: {gpus: [L5]}", "limits.gpus"),
        ("speed: {L5: 897}", "speed"),
        ("quota: {aws: {us-east-1: {L5: {spot: 4}}}}", "quota"),
    ],
)
def test_unknown_gpu_is_named_with_the_nearest(extra: str, key: str, tmp_path: Path) -> None:
    problem = refused(Usage, declared(extra), tmp_path)
    assert str(problem) == f"{key}: no GPU 'L5' is known; did you mean L4?"
    assert problem.hint.startswith("known are T4, ")
    assert problem.code == 2


def test_no_gpu_with_enough_memory_is_shown_with_its_numbers(tmp_path: Path) -> None:
    model = "{name: large, layers: 80, hidden: 8192, heads: 64, kv_heads: 8, intermediate: 28672, glu: true}"
    problem = refused(
        Infeasible, declared("limits: {gpus: [T4]}", model=model), tmp_path, (*L4, offer(gpu="T4"))
    )
    assert "no offer is left of 3; 1 fall to: needs 13" in str(problem)
    assert "T4 has 14.4 GB to fill" in str(problem)
    assert problem.code == 3


def test_no_offer_at_all_is_listed(tmp_path: Path) -> None:
    problem = refused(Infeasible, declared(), tmp_path, ())
    assert str(problem) == "the price book holds no offer"


def test_limits_that_leave_nothing_are_named(tmp_path: Path) -> None:
    problem = refused(Infeasible, declared("limits: {regions: [us-esat-*]}"), tmp_path)
    assert str(problem) == "no offer is left of 2; 2 fall to: limits.regions"


def test_more_dimensions_than_the_model_gives_are_refused(tmp_path: Path) -> None:
    refused(Usage, declared("output: {path: s3://b/v, dimensions: 99999, region: aws/us-east-1}"), tmp_path)


# --- what else a plan has


def test_hosted_apis_are_listed_and_a_cheaper_one_is_named(tmp_path: Path) -> None:
    plan = made(showcase("spot: never, deadline: 2.5h"), tmp_path)
    assert plan.cheaper is not None
    assert plan.chosen.usd is not None
    assert plan.cheaper.usd < plan.chosen.usd.p50
    assert len(plan.hosted) > 50


def test_speed_that_was_measured_is_used(tmp_path: Path) -> None:
    seen = MeasuredSpeed(MINILM, "L4", "vllm", 9e4, 1e5, 1.1e5, "run x", NOW, {"lengths": [[1.0, 256.0]]})
    plan = made(declared("truncate: 256"), tmp_path, speeds=(seen,))
    assert plan.lots[0].speed_source.startswith("measured 2026-11-23")


def test_controller_is_that_of_a_cloud_of_the_fleet(tmp_path: Path) -> None:
    """DigitalOcean comes before GCP in the alphabet and has no controller that we could price."""
    elsewhere = offer("9", cloud="do", region="nyc2", instance_type="gpu-h100x1-80gb", gpu="H100")
    plan = made(declared("limits: {gpus: [L4, H100]}"), tmp_path, (*L4, elsewhere))
    assert {lot.cloud for lot in plan.lots} == {"gcp"}
    assert plan.chosen.items["controller"] is not None


def test_each_machine_type_is_estimated_alone_in_its_cheapest_place(tmp_path: Path) -> None:
    offers = (*L4, offer("0.60", region="us-east4"), offer("2.0", gpu="H100", instance_type="a3"))
    plan = made(declared(), tmp_path, offers)
    found = {(e.main_candidate.gpu, e.main_candidate.spot): e.main_candidate.region for e in plan.kinds}
    assert found == {
        ("L4", False): "us-east4",
        ("L4", True): "us-central1",
        ("H100", False): "us-central1",
    }


def test_oldest_price_dates_the_plan(tmp_path: Path) -> None:
    plan = made(declared(), tmp_path, (*L4, offer(region="us-east4", as_of=date(2026, 7, 30))))
    assert plan.prices_as_of == date(2026, 7, 30)


# --- the same again


def test_equal_inputs_give_equal_plans_to_the_byte(tmp_path: Path) -> None:
    text = declared("limits: {deadline: 6h, budget: $300}", documents="29.5e6", tokens="102", model=QWEN)
    one, two = (plans.to_json(made(text, tmp_path, price_book.load())) for _ in range(2))
    assert one["digest"] == two["digest"]
    assert str(one) == str(two)


def test_order_of_the_price_book_changes_neither_the_fleet_nor_its_cost(tmp_path: Path) -> None:
    text = showcase("deadline: 6h")
    offers = (*L4, offer("0.70", region="us-east4"), offer("0.28", region="us-west1", spot=True))
    one, two = (plans.to_json(made(text, tmp_path, book)) for book in (offers, offers[::-1]))
    assert one["lots"] == two["lots"]
    assert one["totals"] == two["totals"]


def test_another_deadline_is_the_same_run(tmp_path: Path) -> None:
    one, two = (made(showcase(f"deadline: {hours}"), tmp_path) for hours in ("6h", "6.1h"))
    assert one.run == two.run


def test_plan_passes_its_own_check(tmp_path: Path) -> None:
    body = plans.to_json(made(showcase("deadline: 6h"), tmp_path))
    assert plan_file.check(body) == body
