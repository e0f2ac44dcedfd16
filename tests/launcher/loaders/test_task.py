"""The task of a rented loader: what SkyPilot is asked for, and that nothing secret or hostile is in it."""

import os
from dataclasses import replace

import yaml

from launcher.loaders.task import LoaderSpec, loader_name, loader_task
from launcher.planning.pilot_machine import pilot_machine_in
from launcher.sinks.index import HNSW
from tasks.skypilot_task import group_of, is_cluster_of, to_yaml
from tests.support.paths import GOLDEN

SPEC = LoaderSpec(
    run="reviews-1a2b3c4d",
    output="s3://bucket/vectors",
    to="postgresql://ann@db.example/search?table=docs",
    load="0123456789ab",
    index=HNSW,
    machine=pilot_machine_in("aws"),
    code={"launcher": "/src/launcher", "tasks": "/src/tasks", "pricing": "/src/pricing"},
    settings={"AWS_DEFAULT_REGION": "us-east-1"},
    secret="DATABASE_PASSWORD",
    secrets=("AWS_ACCESS_KEY_ID",),
)


def test_golden_task_of_a_loader() -> None:
    path, text = GOLDEN / "task-loader.yaml", to_yaml(loader_task(SPEC, 1))
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_a_loader_is_no_machine_of_its_run_to_skypilot() -> None:
    name = loader_name("reviews-1a2b3c4d", SPEC.load, 0)
    assert group_of(name, "reviews-1a2b3c4d") is None
    assert not is_cluster_of(f"{name}-7", "reviews-1a2b3c4d", {})


def test_values_are_in_variables_that_no_shell_parses() -> None:
    hostile = "$(touch /tmp/x); `id` '\""
    body = loader_task(
        replace(SPEC, run=hostile, output=hostile, to=hostile, since=hostile, keep=(hostile,)), 0
    )
    assert hostile not in body["run"] + body["setup"]
    assert yaml.safe_load(to_yaml(body))["envs"]["EMBEDFLEET_TO"] == hostile


def test_values_of_secrets_are_not_in_the_task() -> None:
    body = loader_task(SPEC, 0)
    assert body["secrets"] == {"DATABASE_PASSWORD": None, "AWS_ACCESS_KEY_ID": None}
    assert "--secret DATABASE_PASSWORD" in body["run"]


def test_what_the_laptop_says_reaches_the_loader() -> None:
    run = loader_task(replace(SPEC, replace=True, keep=(), since=None, parallel=7), 0)
    assert "--replace" in run["run"]
    assert "--parallel 7" in run["run"]
    assert run["envs"]["EMBEDFLEET_KEEP"] == "none"
    assert "--since" not in run["run"]
