"""Rented machines through SkyPilot: one managed job each.

A job's name is the machine's, which we chose; its handle is "id:name". SkyPilot allows two jobs of one name, so this
backend prevents it: a name with a living job gets no second one, and of two that a dying launcher left, the younger is
cancelled.
"""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from launcher.errors import Problem
from launcher.fleet.backends import skypilot_client as client
from launcher.fleet.backends.base import LaunchRequest, MachineStatus
from launcher.fleet.backends.skypilot_errors import one_line
from launcher.fleet.backends.skypilot_status import (
    JobFault,
    ManagedJob,
    last_program_lines,
    machine_status,
    program_lines,
    purchase_kind,
)
from launcher.ledger.records import Site
from tasks import skypilot_task
from tasks.clock import utc
from tasks.protocol.messages import control
from tasks.stores.base import Store

LAUNCH_SETTLE_SECONDS = 120.0  # to wait for launches that a dead launcher left under way on the server
NEW_JOB_SECONDS = 60.0  # a job counts as there for so long after its launch, whether or not it is listed
MAX_MISSED_POLLS = 6  # in a row, before an error of SkyPilot is one of ours
STORE_THREADS = 16  # commands that are written to the store at once
POLL_VARIABLE = "EMBEDFLEET_POLL_SECONDS"


class SkyPilotBackend:
    """The machines of one run. `specs` by number of group."""

    def __init__(
        self, folder: Path, store: Store, run: str, specs: Mapping[int, skypilot_task.TaskSpec]
    ) -> None:
        self.logs = folder.absolute() / "logs"
        self.store = store
        self.run = run
        self.specs = specs
        self.poll_seconds = float(os.environ.get(POLL_VARIABLE, "10"))
        self.settled = False
        self.jobs: dict[int, ManagedJob] = {}
        self.new_jobs: dict[int, tuple[ManagedJob, float]] = {}  # and when each was launched
        self.placed: dict[int, tuple[Site, float]] = {}  # where a machine is launching, and since when
        self.missed_polls = 0  # in a row
        self.examined: set[tuple[int, int]] = set()  # jobs and recoveries with a known reason
        self.faults: dict[int, JobFault] = {}
        self.launching: set[int] = set()  # jobs that were seen to be launching
        self.asked_back: set[int] = set()  # waiting jobs whose events were read
        self.refused: set[int] = set()  # jobs for which no place had a machine, until one comes

    def refresh(self) -> None:
        """Ask SkyPilot once for all jobs of the run."""
        if not self.settled:
            self._await_launches()
            self.settled = True
        try:
            listed = client.list_jobs(self.run)
        except Problem:
            self.missed_polls += 1
            if not self.jobs or self.missed_polls > MAX_MISSED_POLLS:
                raise
            return  # keep the last list: a server that restarts is back in a minute, and machines need none
        self.missed_polls = 0
        now = time.monotonic()
        self.new_jobs = {n: one for n, one in self.new_jobs.items() if now - one[1] < NEW_JOB_SECONDS}
        self.jobs = {n: job for n, (job, _) in self.new_jobs.items()}
        self.jobs |= {job.id: job for job in listed if self._is_ours(job)}
        for job in self.jobs.values():
            if job.status in ("STARTING", "RUNNING") and job.site:
                known = self.placed.get(job.id)
                if known is None or known[0] != job.site:
                    self.placed[job.id] = (job.site, time.time())
        self._examine_recoveries()
        self._examine_refusals()
        self._cancel_duplicates()

    def start(self, requests: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        """Launch a managed job for each; all are submitted before any is waited for."""
        handles: dict[str, str | Exception] = {}
        submitted: dict[str, Any] = {}
        for one in requests:
            known = self.find(one.name)
            if known:
                handles[one.name] = known
                continue
            try:
                submitted[one.name] = self._submit(one)
            except Problem as problem:
                handles[one.name] = problem
                break  # the next would fail too; a request that was not submitted is found missing later
        for name, request in submitted.items():
            try:
                number = client.job_number(request, name)
                handles[name] = f"{number}:{name}"
                job = ManagedJob(id=number, name=name, status="PENDING")
                self.new_jobs[job.id] = (job, time.monotonic())
                self.jobs[job.id] = job
            except Problem as problem:
                handles[name] = problem
        return handles

    def find(self, name: str) -> str | None:
        """The handle of the living job of this name."""
        found = [job.id for job in self.jobs.values() if job.name == name and job.alive]
        return f"{min(found)}:{name}" if found else None

    def list_alive(self) -> dict[str, str]:
        """Handles by name of all living jobs of the run, from whichever launcher."""
        return {job.name: f"{job.id}:{job.name}" for job in self.jobs.values() if job.alive}

    def status(self, handle: str) -> MachineStatus | None:
        """The machine as of the last refresh. A job that was launched since is on its way."""
        number, _, name = handle.partition(":")
        job = self.jobs.get(int(number)) if number.isdigit() else None
        if job is None or job.name != name:
            return None
        group = skypilot_task.group_of(job.name, self.run)
        spec = next((s for s in self.specs.values() if s.group == group), None)
        site = job.site
        purchase = purchase_kind(site.cloud, site.zone, spot=spec.spot) if spec and site else None
        placed = self.placed.get(job.id)
        since = placed[1] if placed and placed[0] == site else None
        return machine_status(job, since, purchase, self.faults.get(job.id), refused=job.id in self.refused)

    def last_status(self, name: str) -> MachineStatus | None:
        """The state of the newest job of this name, as of the last refresh; None: SkyPilot has none."""
        ids = [job.id for job in self.jobs.values() if job.name == name]
        return self.status(f"{max(ids)}:{name}") if ids else None

    def drain(self, handles: Sequence[str]) -> None:
        """Send each machine the command through the store; one that comes up later reads it, too."""

        def send(handle: str) -> None:
            control.drain_machine(self.store, self.run, handle.partition(":")[2], utc())

        with ThreadPoolExecutor(STORE_THREADS) as pool:
            list(pool.map(send, handles))

    def terminate(self, handles: Sequence[str]) -> None:
        """Cancel their jobs."""
        client.cancel_jobs([int(handle.partition(":")[0]) for handle in handles])

    kill = terminate

    def price(self, site: Site, instance_type: str | None) -> Decimal | None:
        """Dollars an hour by SkyPilot's catalog, which has a spot price for each zone; None without the catalog."""
        place = skypilot_task.Place(site.cloud, site.region or "", site.zone, instance_type)
        with suppress(Problem):
            found = client.catalog_price(place, spot=site.purchase == "spot")
            return None if found is None else Decimal(repr(found))
        return None

    def blamed_leases(self, name: str, handle: str, exit_code: int | None) -> Mapping[str, str]:
        """None: the supervisor on the machine reports its workers' crashes itself."""
        del name, handle, exit_code
        return {}

    def log_tail(self, name: str) -> str:
        """The last lines of the machine's programs; all that was fetched is kept in its log."""
        ids = [job.id for job in self.jobs.values() if job.name == name]
        if not ids:
            return ""
        number = max(ids)
        # Of a job that was cancelled while it restarted, only the controller still has the log.
        fault = number in self.faults
        text = program_lines(client.job_log(number, controller=True)) if fault else client.job_log(number)
        if text:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.log_path(name).write_text(text, encoding="utf-8", errors="backslashreplace")
        return "\n".join(last_program_lines(text)) or one_line(self.jobs[number].reason or "")

    def log_path(self, name: str) -> Path:
        """Where the fetched log of a machine is kept."""
        return self.logs / f"{name}.log"

    def clean_up(self, name: str) -> None:
        """Nothing to do: this backend keeps no files of a machine but its log."""

    def task(self, one: LaunchRequest) -> dict[str, Any]:
        """The SkyPilot task of one machine."""
        body = skypilot_task.machine_task(self.specs[one.group], one.name, one.offset, one.places or None)
        body.pop("secrets", None)  # their values go with the request, outside of the task
        return body

    def _is_ours(self, job: ManagedJob) -> bool:
        return skypilot_task.group_of(job.name, self.run) is not None

    def _submit(self, one: LaunchRequest) -> Any:
        """Ask SkyPilot for a managed job, and return its request without waiting for it.

        The task is made before the call: an error of ours in it is not one of SkyPilot's.
        """
        secrets = {name: secret_value(name) for name in self.specs[one.group].secrets}
        return client.launch_job(self.task(one), one.name, secrets)

    def _await_launches(self) -> None:
        """Wait while a launch of an earlier launcher is still under way on the server: its job would be missed."""
        end = time.monotonic() + LAUNCH_SETTLE_SECONDS
        while time.monotonic() < end and client.launches_under_way():
            time.sleep(1)

    def _examine_recoveries(self) -> None:
        """Ask why jobs recover: SkyPilot says "recovering" of preempted machines and of failed programs.

        A server that is too old to say leaves it at preempted.
        """
        recovering = [job for job in self.jobs.values() if job.status == "RECOVERING"]
        new = [job for job in recovering if (job.id, job.recoveries) not in self.examined]
        found: dict[int, JobFault | None] = {}
        with suppress(Problem):
            found = client.job_faults([job.id for job in new])
        self.examined |= {(job.id, job.recoveries) for job in new}
        self.faults |= {number: fault for number, fault in found.items() if fault}

    def _examine_refusals(self) -> None:
        """Find waiting jobs that no place had a machine for: SkyPilot sets them back from STARTING to PENDING.

        Of a job that was never seen launching, because this launcher is younger than it, the events say so. They also
        tell a refusal from a queue. Where they cannot be read, a job that was set back counts as refused.
        """
        self.launching |= {job.id for job in self.jobs.values() if job.status == "STARTING"}
        self.refused &= {job.id for job in self.jobs.values() if job.status in ("PENDING", "STARTING")}
        waiting = [job.id for job in self.jobs.values() if job.status == "PENDING" and not job.started]
        back = [number for number in waiting if number in self.launching and number not in self.refused]
        unknown = [n for n in waiting if n not in self.launching | self.asked_back | self.new_jobs.keys()]
        self.asked_back |= set(unknown)
        found = set(back)
        if back or unknown:
            with suppress(Problem):
                found = client.refused_jobs([*back, *unknown])
        self.refused |= found
        self.launching -= set(back)  # set back for another reason: its next launch is another question

    def _cancel_duplicates(self) -> None:
        """Cancel the newer of two living jobs of one name."""
        first: dict[str, int] = {}
        duplicates: list[int] = []
        for job in sorted((j for j in self.jobs.values() if j.alive), key=lambda job: job.id):
            if job.name in first and job.status != "CANCELLING":
                duplicates.append(job.id)
            first.setdefault(job.name, job.id)
        client.cancel_jobs(duplicates)


def secret_value(name: str) -> str:
    """The value of a secret, from this environment.

    Raises:
        Problem: it is not set.
    """
    value = os.environ.get(name)
    if value is None:
        raise Problem(
            f"the secret {name} is not in this environment", hint=f"export {name}=…, then the same again"
        )
    return value
