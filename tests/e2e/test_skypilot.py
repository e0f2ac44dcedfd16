"""Our tables against the installed SkyPilot: statuses, errors, task files, its optimizer. No server, no network.

SkyPilot is installed in an environment of its own, `.venv-cloud`; code that needs it runs there as a script.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from launcher.fleet.backends.skypilot_errors import ERROR_KINDS
from launcher.fleet.backends.skypilot_status import END_OF_STATUS, PHASE_OF_STATUS, USER_JOB_FAILURE
from launcher.fleet.provisioning.task_specs import place_of, places_of, specs_of, steered_kinds, task_yamls
from launcher.jobs.parse import read_job
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.saved.saved_plan import SavedPlan
from pricing.book import price_book
from scripts import lock
from tests.support.clusters import catalogs
from tests.support.clusters.skyhome import CLOUD, ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (CLOUD / "ready").exists(), reason="no .venv-cloud: make cloud"),
]

SHOWN = 3  # task files of each example
EXAMPLES = ROOT / "runs" / "example"
NOW = datetime(2026, 11, 29, tzinfo=UTC)  # of the examples' plans: a price that ages may change a fleet
NAMES = ("aws-spot-l4", "mixed-aws-gcp", "on-demand-a100x8-gcp")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with catalogs and without credentials."""
    found = tmp_path_factory.mktemp("home")
    catalogs.write(found)
    return found


def in_cloud(home: Path, *words: str, code: str = "") -> Any:
    """What `.venv-cloud`'s Python prints, as JSON."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"HOME": str(home), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [str(CLOUD / "bin" / "python"), *(["-c", code] if code else []), *words],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# --- words


def test_every_status_of_a_managed_job_is_known(home: Path) -> None:
    code = """
import json
from sky.jobs.state import ManagedJobStatus as S
print(json.dumps({s.value: s.is_terminal() for s in S}))
"""
    theirs: dict[str, bool] = in_cloud(home, code=code)
    assert {status for status, over in theirs.items() if over} == set(END_OF_STATUS)
    assert {status for status, over in theirs.items() if not over} == set(PHASE_OF_STATUS)


def test_every_error_of_skypilot_is_mapped_and_no_other(home: Path) -> None:
    code = """
import inspect, json
from sky import exceptions
own = [c for c in vars(exceptions).values() if inspect.isclass(c) and c.__module__ == exceptions.__name__]
print(json.dumps(sorted(c.__name__ for c in own if issubclass(c, BaseException))))
"""
    assert in_cloud(home, code=code) == sorted(ERROR_KINDS)


def test_job_fields_exist_in_skypilot(home: Path) -> None:
    code = """
import json
from sky.schemas.api.responses import ManagedJobRecord
print(json.dumps(sorted(ManagedJobRecord.model_fields)))
"""
    from launcher.fleet.backends.skypilot_client import JOB_FIELDS

    assert set(JOB_FIELDS) <= set(in_cloud(home, code=code))


def test_code_of_a_failed_programs_event_is_skypilots(home: Path) -> None:
    code = """
import json
from sky.jobs.state import USER_JOB_FAILURE_EVENT_CODE
from sky.server.requests.payloads import GetJobEventsBody
print(json.dumps([USER_JOB_FAILURE_EVENT_CODE, "job_id" in GetJobEventsBody.model_fields]))
"""
    assert in_cloud(home, code=code) == [USER_JOB_FAILURE, True]


def test_loading_skypilot_leaves_the_root_logger_alone(home: Path) -> None:
    code = """
import json, logging
from launcher.fleet.backends.skypilot_client import load_sky
load_sky()
print(json.dumps([logging.getLogger().hasHandlers(), logging.getLogger().level == logging.WARNING]))
"""
    assert in_cloud(home, code=code) == [False, True]


def test_catalog_price_of_spot_is_by_zone_and_none_for_an_unknown_type(
    home: Path,
) -> None:
    offers = [
        o
        for o in price_book.load()
        if (o.cloud, o.region, o.instance_type) == ("aws", "us-east-1", "g6.xlarge")
    ]
    zones = {o.zone: str(o.usd_per_hour) for o in offers if o.purchase == "spot"}
    code = f"""
import json
from launcher.fleet.backends.skypilot import SkyPilotBackend
from launcher.ledger.records import Site
backend = SkyPilotBackend.__new__(SkyPilotBackend)
prices = {{z: str(backend.price(Site("aws", "us-east-1", z, "spot"), "g6.xlarge")) for z in {sorted(map(str, zones))}}}
print(json.dumps(prices | {{"?": backend.price(Site("aws", "us-east-1", "us-east-1a", "spot"), "no.such")}}))
"""
    assert in_cloud(home, code=code) == zones | {"?": None}


# --- services


def test_skypilot_accepts_the_service_that_serve_writes(home: Path, minilm: str, tmp_path: Path) -> None:
    """Its parser, its checks of a service and of each resource against the catalogs; nothing is rented."""
    from tests.launcher.serve.test_service import service_yaml, spec_of

    path = tmp_path / "service.yaml"
    path.write_text(service_yaml(spec_of(minilm), ["a comment"]), encoding="utf-8")
    code = f"""
import json, sky
task = sky.Task.from_yaml({str(path)!r})
task.validate_name()
task.validate_run()
service = task.service
print(json.dumps({{
    "replicas": service.min_replicas, "probe": service.readiness_path, "data": service.post_data,
    "qps": service.target_qps_per_replica, "ports": [r.ports for r in task.resources],
    "gpus": [list(r.accelerators) for r in task.resources], "policy": service.load_balancing_policy,
    "spot": [r.use_spot for r in task.resources],
}}))
"""
    found = in_cloud(home, code=code)
    assert (found["replicas"], found["probe"], found["policy"]) == (1, "/v1/embeddings", "least_load")
    assert found["data"]["truncate_prompt_tokens"] == 64
    assert {tuple(ports) for ports in found["ports"]} == {("8000",)}
    assert found["spot"]
    assert not any(found["spot"])
    assert found["qps"] > 0


# --- examples


def example(name: str) -> tuple[SavedPlan, dict[str, str]]:
    """An example's plan, from the prices of the snapshot, and the task files of its groups."""
    job, _ = read_job(EXAMPLES / name / "job.yaml")
    choices = planner.PlanOptions(on=None, probe_seconds=0.1, offers=price_book.load())
    plan = plans.saved_plan_of(planner.make_plan(job, Path("/home/ann"), choices, NOW, lambda _: None))
    assert job.output
    specs = specs_of(plan, job.output.path, "/usr/lib/embedfleet/tasks", disk_gb=75)
    return plan, task_yamls(specs)


@pytest.mark.parametrize("name", NAMES)
def test_golden_task_files_match_the_plan_and_skypilot_accepts_them(
    name: str, home: Path, tmp_path: Path
) -> None:
    """A task a kind that the fleet may rent; SkyPilot gets all of them, and the first ones are kept as examples."""
    plan, made = example(name)
    shown = dict(list(made.items())[:SHOWN])
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        for old in (EXAMPLES / name).glob("group-*.yaml"):
            old.unlink()
        for file, text in shown.items():
            (EXAMPLES / name / file).write_text(text, encoding="utf-8")
    kept = {path.name: path.read_text(encoding="utf-8") for path in (EXAMPLES / name).glob("group-*.yaml")}
    assert shown == kept

    for file, text in made.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    files = [str(tmp_path / file) for file in made]
    taken = in_cloud(
        home, str(ROOT / "tests" / "support" / "clusters" / "offline.py"), *_runnable(files, home)
    )
    kinds = steered_kinds(plan)
    assert len(kinds) == len(taken) > 1
    for kind, seen in zip(kinds.values(), taken.values(), strict=True):
        place = place_of(kind)
        assert [(a["cloud"], a["region"], a["instance_type"], a["spot"]) for a in seen["asked"]] == [
            (place.cloud, place.region, place.instance_type, kind.spot)
        ]
        assert seen["best"]["labels"]["embedfleet-run"] == plan.run
    for group in plan.lots:
        for place in places_of(group):
            there = [
                (kind, seen["best"]["usd_per_hour"])
                for kind, seen in zip(kinds.values(), taken.values(), strict=True)
                if (kind.cloud, kind.region, kind.gpu, kind.spot)
                == (place.cloud, place.region, group.gpu, group.spot)
            ]
            assert there, "machines of a place that was planned may be rented there"
            # SkyPilot's catalog has prices as they were quoted; the plan's are those that are likely now.
            quoted = [
                p.quoted_usd_per_hour or p.usd_per_hour for p in group.places if p.region == place.region
            ]
            same = [usd for kind, usd in there if kind.instance_type == place.instance_type]
            assert all(any(abs(usd - float(known or 0)) < 0.0051 for known in quoted) for usd in same)


def _runnable(files: Sequence[str], home: Path) -> list[str]:
    """The same with a folder of code that is there: SkyPilot looks for it."""
    found: list[str] = []
    for number, file in enumerate(files):
        copy = home / f"{number}.yaml"
        text = Path(file).read_text(encoding="utf-8")
        copy.write_text(text.replace("/usr/lib/embedfleet/tasks", str(ROOT / "tasks")), encoding="utf-8")
        found.append(str(copy))
    return found


# --- environments


@pytest.mark.parametrize("name", lock.NAMES)
def test_lock_of_a_machine_can_be_installed(name: str, tmp_path: Path) -> None:
    """uv finds each pinned file in the index by its hash; the small locks are installed for real."""
    uv = str(CLOUD / "bin" / "uv")
    subprocess.run([uv, "venv", "-q", str(tmp_path / "env")], check=True)
    trial = [] if name in ("hash", "uv") else ["--dry-run"]
    command = [
        uv, "pip", "install", "-q", *trial, "--python", str(tmp_path / "env" / "bin" / "python"),
        "--require-hashes", "-r", str(lock.FOLDER / f"{name}.txt"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    if name == "hash":
        subprocess.run(
            [tmp_path / "env" / "bin" / "python", "-c", "import tasks.supervisor.command_line, tasks.worker.process"],
            cwd=ROOT, check=True,
        )  # fmt: skip


def test_packages_of_a_laptop_that_rents_can_be_installed_together(tmp_path: Path) -> None:
    text = resolve(tmp_path, f"embedfleet[cloud] @ file://{ROOT}")
    assert "skypilot==0.14" in text


def resolve(folder: Path, needs: str) -> str:
    """The versions that fit together, by uv's resolver; fails where none do."""
    (folder / "needs.txt").write_text(needs + "\n")
    done = subprocess.run(
        [str(CLOUD / "bin" / "uv"), "pip", "compile", "-q", "--python-version", "3.11", str(folder / "needs.txt")],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- documents


def test_the_permissions_of_the_gcp_guide_are_those_that_skypilot_checks(home: Path) -> None:
    code = """
import json
from sky.provision.gcp import constants as c
print(json.dumps([*c.GCP_MINIMAL_PERMISSIONS, *c.VM_MINIMAL_PERMISSIONS, *c.STORAGE_MINIMAL_PERMISSIONS]))
"""
    needed: list[str] = in_cloud(home, code=code)
    guide = (ROOT / "docs" / "gcp.md").read_text(encoding="utf-8")
    assert [name for name in needed if f"`{name}`" not in guide] == []
