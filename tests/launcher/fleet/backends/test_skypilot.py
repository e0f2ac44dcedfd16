"""The SkyPilot backend against a small SkyPilot in memory: launches, duplicates, missed polls, faults, secrets.

What the real library does is in `tests/e2e/test_skypilot.py` and `tests/e2e/test_slurm.py`.
"""

import json
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from launcher.errors import Problem
from launcher.fleet.backends import skypilot_client
from launcher.fleet.backends.base import LaunchRequest
from launcher.fleet.backends.skypilot import MAX_MISSED_POLLS, SkyPilotBackend
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.protocol.messages import control
from tasks.skypilot_task import Place, TaskSpec
from tasks.stores.memory import MemoryStore

SPEC = TaskSpec(
    run="r1",
    group=0,
    gpu="L4",
    gpus=1.0,
    spot=True,
    places=(Place("aws", "us-east-1", None, "g6.xlarge", Decimal("0.30")),),
    output="s3://bucket/out",
    corpus="s3://bucket/in",
    model="hash",
    engine="hash",
    workers=1,
    code="/code/tasks",
    secrets=("TOKEN",),
)


class ServerDownError(Exception):
    """The API server does not answer."""


class ClusterNotUpError(Exception):
    cluster_status = None


@dataclass
class JobEvents:
    """The question for a job's events, as SkyPilot's server takes it."""

    job_id: int

    def model_dump_json(self) -> str:
        return json.dumps({"job_id": self.job_id})


@dataclass
class FakeTask:
    """A task as SkyPilot takes it."""

    body: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict[str, str])

    def update_secrets(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets


class FakeSky:
    """Managed jobs in a list. Requests are their own results, as far as `get` is concerned."""

    def __init__(self) -> None:
        self.records: list[SimpleNamespace] = []
        self.launched: list[FakeTask] = []
        self.cancelled: list[int] = []
        self.down = False
        self.jobs = SimpleNamespace(queue_v2=self.queue, launch=self.launch, cancel=self.cancel)
        self.Task = SimpleNamespace(from_yaml_config=FakeTask)
        self.exceptions = SimpleNamespace(ClusterNotUpError=ClusterNotUpError)

    def get(self, request: Any) -> Any:
        return request

    def api_status(self, **_options: object) -> list[object]:
        return []

    def queue(self, *, all_users: bool = False, **_options: object) -> tuple[list[SimpleNamespace]]:
        assert all_users, "machines that a colleague started would be started again"
        if self.down:
            raise ServerDownError
        return (self.records,)

    def launch(self, task: FakeTask, name: str) -> tuple[list[int], None]:
        self.launched.append(task)
        return [self.add(name, "PENDING").job_id], None

    def cancel(self, job_ids: list[int]) -> None:
        self.cancelled += job_ids

    def add(self, name: str, status: str, **changes: object) -> SimpleNamespace:
        fields: dict[str, object] = {
            "job_id": len(self.records) + 1, "job_name": name, "status": status, "recovery_count": 0, "cloud": None,
            "region": None, "zone": None, "start_at": None, "last_recovered_at": None, "end_at": None,
            "failure_reason": None, "labels": None,
        }  # fmt: skip
        record = SimpleNamespace(**fields | changes)
        self.records.append(record)
        return record


@pytest.fixture
def sky(monkeypatch: pytest.MonkeyPatch) -> FakeSky:
    found = FakeSky()
    monkeypatch.setitem(sys.modules, "sky", found)  # type: ignore[arg-type]
    monkeypatch.setenv("TOKEN", "s3cret")
    return found


@pytest.fixture
def backend(sky: FakeSky, tmp_path: Path) -> SkyPilotBackend:
    del sky
    return SkyPilotBackend(tmp_path, MemoryStore(), "r1", {0: SPEC})


def test_launched_machine_has_a_handle_and_is_known_at_once(sky: FakeSky, backend: SkyPilotBackend) -> None:
    backend.refresh()
    handles = backend.start([LaunchRequest("r1-l0m0-0", 7)])
    assert handles == {"r1-l0m0-0": "1:r1-l0m0-0"}
    status = backend.status("1:r1-l0m0-0")
    assert status is not None
    assert status.phase == Phase.WAITING
    assert sky.launched[0].body["envs"]["EMBEDFLEET_OFFSET"] == "7"


def test_new_job_counts_before_it_is_listed(sky: FakeSky, backend: SkyPilotBackend) -> None:
    backend.start([LaunchRequest("r1-l0m0-0", 0)])
    sky.records.clear()
    backend.refresh()
    assert backend.list_alive() == {"r1-l0m0-0": "1:r1-l0m0-0"}


def test_name_with_a_living_job_gets_no_second_one(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.add("r1-l0m0-0", "RUNNING")
    backend.refresh()
    assert backend.start([LaunchRequest("r1-l0m0-0", 0)]) == {"r1-l0m0-0": "1:r1-l0m0-0"}
    assert not sky.launched


def test_secrets_go_with_the_request_and_not_with_the_task(sky: FakeSky, backend: SkyPilotBackend) -> None:
    backend.start([LaunchRequest("r1-l0m0-0", 0)])
    (task,) = sky.launched
    assert task.secrets == {"TOKEN": "s3cret"}
    assert "secrets" not in task.body
    assert "s3cret" not in str(task.body)


def test_missing_secret_is_a_problem(
    sky: FakeSky, backend: SkyPilotBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN")
    failed = backend.start([LaunchRequest("r1-l0m0-0", 0)])["r1-l0m0-0"]
    assert isinstance(failed, Problem)
    assert "the secret TOKEN is not in this environment" in str(failed)
    assert not sky.launched


def test_younger_of_two_jobs_of_one_name_is_cancelled(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.add("r1-l0m0-0", "RUNNING")
    sky.add("r1-l0m0-0", "PENDING")
    backend.refresh()
    assert sky.cancelled == [2]
    assert backend.find("r1-l0m0-0") == "1:r1-l0m0-0"


def test_jobs_of_other_runs_are_left_alone(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.add("r10-l0m0-0", "RUNNING")
    backend.refresh()
    assert backend.list_alive() == {}


def test_server_may_be_away_for_some_polls(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.add("r1-l0m0-0", "RUNNING")
    backend.refresh()
    sky.down = True
    for _ in range(MAX_MISSED_POLLS):
        backend.refresh()
    assert backend.find("r1-l0m0-0") == "1:r1-l0m0-0"
    with pytest.raises(Problem, match="listing managed jobs"):
        backend.refresh()


def test_server_that_never_answered_is_a_problem_at_once(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.down = True
    with pytest.raises(Problem):
        backend.refresh()


def test_machine_is_where_its_job_is_and_bought_as_its_group(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.add("r1-l0m0-0", "RUNNING", cloud="AWS", region="us-east-1", zone="us-east-1b", start_at=1_000.0)
    backend.refresh()
    status = backend.status("1:r1-l0m0-0")
    assert status is not None
    assert status.site == Site("aws", "us-east-1", "us-east-1b", "spot")
    assert status.launching_since is not None


def test_ended_job_is_no_living_machine(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.add("r1-l0m0-0", "SUCCEEDED", end_at=2_000.0)
    backend.refresh()
    assert backend.find("r1-l0m0-0") is None
    status = backend.status("1:r1-l0m0-0")
    assert status is not None
    assert status.state == MachineState.STOPPED


def test_handle_of_another_name_has_no_status(sky: FakeSky, backend: SkyPilotBackend) -> None:
    sky.add("r1-l0m0-0", "RUNNING")
    backend.refresh()
    assert backend.status("1:r1-l0m0-1") is None
    assert backend.status("r1-l0m0-0") is None


def test_drain_is_sent_to_each_machine_through_the_store(backend: SkyPilotBackend) -> None:
    backend.drain([])
    backend.drain(["1:r1-l0m0-0", "2:r1-l0m3-0"])
    sent = {name: control.read_command(backend.store, "r1", name) for name in ("r1-l0m0-0", "r1-l0m3-0")}
    assert sent == {"r1-l0m0-0": "drain", "r1-l0m3-0": "drain"}
    assert control.read_command(backend.store, "r1", "r1-l0m1-0") == "go"
    assert control.read_command(backend.store, "r1") == "go"


def test_terminate_cancels_the_jobs(sky: FakeSky, backend: SkyPilotBackend) -> None:
    backend.terminate(["3:r1-l0m0-0", "5:r1-l0m1-0"])
    assert sky.cancelled == [3, 5]


def test_jobs_of_runs_with_a_similar_name_are_not_listed(sky: FakeSky) -> None:
    runs = ("a", "a-b", "a-b-1", "a-1", "a-l0m0")
    for run in runs:
        sky.add(f"{run}-l0m0-0", "RUNNING")
    for run in runs:
        assert [job.name for job in skypilot_client.list_jobs(run)] == [f"{run}-l0m0-0"]


@pytest.fixture
def events(sky: FakeSky, monkeypatch: pytest.MonkeyPatch) -> dict[int, list[tuple[str, str]]]:
    """The events of jobs as the server has them: new status and reason by job, the latest first."""
    found: dict[int, list[tuple[str, str]]] = {}

    def answer(method: str, path: str, *, json: dict[str, int]) -> list[dict[str, str | None]]:
        assert (method, path) == ("POST", "/jobs/events")
        return [
            {"new_status": f"ManagedJobStatus.{status}", "reason": reason, "code": None}
            for status, reason in found.get(json["job_id"], [])
        ]

    common = SimpleNamespace(make_authenticated_request=answer, get_request_id=sky.get)
    monkeypatch.setitem(sys.modules, "sky.server.common", common)  # type: ignore[arg-type]
    monkeypatch.setitem(
        sys.modules, "sky.server.requests.payloads", SimpleNamespace(GetJobEventsBody=JobEvents)
    )  # type: ignore[arg-type]
    return found


def refused(backend: SkyPilotBackend, handle: str = "1:r1-l0m0-0") -> bool:
    status = backend.status(handle)
    assert status is not None
    return status.refused


def test_a_job_that_goes_back_to_wait_was_refused_until_its_machine_comes(
    sky: FakeSky, backend: SkyPilotBackend, events: dict[int, list[tuple[str, str]]]
) -> None:
    job = sky.add("r1-l0m0-0", "STARTING")
    backend.refresh()
    assert not refused(backend)
    job.status = "PENDING"
    events[1] = [("PENDING", "Job is in backoff"), ("STARTING", "Job is starting")]
    backend.refresh()
    assert refused(backend)
    job.status = "STARTING"  # SkyPilot asks again
    backend.refresh()
    assert refused(backend)
    job.status, job.start_at, job.cloud, job.region = "RUNNING", 1_000.0, "AWS", "us-east-1"
    backend.refresh()
    status = backend.status("1:r1-l0m0-0")
    assert status is not None
    assert (status.refused, status.came) == (False, True)


def test_a_job_that_a_queue_holds_back_was_not_refused(
    sky: FakeSky, backend: SkyPilotBackend, events: dict[int, list[tuple[str, str]]]
) -> None:
    job = sky.add("r1-l0m0-0", "STARTING")
    backend.refresh()
    job.status = "PENDING"
    events[1] = [("PENDING", "Job is waiting to launch: not admitted"), ("STARTING", "Job is starting")]
    backend.refresh()
    assert not refused(backend)
    job.status = "STARTING"
    backend.refresh()
    job.status = "PENDING"
    events[1].insert(0, ("PENDING", "Job is in backoff"))
    backend.refresh()
    assert refused(backend)


def test_a_later_launcher_learns_of_a_refusal_from_the_events(
    sky: FakeSky, backend: SkyPilotBackend, events: dict[int, list[tuple[str, str]]]
) -> None:
    sky.add("r1-l0m0-0", "PENDING")
    sky.add("r1-l0m1-0", "PENDING")
    events[1] = [("PENDING", "Job is in backoff"), ("STARTING", ""), ("PENDING", "Job submitted")]
    events[2] = [("PENDING", "Job submitted")]
    backend.refresh()
    assert refused(backend)
    assert not refused(backend, "2:r1-l0m1-0")


def test_a_server_without_events_leaves_it_at_refused(sky: FakeSky, backend: SkyPilotBackend) -> None:
    job = sky.add("r1-l0m0-0", "STARTING")
    backend.refresh()
    job.status = "PENDING"
    backend.refresh()
    assert refused(backend)


def test_a_recovery_that_waits_between_two_rounds_is_still_a_recovery(
    sky: FakeSky, backend: SkyPilotBackend
) -> None:
    sky.add("r1-l0m0-0", "PENDING", start_at=1_000.0, cloud="AWS", region="us-east-1")
    backend.refresh()
    status = backend.status("1:r1-l0m0-0")
    assert status is not None
    assert (status.phase, status.refused) == (Phase.RECOVERING, False)
