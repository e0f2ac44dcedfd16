"""The task of a pilot: what SkyPilot is asked for, and that nothing secret or hostile is in it."""

import os
from dataclasses import replace
from decimal import Decimal

import pytest
import yaml

from launcher.pilot.hand_over import rights_text
from launcher.pilot.task import PilotSpec, pilot_name, pilot_task
from launcher.planning.pilot_machine import PilotMachine, pilot_machine, pilot_machine_in
from tasks.skypilot_task import Place, group_of, is_cluster_of, to_yaml
from tests.support import sample_plan
from tests.support.paths import GOLDEN

SPEC = PilotSpec(
    run="reviews-1a2b3c4d",
    output="s3://bucket/vectors",
    max_cost=Decimal(300),
    machine=pilot_machine_in("aws"),
    code={"launcher": "/src/launcher", "tasks": "/src/tasks", "pricing": "/src/pricing"},
    settings={"AWS_DEFAULT_REGION": "us-east-1"},
    secrets=("WEBHOOK",),
    machine_secrets=("AWS_ACCESS_KEY_ID",),
)


def test_golden_task_of_a_pilot() -> None:
    path, text = GOLDEN / "task-pilot.yaml", to_yaml(pilot_task(SPEC))
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_a_pilot_is_no_machine_of_its_run_to_skypilot() -> None:
    name = pilot_name("reviews-1a2b3c4d")
    assert group_of(name, "reviews-1a2b3c4d") is None
    assert not is_cluster_of(f"{name}-7", "reviews-1a2b3c4d", {})
    assert pilot_name("7up-1a2b3c4d") == "r-7up-1a2b3c4d-pilot"


def test_values_are_in_variables_that_no_shell_parses() -> None:
    hostile = "$(touch /tmp/x); `id` '\""
    body = pilot_task(replace(SPEC, run=hostile, output=hostile))
    assert hostile not in body["run"] + body["setup"]
    assert yaml.safe_load(to_yaml(body))["envs"]["EMBEDFLEET_OUTPUT"] == hostile


def test_values_of_secrets_are_not_in_the_task() -> None:
    assert pilot_task(SPEC)["secrets"] == {"WEBHOOK": None, "AWS_ACCESS_KEY_ID": None}
    assert "--secret AWS_ACCESS_KEY_ID" in pilot_task(SPEC)["run"]
    assert "WEBHOOK" not in pilot_task(SPEC)["run"]


def test_an_environment_that_is_there_is_not_installed_again() -> None:
    body = pilot_task(replace(SPEC, prebuilt="/opt/env"))
    assert "uv" not in body["setup"]
    assert body["envs"]["EMBEDFLEET_PILOT_ENV"] == "/opt/env"


@pytest.mark.parametrize(
    ("cloud", "text"),
    [
        ("aws", "m6i.large in aws, about $0.0960 an hour"),
        ("gcp", "n2-standard-2 in gcp, about $0.0971 an hour"),
        ("lambda", "2 CPUs, 8 GB in lambda, at an unknown price"),
    ],
)
def test_machine_of_a_pilot_and_its_price(cloud: str, text: str) -> None:
    assert str(pilot_machine_in(cloud)) == text


def test_pilot_is_on_demand_in_the_cloud_of_the_safety_net() -> None:
    assert pilot_machine(sample_plan.saved_steered()).place.cloud == "aws"
    assert "spot" not in pilot_task(SPEC)["resources"]


def test_pilot_is_in_a_cloud_of_which_a_small_machine_is_known() -> None:
    """The cheapest machine on demand is on a cloud that may rent nothing but GPUs."""
    body = sample_plan.steered()
    kinds = body["steering"]["envelope"]["kinds"]
    net = next(kind for kind in kinds if not kind["spot"])
    kinds.insert(0, net | {"cloud": "hyperbolic", "region": "us", "zone": None})
    assert pilot_machine(sample_plan.saved(**body)).place.cloud == "aws"
    for kind in kinds:
        kind["cloud"] = "aws" if kind["spot"] else "hyperbolic"
    assert pilot_machine(sample_plan.saved(**body)).place.cloud == "aws"
    for kind in kinds:
        kind["cloud"] = "hyperbolic"
    assert pilot_machine(sample_plan.saved(**body)).place.cloud == "hyperbolic"


def test_pilot_where_no_small_machine_is_known_is_the_cheapest_machine_of_the_plan_and_has_its_price() -> (
    None
):
    body = sample_plan.steered()
    kinds = body["steering"]["envelope"]["kinds"]
    for kind in kinds:
        kind |= {"cloud": "vast", "region": "France, FR, EU", "zone": None}
    net = next(kind for kind in kinds if not kind["spot"])
    net |= {"instance_type": "4x-RTX_A5000-32-65536", "usd_per_hour": "0.80"}
    kinds.append(net | {"instance_type": "1x-RTX_5090-32-65536", "gpu": "RTX5090", "gpus_per_machine": 1.0})
    kinds[-1] |= {"usd_per_hour": "0.46", "region": "Denmark, DK, EU"}
    found = pilot_machine(sample_plan.saved(**body))
    assert str(found) == (
        "1x-RTX_5090-32-65536 in vast (1 x RTX5090: no smaller machine is known there), about $0.46 an hour"
    )
    assert pilot_task(replace(SPEC, machine=found))["resources"]["instance_type"] == "1x-RTX_5090-32-65536"
    body["lots"] = [group | {"cloud": "vast", "spot": True} for group in body["lots"]]
    for kind in kinds:
        kind["spot"] = True
    assert str(pilot_machine(sample_plan.saved(**body))) == "2 CPUs, 8 GB in vast, at an unknown price"


def test_a_pilot_without_a_price_says_that_no_limit_holds_it() -> None:
    known, unknown = (rights_text("r", pilot_machine_in(cloud), Decimal(50)) for cloud in ("aws", "vast"))
    assert "beside its own machine; embedfleet stop" in known
    assert "beside its own machine, whose price is not known and which no limit holds;" in unknown


def test_pilot_on_slurm_is_in_the_partition_of_the_safety_net() -> None:
    body = sample_plan.steered()
    for kind in body["steering"]["envelope"]["kinds"]:
        kind |= {"cloud": "slurm", "region": "east", "zone": "spot" if kind["spot"] else "ondemand"}
    found = pilot_machine(sample_plan.saved(**body))
    assert found == PilotMachine(Place("slurm", "east", "ondemand"))
    resources = pilot_task(replace(SPEC, machine=found))["resources"]
    assert resources["infra"] == "slurm/east/ondemand"
    assert (resources["cpus"], resources["memory"]) == ("2+", "8+")
