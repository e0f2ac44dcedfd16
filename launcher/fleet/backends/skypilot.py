"""Rented machines through SkyPilot: one managed job each. The only file that imports `sky`, and only once it is needed.

A job's name is the machine's, which we chose; its handle is "id:name". SkyPilot keeps no two jobs of a name apart, so
this does: a name that has a job gets no second, and of two that a dying launcher left, the younger is cancelled.
"""

import importlib
import io
import json
import logging
import os
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from launcher.errors import Problem
from launcher.fleet.backends.base import LaunchRequest, MachineStatus
from launcher.fleet.backends.skypilot_status import (
    JobFault,
    ManagedJob,
    explain_error,
    last_program_lines,
    machine_status,
    one_line,
    parse_fault,
    program_lines,
    purchase_kind,
)
from launcher.ledger.records import Site
from tasks import skypilot_task
from tasks.clock import utc
from tasks.protocol import control
from tasks.stores.base import Store

# What is read of a job: little, for the list of a fleet is long and asked for often.
JOB_FIELDS = (
    "job_id", "job_name", "status", "recovery_count", "cloud", "region", "zone", "start_at", "last_recovered_at",
    "end_at", "failure_reason", "labels",
)  # fmt: skip
LAUNCH_SETTLE_SECONDS = 120.0  # seconds to wait for launches that a dead launcher left under way
NEW_JOB_SECONDS = 60.0  # seconds that a job was launched, whether or not it is listed
MAX_MISSED_POLLS = 6  # looks in a row that may go unanswered
LOG_LINES = 200  # of a log that is fetched to find the last words in

INSTALL_HINT = "pip install 'embedfleet[cloud]' in an environment of its own, or `make cloud` in a checkout"


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """SkyPilot gives Python's root logger a handler at INFO: every library would write on our stderr from then on."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def load_sky() -> Any:
    """SkyPilot's library.

    Raises:
        Problem: it is not installed here.
    """
    try:
        with _quiet():
            return importlib.import_module("sky")
    except ImportError as error:
        raise Problem(
            f"renting machines needs SkyPilot, which is not installed here ({error})", hint=INSTALL_HINT
        ) from error


def call_sky(doing: str, question: Callable[[Any], Any]) -> Any:
    """Ask SkyPilot something, and say its errors as ours."""
    sky = load_sky()
    try:
        # It prints what it does; our stdout is for data.
        with _quiet(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return question(sky)
    except (Problem, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it raises is mapped; a bug of ours is not in there
        _explain(error, doing)


def _explain(error: Exception, doing: str) -> NoReturn:
    raise explain_error(error, doing) from error


def list_jobs(name: str) -> list[ManagedJob]:
    """All managed jobs whose name contains this, ended ones too: one question, whatever their number.

    A controller that sleeps is woken: "no answer" must never be taken for "no jobs", or machines would be started twice.
    """

    def question(sky: Any) -> Any:
        for refresh in (False, True):
            try:
                request = sky.jobs.queue_v2(refresh=refresh, name_match=name, fields=list(JOB_FIELDS))
                return sky.get(request)[0]
            except sky.exceptions.ClusterNotUpError as error:
                if error.cluster_status is None:  # there never was a controller
                    return []
                if refresh:
                    raise
        raise AssertionError

    return [_job(record) for record in call_sky("listing managed jobs", question)]


def cancel_jobs(ids: Sequence[int]) -> None:
    """Cancel managed jobs; SkyPilot then takes their machines down."""
    if ids:
        call_sky("cancelling managed jobs", lambda sky: sky.get(sky.jobs.cancel(job_ids=list(ids))))


def job_faults(ids: Sequence[int]) -> dict[int, JobFault | None]:
    """Why these jobs are recovering: a fault of theirs, or None where a place took the machine away.

    SkyPilot's library has no call for a job's events; its server has, for its own web page.
    """

    def question(sky: Any) -> dict[int, JobFault | None]:
        bodies = importlib.import_module("sky.server.requests.payloads")
        common = importlib.import_module("sky.server.common")
        requests: dict[int, Any] = {}
        for number in ids:
            body = json.loads(bodies.GetJobEventsBody(job_id=number).model_dump_json())
            requests[number] = common.get_request_id(
                common.make_authenticated_request("POST", "/jobs/events", json=body)
            )
        return {number: _fault(sky.get(request)) for number, request in requests.items()}

    found: dict[int, JobFault | None] = call_sky("asking why managed jobs recover", question) if ids else {}
    return found


def _fault(events: Sequence[Mapping[str, Any]]) -> JobFault | None:
    """By the latest event of recovery; they come latest first."""
    for event in events:
        if str(getattr(event["new_status"], "value", event["new_status"])).endswith("RECOVERING"):
            return parse_fault(event["code"], event["reason"])
    return None


def list_clusters(name: str) -> list[tuple[str, str]]:
    """Machines, by name and status, whose name begins so and that SkyPilot believes to be there."""

    def question(sky: Any) -> Any:
        return sky.get(sky.cost_report(days=30))

    found: list[tuple[str, str]] = []
    for record in call_sky("listing machines", question):
        status = record.get("status")
        if status is not None and str(record["name"]).startswith(name):
            found.append((str(record["name"]), str(getattr(status, "value", status))))
    return found


def down_cluster(cluster: str) -> None:
    """Take a machine down that no job holds any more."""
    call_sky(f"taking {cluster} down", lambda sky: sky.get(sky.down(cluster)))


def enabled_clouds(needed: Sequence[str] = ()) -> list[str]:
    """The clouds that SkyPilot may use, by our names.

    Its server remembers them of its last check: those that are `needed` and not among them are checked again.
    """

    def remembered(sky: Any) -> set[str]:
        return {str(cloud).lower() for cloud in sky.get(sky.client.sdk.enabled_clouds())}

    def question(sky: Any) -> set[str]:
        found = remembered(sky)
        missing = sorted(set(needed) - found)
        if missing:
            sky.get(sky.client.sdk.check(tuple(missing), verbose=False))
            found = remembered(sky)
        return found

    return sorted(call_sky("asking for enabled clouds", question))


def server_health() -> dict[str, str]:
    """The server's status and version, and this library's. Starts no server.

    Raises:
        Problem: none answers.
    """

    def question(sky: Any) -> dict[str, str]:
        info = sky.api_info()
        return {
            "status": str(getattr(info.status, "value", info.status)),
            "server": info.version,
            "client": sky.__version__,
            "url": sky.server.common.get_server_url(),
        }

    found: dict[str, str] = call_sky("asking SkyPilot's API server how it is", question)
    return found


def catalog_price(place: skypilot_task.Place, *, spot: bool) -> float | None:
    """Dollars an hour of this machine by SkyPilot's own catalog; None where it has none."""

    def question(_sky: Any) -> float | None:
        catalog = importlib.import_module("sky.catalog")
        with suppress(ValueError, KeyError):
            return float(
                catalog.get_hourly_cost(
                    place.instance_type, spot, place.region, place.zone, clouds=place.cloud
                )
            )
        return None

    if place.instance_type is None:
        return None
    return call_sky("looking a price up", question)  # type: ignore[no-any-return]


class SkyPilotBackend:
    """The machines of one run. `recipes` by number of lot."""

    def __init__(
        self, folder: Path, store: Store, run: str, recipes: Mapping[int, skypilot_task.Recipe]
    ) -> None:
        self.logs = folder.absolute() / "logs"
        self.store = store
        self.run = run
        self.recipes = recipes
        self.poll_seconds = float(os.environ.get("EMBEDFLEET_POLL_SECONDS", "10"))
        self.jobs: dict[int, ManagedJob] = {}
        self.placed: dict[
            int, tuple[Any, float]
        ] = {}  # where a job's machine was on its way to first, and when
        self.settled = False
        self.fresh: dict[
            int, tuple[ManagedJob, float]
        ] = {}  # launched just now: a list made before does not hold them
        self.missed = 0  # looks in a row that nobody answered
        self.asked: set[tuple[int, int]] = set()  # jobs and their lives of which it is known why they recover
        self.faults: dict[int, JobFault] = {}

    def refresh(self) -> None:
        """One question for all jobs of the run."""
        if not self.settled:
            self._settle()
            self.settled = True
        try:
            found = list_jobs(skypilot_task.prefix(self.run))
        except Problem:
            self.missed += 1
            if not self.jobs or self.missed > MAX_MISSED_POLLS:
                raise
            return  # as it was: a server that restarts is back in a minute, and machines do not wait for it
        self.missed = 0
        self.fresh = {
            n: (j, at) for n, (j, at) in self.fresh.items() if time.monotonic() - at < NEW_JOB_SECONDS
        }
        self.jobs = {n: job for n, (job, _) in self.fresh.items()} | {j.id: j for j in found if self._ours(j)}
        for job in self.jobs.values():
            if (
                job.status in ("STARTING", "RUNNING")
                and job.site
                and self.placed.get(job.id, (None,))[0] != job.site
            ):
                self.placed[job.id] = (job.site, time.time())
        self._examine()
        self._part_twins()

    def start(self, asks: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        """A managed job for each; all are submitted before any is waited for."""
        handles: dict[str, str | Exception] = {}
        requests: dict[str, Any] = {}
        for one in asks:
            known = self.find(one.name)
            if known:
                handles[one.name] = known
                continue
            try:
                requests[one.name] = call_sky(
                    f"launching {one.name}", lambda sky, one=one: self._submit(sky, one)
                )
            except Problem as problem:
                handles[one.name] = problem
                break  # the next would fare no better; what was not submitted is found missing and forgotten
        for name, request in requests.items():
            try:
                ids, _ = call_sky(f"launching {name}", lambda sky, request=request: sky.get(request))
                handles[name] = f"{ids[0]}:{name}"
                job = ManagedJob(ids[0], name, "PENDING", 0, None, None, None, None, None, None, None, None)
                self.fresh[job.id] = (job, time.monotonic())
                self.jobs[job.id] = job
            except Problem as problem:
                handles[name] = problem
        return handles

    def find(self, name: str) -> str | None:
        """The handle of the living job of this name."""
        found = [job.id for job in self.jobs.values() if job.name == name and job.alive]
        return f"{min(found)}:{name}" if found else None

    def list_alive(self) -> dict[str, str]:
        """All living jobs of the run, whoever launched them."""
        return {job.name: f"{job.id}:{job.name}" for job in self.jobs.values() if job.alive}

    def status(self, handle: str) -> MachineStatus | None:
        """As of the last look. A job that was launched since is on its way."""
        number = handle.partition(":")[0]
        job = self.jobs.get(int(number)) if number.isdigit() else None
        if job is None or job.name != handle.partition(":")[2]:
            return None
        recipe = next(
            (
                r
                for r in self.recipes.values()
                if job.name.startswith(f"{skypilot_task.prefix(self.run)}-l{r.lot}m")
            ),
            None,
        )
        site = job.site
        purchase = purchase_kind(site.cloud, site.zone, spot=recipe.spot) if recipe and site else None
        placed = self.placed.get(job.id)
        coming = placed[1] if placed and placed[0] == site else None
        return machine_status(job, coming, purchase, self.faults.get(job.id))

    def drain(self, handles: Sequence[str]) -> None:
        """All machines of the run are told through the store, those to come too."""
        if handles:
            control.send(self.store, self.run, "drain", utc())

    def terminate(self, handles: Sequence[str]) -> None:
        """Cancel their jobs."""
        cancel_jobs([int(handle.partition(":")[0]) for handle in handles])

    kill = terminate

    def price(self, site: Site, instance_type: str | None) -> Decimal | None:
        """By SkyPilot's catalog, which has a price of spot for each zone. Without the catalog the plan's must do."""
        place = skypilot_task.Place(site.cloud, site.region or "", site.zone, instance_type)
        with suppress(Problem):
            found = catalog_price(place, spot=site.purchase == "spot")
            return None if found is None else Decimal(repr(found))
        return None

    def blamed_leases(self, name: str, handle: str, code: int | None) -> Collection[str]:
        """The supervisor on the machine tells of its workers' crashes by itself."""
        del name, handle, code
        return ()

    def log_tail(self, name: str) -> str:
        """The end of what the machine said; all that was fetched is kept in its log."""
        ids = [job.id for job in self.jobs.values() if job.name == name]
        if not ids:
            return ""
        number = max(ids)
        # Of a job that was cancelled while it started again, only the controller still has what was said.
        text = program_lines(_log_of(number, controller=True)) if number in self.faults else _log_of(number)
        if text:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.log_path(name).write_text(text, encoding="utf-8", errors="backslashreplace")
        return "\n".join(last_program_lines(text)) or one_line(self.jobs[number].reason or "")

    def log_path(self, name: str) -> Path:
        """Where what was fetched of its log is kept."""
        return self.logs / f"{name}.log"

    def clean_up(self, name: str) -> None:
        """SkyPilot keeps its own books."""

    def _ours(self, job: ManagedJob) -> bool:
        return job.name.startswith(f"{skypilot_task.prefix(self.run)}-l")

    def _submit(self, sky: Any, one: LaunchRequest) -> Any:
        recipe = self.recipes[one.lot]
        task = sky.Task.from_yaml_config(self.task(one))
        if recipe.secrets:
            task.update_secrets({name: _secret(name) for name in recipe.secrets})
        return sky.jobs.launch(task, name=one.name)

    def task(self, one: LaunchRequest) -> dict[str, Any]:
        """What is asked of SkyPilot for one machine."""
        body = skypilot_task.task(self.recipes[one.lot], one.name, one.offset, one.places or None)
        body.pop("secrets", None)  # their values go with the request, beside the task
        return body

    def _settle(self) -> None:
        """Wait until no launch of a launcher that died is still under way on the server: its job would be missed."""

        def waiting(sky: Any) -> bool:
            requests = sky.api_status(all_status=False, fields=["request_id", "name", "status"])
            return any(str(r.name).endswith("jobs.launch") for r in requests)

        end = time.monotonic() + LAUNCH_SETTLE_SECONDS
        while time.monotonic() < end and call_sky("asking what SkyPilot is at", waiting):
            time.sleep(1)

    def _examine(self) -> None:
        """SkyPilot says "recovering" of machines that were taken away and of programs that failed: ask which it was.

        A server too old to tell leaves the first to be believed.
        """
        new = [
            job
            for job in self.jobs.values()
            if job.status == "RECOVERING" and (job.id, job.recoveries) not in self.asked
        ]
        found: dict[int, JobFault | None] = {}
        with suppress(Problem):
            found = job_faults([job.id for job in new])
        self.asked |= {(job.id, job.recoveries) for job in new}
        self.faults |= {number: fault for number, fault in found.items() if fault}

    def _part_twins(self) -> None:
        """Of two living jobs of one name, the older stays."""
        first: dict[str, int] = {}
        twins: list[int] = []
        for job in sorted((j for j in self.jobs.values() if j.alive), key=lambda job: job.id):
            if job.name in first and job.status != "CANCELLING":
                twins.append(job.id)
            first.setdefault(job.name, job.id)
        cancel_jobs(twins)


def _log_of(number: int, *, controller: bool = False) -> str:
    """The end of what a managed job said, or its controller; empty where nobody has it."""
    text = io.StringIO()
    with suppress(Problem):
        call_sky(
            f"reading the log of job {number}",
            lambda sky: sky.jobs.tail_logs(
                job_id=number, follow=False, controller=controller, tail=LOG_LINES, output_stream=text
            ),
        )
    return text.getvalue()


def _secret(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise Problem(
            f"the secret {name} is not in this environment", hint=f"export {name}=…, then the same again"
        )
    return value


def _job(record: Any) -> ManagedJob:
    labels: Mapping[str, str] = record.labels or {}
    return ManagedJob(
        id=int(record.job_id),
        name=str(record.job_name),
        status=str(getattr(record.status, "value", record.status)),
        recoveries=int(record.recovery_count or 0),
        cloud=record.cloud,
        region=record.region,
        zone=record.zone,
        started=record.start_at,
        recovered=record.last_recovered_at,
        ended=record.end_at,
        reason=record.failure_reason,
        run=labels.get(skypilot_task.RUN_LABEL),
    )
