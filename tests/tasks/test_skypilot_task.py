"""The SkyPilot task of a machine: its YAML, and hostile names in a shell."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.skypilot_task import (
    ENGINES,
    Place,
    TaskSpec,
    accelerator,
    by_price,
    describe,
    group_of,
    is_cluster_of,
    is_cluster_of_job,
    label,
    machine_name,
    machine_prefix,
    machine_task,
    to_yaml,
)
from tests.support.paths import GOLDEN, ROOT

EAST = Place("aws", "us-east-1", "use1-az2", "g6.xlarge", Decimal("0.347"))
OHIO = Place("aws", "us-east-2", "use2-az3", "g6.xlarge", Decimal("0.2133"))
RECIPE = TaskSpec(
    run="reviews-1a2b3c4d",
    group=0,
    gpu="L4",
    gpus=1.0,
    spot=True,
    places=(EAST, OHIO),
    output="s3://bucket/vectors",
    corpus="s3://bucket/reviews",
    model="Alibaba-NLP/gte-Qwen2-7B-instruct",
    engine="vllm",
    workers=1,
    code="/usr/lib/embedfleet/tasks",
)
SLURM = replace(
    RECIPE,
    places=(Place("slurm", "east", "spot", None, Decimal("0.4")),),
    output="/shared/out",
    corpus="/shared/in",
    engine="torch",
    threads=2,
    prebuilt="/shared/env",
    secrets=("HF_TOKEN",),
    settings={"HF_HUB_OFFLINE": "1"},
)
HOSTILE = [
    "a b",
    "x'y",
    'x"y',
    "$HOME",
    "$(touch owned)",
    "`touch owned`",
    "a;touch owned",
    "a\nb",
    "\\",
    "--help",
    "é",
    "*",
    "",
]


@pytest.mark.parametrize(("name", "recipe"), [("aws", RECIPE), ("slurm", SLURM)])
def test_the_yaml_is_the_golden_one(name: str, recipe: TaskSpec) -> None:
    path = GOLDEN / f"task-{name}.yaml"
    text = to_yaml(machine_task(recipe))
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


# --- places


def test_places_are_requested_in_the_order_of_our_prices() -> None:
    dear, unknown = (
        replace(EAST, region="eu-west-1", usd_per_hour=Decimal(2)),
        replace(OHIO, region="x", usd_per_hour=None),
    )
    assert [p.region for p in by_price([dear, unknown, EAST, OHIO])] == [
        "us-east-2",
        "us-east-1",
        "eu-west-1",
        "x",
    ]


def test_an_aws_zone_id_is_not_requested() -> None:
    assert EAST.infra == "aws/us-east-1"
    assert replace(EAST, zone="us-east-1a").infra == "aws/us-east-1/us-east-1a"


@pytest.mark.parametrize("zone", ["usw2-lax1-az1", "use1-atl2-az1", "use1-wl1-bos-wlz1"])
def test_id_of_a_zone_outside_the_region_is_not_requested_either(zone: str) -> None:
    assert Place("aws", "us-west-2", zone).infra == "aws/us-west-2"


@pytest.mark.parametrize("zone", ["us-west-2a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1"])
def test_name_of_a_zone_is_requested(zone: str) -> None:
    assert Place("aws", "us-west-2", zone).infra == f"aws/us-west-2/{zone}"


@pytest.mark.parametrize(
    ("cloud", "gpu", "instance_type", "name"),
    [
        ("lambda", "A6000", "gpu_1x_a6000", "A6000"),
        ("vast", "A6000", "2x-RTX_A6000-32-65536", "RTXA6000"),
        ("azure", "H100-NVL", "Standard_NC40ads_H100_v5", "H100"),
        ("gcp", "H100", "a3-megagpu-8g", "H100-MEGA"),
        ("gcp", "H100", "a3-highgpu-8g", "H100"),
        ("aws", "A100-40GB", "p4d.24xlarge", "A100"),
    ],
)
def test_gpu_has_the_name_that_the_clouds_catalog_has(
    cloud: str, gpu: str, instance_type: str, name: str
) -> None:
    assert accelerator(gpu, Place(cloud, "r", None, instance_type)) == name


def test_zones_that_skypilot_cannot_tell_apart_are_requested_once_at_the_lower_price() -> None:
    other = replace(EAST, zone="use1-az4", usd_per_hour=Decimal("0.36"))
    assert by_price([other, EAST]) == [EAST]


def test_the_places_of_one_machine_go_before_the_lots() -> None:
    assert [o["infra"] for o in machine_task(RECIPE, "m", 0, [EAST, OHIO])["resources"]["ordered"]] == [
        "aws/us-east-1",
        "aws/us-east-2",
    ]


def test_a_place_is_described_with_its_price_or_a_question_mark() -> None:
    assert describe(EAST) == "aws/us-east-1 g6.xlarge at $0.347 an hour"
    assert describe(replace(EAST, usd_per_hour=None)).endswith("at $? an hour")


# --- resources


def test_places_are_ordered_because_managed_jobs_try_any_of_in_any_order() -> None:
    assert "any_of" not in machine_task(RECIPE)["resources"]


@pytest.mark.parametrize("spot", [True, False])
def test_use_spot_is_set_for_clouds_with_spot(spot: bool) -> None:
    assert machine_task(replace(RECIPE, spot=spot))["resources"]["use_spot"] is spot
    assert "use_spot" not in machine_task(replace(SLURM, spot=spot))["resources"]


def test_an_announced_preemption_does_not_end_the_job() -> None:
    assert machine_task(RECIPE)["resources"]["job_recovery"]["max_restarts_on_errors"] > 0


def test_a_gpu_has_skypilots_name() -> None:
    (ordered,) = machine_task(replace(SLURM, gpu="A100-40GB", gpus=8.0))["resources"]["ordered"]
    assert ordered["accelerators"] == {"A100": 8}


# --- names


def test_every_machine_is_labelled_with_run_and_lot() -> None:
    assert machine_task(replace(RECIPE, group=3))["resources"]["labels"] == {
        "embedfleet-run": "reviews-1a2b3c4d",
        "embedfleet-group": "group-3",
    }


def test_a_label_that_some_cloud_would_refuse_is_replaced() -> None:
    found = {label("Übung 1"), label("übung-1"), label("x" * 70), label("")}
    assert len(found) == 4
    for one in found:
        assert len(one) <= 63
        assert set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_run_whose_name_begins_with_a_digit_has_machines_whose_names_do_not() -> None:
    assert machine_prefix("2026-reviews") == "r-2026-reviews"
    assert machine_prefix("reviews") == "reviews"


# --- secrets


def test_a_secret_is_in_the_task_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    body = machine_task(SLURM)
    assert body["secrets"] == {"HF_TOKEN": None}
    assert "hf_verysecret" not in to_yaml(body)
    assert "secrets" not in machine_task(RECIPE)


# --- setup


@pytest.mark.parametrize("engine", ENGINES)
def test_setup_installs_the_lock_of_the_engine_and_nothing_else(engine: str) -> None:
    script = machine_task(replace(RECIPE, engine=engine))["setup"]
    lock = {"packed": "torch"}.get(engine, engine)
    assert f'lock="$HOME/embedfleet/tasks/requirements/{lock}.txt"' in script
    installs = [line for line in script.splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all("--require-hashes -r" in line for line in installs)


def test_setup_installs_every_library_that_a_worker_imports() -> None:
    code = """
import sys
before = set(sys.modules)
from importlib.metadata import packages_distributions
import tasks.supervisor.command_line, tasks.worker.process
of = packages_distributions()
names = {name.partition(".")[0] for name in sys.modules.keys() - before} - {"tasks"} - sys.stdlib_module_names
print(*sorted({found.lower() for name in names for found in of.get(name, ())}))
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    common = (ROOT / "tasks" / "requirements" / "common.in").read_text().splitlines()
    installed = {re.split("[<>=]", need)[0] for need in common}
    optional = {"cloudpickle", "typing_extensions"}  # pyarrow and numpy import them where they are installed
    assert set(found.stdout.split()) - optional <= installed
    assert "msgspec" in found.stdout


def test_only_the_tasks_package_is_copied_to_a_machine() -> None:
    assert machine_task(RECIPE)["file_mounts"] == {"~/embedfleet/tasks": "/usr/lib/embedfleet/tasks"}


def test_setup_is_idempotent_and_a_new_lock_makes_a_new_environment(tmp_path: Path) -> None:
    log = tool(tmp_path, "uv", 'if [ "$1" = venv ]; then mkdir -p "${@: -1}"; fi')
    requirements = tmp_path / "embedfleet" / "tasks" / "requirements"
    requirements.mkdir(parents=True)
    body = machine_task(RECIPE)
    script = body["setup"]
    env = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"} | body["envs"]
    for pin in ("vllm==1", "vllm==1", "vllm==2"):
        (requirements / "vllm.txt").write_text(pin)
        subprocess.run(["bash", "-c", script], env=env, check=True, cwd=tmp_path)
    calls = [call.split("\n") for call in log.read_text().split("\n\n") if call]
    assert [call[0] for call in calls] == ["venv", "pip", "venv", "pip"]
    assert calls[1][-3:] == ["--require-hashes", "-r", str(requirements / "vllm.txt")]
    assert calls[0][-1] != calls[2][-1]


def test_first_start_of_the_workers_learns_when_the_setup_began_and_ended(tmp_path: Path) -> None:
    name = "it's a/machine; with $(touch x)"
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "embedfleet").mkdir()
    python = tmp_path / "env" / "bin" / "python"
    python.write_text(f'#!/bin/bash\nprintf "%s\\n" "${{EMBEDFLEET_SETUP-}}" >> {tmp_path}/seen\n')
    python.chmod(0o755)
    body = machine_task(replace(RECIPE, prebuilt=str(tmp_path / "env")), name)
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"} | body["envs"]
    before = int(time.time())
    for script in ("setup", "run", "run"):
        subprocess.run(["bash", "-c", body[script]], env=env, check=True, cwd=tmp_path)
    during, first, later = (tmp_path / "seen").read_text().splitlines()
    began, ended = map(int, first.split())
    assert before <= began <= ended <= int(time.time())
    assert (during, later) == ("", "")
    assert not list((tmp_path / "embedfleet").iterdir())


# --- what a shell makes of it


def tool(folder: Path, name: str, then: str = ":") -> Path:
    """A command that writes its arguments to a file, a line each, an empty line after each call."""
    log = folder / "calls"
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / name
    path.write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" "" >> {log}\n{then}\n')
    path.chmod(0o755)
    return log


def words(folder: Path, recipe: TaskSpec, machine: str) -> list[str]:
    """What the worker's program is started with, by the run script in a real shell."""
    (folder / "embedfleet").mkdir(exist_ok=True)
    (folder / "env" / "bin").mkdir(parents=True, exist_ok=True)
    python = folder / "env" / "bin" / "python"
    python.write_text(f'#!/bin/bash\nprintf "%s\\0" "$@" > {folder}/words\n')
    python.chmod(0o755)
    body = machine_task(replace(recipe, prebuilt=str(folder / "env")), machine)
    (folder / "run.sh").write_text(body["run"])
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin"} | body["envs"]
    subprocess.run(
        ["bash", str(folder / "run.sh")], env=env, check=True, cwd=folder, stdin=subprocess.DEVNULL
    )
    return (folder / "words").read_bytes().decode().split("\0")[:-1]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_the_worker_as_it_is_and_does_nothing_else(name: str, tmp_path: Path) -> None:
    recipe = replace(SLURM, run=f"r{name}", output=f"/o{name}", model=name)
    found = words(tmp_path, recipe, f"m{name}")
    assert found == [
        "-m", "tasks.supervisor", "--store", f"/o{name}", "--run", f"r{name}", "--name", f"m{name}", "--workers", "1",
        "--offset", "0", "--threads", "2",
    ]  # fmt: skip
    assert not list(tmp_path.rglob("owned"))


@settings(max_examples=60)
@given(st.text(max_size=30), st.text(max_size=30))
def test_yaml_round_trips(run: str, output: str) -> None:
    body: dict[str, Any] = machine_task(replace(RECIPE, run=run, output=output, settings={"X": output}))
    assert yaml.safe_load(to_yaml(body)) == body


RUNS = ("a", "a-b", "a-b-1", "a-1", "a-l0m0", "a-l0m1-0")


@pytest.mark.parametrize("run", RUNS)
def test_a_machine_belongs_to_the_run_whose_whole_name_it_has(run: str) -> None:
    names = {other: machine_name(other, 2, 0, 1) for other in RUNS}
    assert [other for other, name in names.items() if group_of(name, run) == 2] == [run]
    assert [other for other, name in names.items() if is_cluster_of(f"{name}-17", run, {})] == [run]


def test_a_cluster_with_a_cut_name_is_known_by_the_number_of_its_job() -> None:
    name = machine_name("reviews-of-2026-1a2b3c4d", 0, 0, 0)
    cut = "reviews-of-2026-1a2b-9f3c"
    assert is_cluster_of(f"{cut}-17", "reviews-of-2026-1a2b3c4d", {17: name})
    assert not is_cluster_of(f"{cut}-18", "reviews-of-2026-1a2b3c4d", {17: name})
    assert not is_cluster_of("train-17", "reviews-of-2026-1a2b3c4d", {17: name})
    assert not is_cluster_of("reviews-of-dev-17", "reviews-of-2026-1a2b3c4d", {17: name})


def test_a_cluster_of_a_job_has_its_name_and_its_number() -> None:
    jobs = {17: "reviews-of-2026-1a2b3c4d-pilot", 18: "a-pilot"}
    assert is_cluster_of_job("a-pilot-18", jobs)
    assert is_cluster_of_job("reviews-of-2026-1a2b-9f3c-17", jobs)
    for other in ("a-pilot-17", "a-pilot-19", "b-pilot-18", "a-pilot", "reviews-of-2026-1a2b-9f3c-18", "18"):
        assert not is_cluster_of_job(other, jobs)


def test_a_cluster_with_a_name_of_its_own_is_not_taken_for_a_cut_one() -> None:
    """SkyPilot cuts no name of up to 25 characters, so a cluster that only begins like one is another's."""
    name = machine_name("embeddings-a-1a2b", 0, 0, 0)
    assert not is_cluster_of("embeddings-a-1a2b-l0-dev-17", "embeddings-a-1a2b", {17: name})


@pytest.mark.parametrize("run", RUNS)
def test_a_task_launched_by_hand_belongs_to_its_run(run: str) -> None:
    names = {other: machine_task(replace(RECIPE, run=other))["name"] for other in RUNS}
    assert [other for other, name in names.items() if group_of(name, run) == RECIPE.group] == [run]
    assert [other for other, name in names.items() if is_cluster_of(f"{name}-17", run, {})] == [run]


@pytest.mark.parametrize("name", ["VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR"])
def test_compiled_kernels_are_kept_for_the_next_start_unless_the_machine_says_where(name: str) -> None:
    for file in ("task-aws.yaml", "task-slurm.yaml"):
        text = (ROOT / "tests" / "golden" / file).read_text(encoding="utf-8")
        assert f'export {name}="${{{name}:-$HOME/embedfleet/cache/' in text
