"""What a pilot needs, what is sent to SkyPilot for it, and how it is found and ended."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from launcher.errors import ConfirmationNeeded, Problem
from launcher.fleet.run_lock import RunLocked, run_lock
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.pilot import hand_over
from launcher.pilot.hand_over import (
    check_pilot,
    end_pilot,
    living_pilot,
    pilot_spec,
    remaining_pilots,
    rights_text,
    take_down_pilots,
)
from launcher.pilot.ledger_copy import copy_age
from launcher.pilot.news import is_handed_over
from launcher.planning.pilot_machine import pilot_machine_in
from tasks.protocol.messages import control
from tasks.stores.folder import FolderStore
from tests.support import sample_plan

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RUN = "reviews-1a2b3c4d"
MACHINE = pilot_machine_in("aws")
FIELDS = (
    "recovery_count",
    "cloud",
    "region",
    "zone",
    "start_at",
    "last_recovered_at",
    "end_at",
    "failure_reason",
    "labels",
)


class ClusterNotUpError(Exception):
    """As SkyPilot's."""


class Sky:
    """SkyPilot's library with managed jobs in a list, and a server that is here or elsewhere."""

    def __init__(self) -> None:
        self.records: list[SimpleNamespace] = []
        self.launched: list[dict[str, Any]] = []
        self.secrets: dict[str, str] = {}
        self.clusters: list[dict[str, str | None]] = []
        self.down = self.take_down
        self.ends_when_cancelled = True
        self.server = "https://ann:secret@sky.example"
        self.jobs = SimpleNamespace(queue_v2=self.queue, launch=self.launch, cancel=self.cancel)
        self.Task = SimpleNamespace(from_yaml_config=self.task)
        self.exceptions = SimpleNamespace(ClusterNotUpError=ClusterNotUpError)

    def task(self, body: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(body=body, update_secrets=self.secrets.update)

    def get(self, request: Any) -> Any:
        return request

    def queue(self, *, name_match: str, **_options: object) -> tuple[list[SimpleNamespace]]:
        return ([one for one in self.records if name_match in one.job_name],)

    def launch(self, task: SimpleNamespace, name: str) -> tuple[list[int], None]:
        self.launched.append(task.body)
        self.add(name, "PENDING")
        return [len(self.records)], None

    def cancel(self, job_ids: list[int]) -> None:
        for number in job_ids:
            self.records[number - 1].status = "CANCELLED" if self.ends_when_cancelled else "CANCELLING"

    def cost_report(self, days: int) -> list[dict[str, str | None]]:
        del days
        return self.clusters

    def take_down(self, cluster: str) -> None:
        self.clusters = [one for one in self.clusters if one["name"] != cluster]

    def add(self, name: str, status: str) -> None:
        rest = dict.fromkeys(FIELDS)
        self.records.append(
            SimpleNamespace(job_id=len(self.records) + 1, job_name=name, status=status, **rest)
        )


def without_password(url: str) -> str:
    return url.replace(":secret@", ":***@")


def is_local(url: str) -> bool:
    return "127.0.0.1" in url


@pytest.fixture
def sky(monkeypatch: pytest.MonkeyPatch) -> Sky:
    found = Sky()
    common = SimpleNamespace(
        get_server_url=lambda: found.server,
        redact_url_password=without_password,
        is_api_server_local=is_local,
    )
    monkeypatch.setitem(sys.modules, "sky", found)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "sky.server.common", common)  # type: ignore[arg-type]
    monkeypatch.setattr(hand_over, "POLL_SECONDS", 0.0)
    return found


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        found.runs.create(RUN, "reviews", "{}", "digest", "s3://bucket/out", NOW)
        yield found


def send(
    ledger: Ledger,
    store: FolderStore,
    folder: Path,
    *,
    secrets: tuple[str, ...] = (),
    notify: str | None = None,
) -> list[str]:
    said: list[str] = []
    hand_over.hand_over(
        ledger,
        store,
        ledger.runs.find(RUN),
        SimpleNamespace(notify=notify),  # type: ignore[arg-type] # all that is asked of the job
        limit=Decimal(5),
        machine=MACHINE,
        secrets=secrets,
        folder=folder,
        say=said.append,
    )
    return said


# --- what it needs


def test_a_plan_of_this_machine_has_nothing_for_a_pilot() -> None:
    with pytest.raises(Problem, match="works on this machine") as refused:
        check_pilot(sample_plan.saved_local(), Decimal(5))
    assert "--on cloud" in str(refused.value.hint)


def test_a_pilot_needs_a_limit(sky: Sky) -> None:
    del sky
    with pytest.raises(ConfirmationNeeded, match="has no limit") as refused:
        check_pilot(sample_plan.saved_steered(), None)
    assert "--max-cost" in str(refused.value.hint)


def test_an_api_server_that_ends_with_the_laptop_is_refused(sky: Sky) -> None:
    sky.server = "http://127.0.0.1:46580"
    with pytest.raises(Problem, match="runs on this machine") as refused:
        check_pilot(sample_plan.saved_steered(), Decimal(5))
    assert "sky api login" in str(refused.value.hint)


def test_what_a_pilot_may_do_is_said_with_its_price_and_the_limit(sky: Sky) -> None:
    del sky
    text = rights_text(RUN, check_pilot(sample_plan.saved_steered(), Decimal(5)), Decimal(5))
    assert "m6i.large in aws, about $0.0960 an hour" in text
    assert "rents and ends machines" in text
    assert "never for more than $5.00 in all" in text
    assert f"embedfleet stop {RUN}" in text


# --- sending it


def test_ledger_and_task_are_sent_and_the_hand_over_is_written_down(
    sky: Sky, ledger: Ledger, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.setenv("HOOK", "https://hook.example/x")
    monkeypatch.setenv("EMBEDFLEET_POLL_SECONDS", "3")
    control.send(store, RUN, "drain", NOW)
    said = send(ledger, store, tmp_path / "run", secrets=("TOKEN",), notify="$HOOK")
    (task,) = sky.launched
    assert task["name"] == f"{RUN}-pilot"
    assert task["envs"]["EMBEDFLEET_MAX_COST"] == "5"
    assert task["envs"]["EMBEDFLEET_POLL_SECONDS"] == "3"
    assert sky.secrets == {"TOKEN": "s3cret", "HOOK": "https://hook.example/x"}
    assert all("secrets" not in body for body in sky.launched)  # or SkyPilot would look for them elsewhere
    assert "s3cret" not in str(task)
    assert copy_age(store, RUN) is not None
    assert control.read_command(store, RUN) == "go"
    assert is_handed_over(ledger, RUN)
    assert "this laptop may close" in said[-2]


def test_a_secret_that_is_not_set_is_refused_before_anything_is_sent(
    sky: Sky, ledger: Ledger, store: FolderStore, tmp_path: Path
) -> None:
    with pytest.raises(Problem, match="NOT_THERE"):
        send(ledger, store, tmp_path / "run", secrets=("NOT_THERE",))
    assert not sky.launched
    assert not is_handed_over(ledger, RUN)


def test_the_code_that_is_sent_is_that_of_this_laptop(ledger: Ledger) -> None:
    job: Job = SimpleNamespace(notify=None)  # type: ignore[assignment]
    spec = pilot_spec(ledger.runs.find(RUN), job, limit=Decimal(5), machine=MACHINE, secrets=())
    for name, folder in spec.code.items():
        assert (Path(folder) / "__init__.py").exists(), name
    assert (Path(spec.code["tasks"]) / "requirements" / "pilot.txt").exists()


def test_a_pilot_that_lives_is_replaced(sky: Sky, ledger: Ledger, store: FolderStore, tmp_path: Path) -> None:
    sky.add(f"{RUN}-pilot", "RUNNING")
    send(ledger, store, tmp_path / "run")
    assert [one.status for one in sky.records] == ["CANCELLED", "PENDING"]


def test_a_run_that_a_launcher_drives_here_is_not_handed_over(
    sky: Sky, ledger: Ledger, store: FolderStore, tmp_path: Path
) -> None:
    with run_lock(tmp_path / "run", RUN), pytest.raises(RunLocked):
        send(ledger, store, tmp_path / "run")
    assert not sky.launched


# --- finding and ending it


def test_only_a_pilot_of_exactly_this_run_is_its_pilot(sky: Sky) -> None:
    for name in (f"{RUN}-pilot-2", f"x-{RUN}-pilot", f"{RUN}-l0m0-0"):
        sky.add(name, "RUNNING")
    sky.add(f"{RUN}-pilot", "FAILED")
    assert living_pilot(RUN) is None
    sky.add(f"{RUN}-pilot", "RECOVERING")
    found = living_pilot(RUN)
    assert found is not None
    assert found.id == 5


def test_a_pilot_that_does_not_end_is_named_with_its_job(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand_over, "END_SECONDS", 0.0)
    sky.ends_when_cancelled = False
    sky.add(f"{RUN}-pilot", "RUNNING")
    with pytest.raises(Problem, match="has not ended") as refused:
        end_pilot(RUN, say=lambda _: None)
    assert "sky jobs cancel 1" in str(refused.value.hint)


def test_machine_of_a_pilot_is_found_and_removed_after_its_job_has_ended(sky: Sky) -> None:
    sky.add(f"{RUN}-pilot", "FAILED")
    sky.add(f"{RUN}-pilot", "RUNNING")
    names = (f"{RUN}-pilot-1", f"{RUN}-pilot-2", f"{RUN}-pilot-3", f"x-{RUN}-pilot-1", f"{RUN}-l0m0-0-1")
    sky.clusters = [{"name": name, "status": "UP"} for name in names]
    sky.clusters.append({"name": f"{RUN}-pilot-1", "status": None})  # gone
    jobs, machines = remaining_pilots(RUN)
    assert jobs == [f"{RUN}-pilot (job 2, RUNNING)"]
    assert machines == [f"{RUN}-pilot-1 (UP)", f"{RUN}-pilot-2 (UP)"]
    take_down_pilots(RUN, say=lambda _: None)
    assert remaining_pilots(RUN) == (jobs, [f"{RUN}-pilot-2 (UP)"])  # its job lives: it ends with the job


def test_without_a_pilot_there_is_nothing_to_end(sky: Sky, ledger: Ledger) -> None:
    del sky
    assert not end_pilot(RUN, say=lambda _: None)
    found: Run = ledger.runs.find(RUN)
    assert not is_handed_over(ledger, found.id)
