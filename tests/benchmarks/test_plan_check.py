"""The second calculation of plans: it confirms a right plan, and finds each kind of error that is put into one."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.plan_check.__main__ import CASES, JOBS, check
from benchmarks.plan_check.snapshot import ROOT, Snapshot

Plan = dict[str, Any]

SPREAD = JOBS / "13-per-region.yaml"
JOB = """
name: checked
corpus: {documents: 500000, tokens_per_document: 220, region: gcp/us-central1}
model: BAAI/bge-base-en-v1.5
output: {path: "gs://b/v", dtype: float16, region: gcp/us-central1}
limits: {clouds: [gcp], spot: never, deadline: 6h, budget: $50, machines: 4, gpus: [L4, T4]}
quota: {gcp: {us-central1: {L4: {on_demand: 4}, T4: {on_demand: 4}}}}
"""


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return Snapshot()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan that is right, as the command prints it."""
    folder = tmp_path_factory.mktemp("checked")
    (folder / "job.yaml").write_text(JOB, encoding="utf-8")
    command = [sys.executable, "-m", "launcher.cli", "plan", "job.yaml", "--offline", "--json"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def spread_plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A right plan of machines in several regions, at different prices."""
    command = [sys.executable, "-m", "launcher.cli", "plan", str(SPREAD), "--offline", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path_factory.mktemp("spread"))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sum(len(group["places"]) for group in found["lots"]) > 1
    return found


def deviations(plan: Plan, snapshot: Snapshot, job: str = JOB) -> list[str]:
    found = check(plan, yaml.safe_load(job), snapshot)
    assert found["checks"] > 20
    json.dumps(found)  # as the command prints it
    return [one["check"] for one in found["deviations"]]


def test_a_right_plan_has_no_deviation(plan: Plan, snapshot: Snapshot) -> None:
    assert deviations(plan, snapshot) == []


def item(name: str, factor: float) -> Callable[[Plan], None]:
    def change(plan: Plan) -> None:
        items = plan["totals"]["items"]
        items[name] = str(float(items[name]) * factor)

    return change


def place(**changes: Any) -> Callable[[Plan], None]:
    return lambda plan: plan["lots"][0]["places"][0].update(changes)


def group(**changes: Any) -> Callable[[Plan], None]:
    return lambda plan: plan["lots"][0].update(changes)


def total(section: str, **changes: Any) -> Callable[[Plan], None]:
    return lambda plan: plan["totals"][section].update(changes)


def profile(plan: Plan) -> None:
    plan["profile"]["tokens"] *= 2


def other(name: str, usd: str) -> Callable[[Plan], None]:
    return lambda plan: plan["totals"]["items"].update({name: usd})


def steered(name: str, change: Callable[[float], float]) -> Callable[[Plan], None]:
    """An item of the steered run, changed as the dollars are, so that the items still add up."""

    def changed(plan: Plan) -> None:
        steering = plan["steering"]
        before = float(steering["items"][name])
        steering["items"][name] = str(change(before))
        for end, usd in steering["usd"].items():
            steering["usd"][end] = str(float(usd) + change(before) - before)

    return changed


def steered_items(plan: Plan) -> None:
    plan["steering"]["items"]["machines"] = "0"


def steered_unknown(plan: Plan) -> None:
    plan["steering"]["items"]["egress"] = None


def machines(plan: Plan) -> None:
    plan["totals"]["machines"] = 9


def unknown_egress(plan: Plan) -> None:
    plan["totals"]["items"]["egress"] = None


def cheaper_kind(plan: Plan) -> None:
    usd = {key: str(float(value) * 0.5) for key, value in plan["totals"]["usd"].items()}
    plan["kinds"][0] |= {"usd": usd, "hours": plan["totals"]["hours"], "machines": 1, "gpus_per_machine": 1.0}
    plan["kinds"][0] |= {key: plan["lots"][0][key] for key in ("cloud", "gpu")}
    plan["kinds"][0] |= {"region": plan["lots"][0]["regions"][0], "spot": False}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (profile, "tokens, cut ones included"),
        (steered_items, "steered items add up"),
        (steered("controller", lambda usd: usd / 2), "steered controller"),
        (steered("machines", lambda usd: usd / 3), "steered machines cost a token's price"),
        (steered("storage", lambda usd: usd + 1), "storage of the steered run is that of the static one"),
        (steered_unknown, "steered egress without a price is marked"),
        (profile, "tokens of the groups"),
        (total("hours", p50=0.01, p10=0.01), "hours at P50"),
        (total("hours", p50=60.0, p90=60.0), "hours at P50"),
        (total("hours", p90=6.5), "P90 keeps the deadline"),
        (total("usd", p90="50.5"), "P90 keeps the budget"),
        (total("usd", p10="49"), "P10, P50 and P90 of usd rise"),
        (item("compute", 1.05), "compute"),
        (item("compute", 1.05), "P50 is the sum of the items"),
        (item("cold_start", 0.2), "starts cost at least the shortest start"),
        (other("preemption", "0.2"), "preemption"),
        (item("disk", 2.0), "disk"),
        (item("storage", 1.01), "storage"),
        (item("controller", 4.0), "controller"),
        (other("egress", "1.0"), "egress"),
        (unknown_egress, "egress has a price"),
        (machines, "machines"),
        (machines, "limits.machines"),
        (group(spot=True), "limits.spot"),
        (group(cloud="aws"), "limits.clouds"),
        (group(gpu="H100"), "limits.gpus"),
        (place(usd_per_hour="0.0001"), "no price below its quote without a discount"),
        (place(usd_per_hour="0.0001", quoted_usd_per_hour="0.0001"), "no price below the lowest quote"),
        (place(instance_type="x9-large"), "a quote of the snapshot"),
        (place(zone="usw2-lax1-az1"), "can be launched"),
        (place(machines=6), "quota needed is the fleet's"),
        (cheaper_kind, "no single type is cheaper"),
    ],
)  # fmt: skip
def test_an_error_in_a_plan_is_found(
    plan: Plan, snapshot: Snapshot, change: Callable[[Plan], None], expected: str
) -> None:
    wrong = copy.deepcopy(plan)
    change(wrong)
    assert expected in deviations(wrong, snapshot)


def test_work_that_is_given_to_the_cheapest_place_first_is_found(
    spread_plan: Plan, snapshot: Snapshot
) -> None:
    job = SPREAD.read_text(encoding="utf-8")
    assert deviations(spread_plan, snapshot, job) == []
    wrong = copy.deepcopy(spread_plan)
    first, *_, last = (place for group in wrong["lots"] for place in group["places"])
    first["tokens"], last["tokens"] = first["tokens"] + last["tokens"] // 3, last["tokens"] * 2 // 3
    found = deviations(wrong, snapshot, job)
    assert any(" works as long as " in check for check in found)
    assert "tokens of the places" not in found
    last["tokens"] //= 2
    assert "tokens of the places" in deviations(wrong, snapshot, job)


def test_a_quota_bounds_the_fleet(plan: Plan, snapshot: Snapshot) -> None:
    group = plan["lots"][0]
    name = f"quota of {group['gpu']} in gcp {group['regions'][0]}"
    assert name in deviations(plan, snapshot, JOB.replace("on_demand: 4", "on_demand: 0"))


def test_a_dear_fleet_beside_cheap_offers_is_found(plan: Plan, snapshot: Snapshot) -> None:
    dear = copy.deepcopy(plan)
    dear["totals"]["usd"] = {"p10": "40", "p50": "45", "p90": "49"}
    assert "nothing cheaper was overlooked" in deviations(dear, snapshot)


def test_egress_without_a_price_must_be_marked(plan: Plan, snapshot: Snapshot) -> None:
    job = JOB.replace("region: gcp/us-central1}\nmodel", "region: nowhere/x}\nmodel")
    wrong = copy.deepcopy(plan)
    wrong["totals"]["items"]["egress"] = "0"
    found = check(wrong, yaml.safe_load(job), snapshot)
    assert "egress of which a leg is unknown is marked" in [one["check"] for one in found["deviations"]]


def test_jobs_are_twenty_and_parse() -> None:
    names = [yaml.safe_load(path.read_text(encoding="utf-8"))["name"] for path in JOBS.glob("*.yaml")]
    assert len(set(names)) == 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["02-small-gcp-on-demand", "05-runpod-only", "10-quota-on-demand", "17-long-texts"]
)
def test_a_plan_of_the_command_is_confirmed(name: str) -> None:
    command = [sys.executable, "-m", "benchmarks.plan_check", str(JOBS / f"{name}.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)
    body = json.loads(done.stdout)
    assert body["planned"] == 1
    assert body["plans"][name]["deviations"] == []
    assert done.returncode == 0


@pytest.mark.slow
def test_cases_whose_choice_was_wrong_are_confirmed(tmp_path: Path) -> None:
    if not CASES.is_dir():
        pytest.skip("the cases are not here")
    cases = [CASES / "j08_gcp_only.yaml", CASES / "j04_bgem3_1B.yaml"]
    command = [sys.executable, "-m", "benchmarks.plan_check", *map(str, cases)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert json.loads(done.stdout)["deviations"] == 0, done.stdout
    assert not list(tmp_path.iterdir())
