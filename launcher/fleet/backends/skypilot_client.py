"""Calls to SkyPilot's library: jobs, clusters, clouds, catalog. The only file that imports `sky`, and only on use."""

import importlib
import io
import json
import logging
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, NoReturn

from launcher.errors import Problem
from launcher.fleet.backends.skypilot_errors import explain_error
from launcher.fleet.backends.skypilot_status import (
    JobFault,
    ManagedJob,
    parse_fault,
    was_refused,
)
from tasks import skypilot_task
from tasks.protocol.documents import convert, plain

# Few fields, since the list of a fleet is long and read often.
JOB_FIELDS = (
    "job_id", "job_name", "status", "recovery_count", "cloud", "region", "zone", "start_at", "last_recovered_at",
    "end_at", "failure_reason", "labels",
)  # fmt: skip
LOG_LINES = 200  # of a job's log, to find the last lines of its programs in

INSTALL_HINT = "pip install 'embedfleet[cloud]' in an environment of its own, or `make cloud` in a checkout"


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Undo what `sky` does to Python's root logger: with its handler at INFO every library would write to our stderr."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def load_sky() -> Any:
    """Import SkyPilot's library.

    Raises:
        Problem: it is not installed here.
    """
    try:
        # Its logger keeps the stdout that it finds when it is imported, and writes there whatever is redirected later.
        with _quiet(), redirect_stdout(_Nowhere()):
            return importlib.import_module("sky")
    except ImportError as error:
        raise Problem(
            f"renting machines needs SkyPilot, which is not installed here ({error})", hint=INSTALL_HINT
        ) from error


def call_sky(doing: str, question: Callable[[Any], Any]) -> Any:
    """Call SkyPilot. `doing` names the call in messages; `question` calls SkyPilot and reads its answer, no more.

    Raises:
        Problem: any error of SkyPilot, in words for a user.
    """
    sky = load_sky()
    try:
        # SkyPilot prints progress to stdout, which is for our data
        with _quiet(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return question(sky)
    except Problem:
        raise
    except Exception as error:  # noqa: BLE001 - SkyPilot also raises errors of its libraries; all become a Problem
        _explain(error, doing)


def _explain(error: Exception, doing: str) -> NoReturn:
    raise explain_error(error, doing) from error


def list_jobs(run: str) -> list[ManagedJob]:
    """List all managed jobs of a run's machines, ended ones too, in one call."""
    found = _jobs_named(skypilot_task.machine_prefix(run))
    return [job for job in found if skypilot_task.group_of(job.name, run) is not None]


def jobs_called(name: str) -> list[ManagedJob]:
    """List the managed jobs of exactly this name, ended ones too, the oldest first."""
    return sorted((job for job in _jobs_named(name) if job.name == name), key=lambda job: job.id)


def _jobs_named(part: str) -> list[ManagedJob]:
    """The managed jobs whose name contains this; callers compare whole names.

    Of all users: on a server that several use, a colleague or a service account may have started machines of the run.

    A controller that sleeps is woken: "no answer" must never be read as "no jobs", or machines would be started twice.
    """

    def question(sky: Any) -> Any:
        for refresh in (False, True):
            try:
                request = sky.jobs.queue_v2(
                    refresh=refresh, name_match=part, all_users=True, fields=list(JOB_FIELDS)
                )
                return sky.get(request)[0]
            except sky.exceptions.ClusterNotUpError as error:
                if error.cluster_status is None:  # there never was a controller
                    return []
                if refresh:
                    raise
        raise AssertionError

    return jobs_of(call_sky("listing managed jobs", question))


def launch_job(body: Mapping[str, Any], name: str, secrets: Mapping[str, str]) -> Any:
    """Ask for a managed job, and return the request without waiting for it. The values of secrets stay out of `body`."""

    def launch(sky: Any) -> Any:
        # A secret without a value is one that SkyPilot looks up with a provider, and then no update gives it a value.
        task = sky.Task.from_yaml_config({key: part for key, part in body.items() if key != "secrets"})
        if secrets:
            task.update_secrets(dict(secrets))
        return sky.jobs.launch(task, name=name)

    return call_sky(f"launching {name}", launch)


def job_number(request: Any, name: str) -> int:
    """Wait for the request of a managed job, and return the job's number."""
    ids, _ = call_sky(f"launching {name}", lambda sky: sky.get(request))
    return int(ids[0])


def api_server() -> tuple[str, bool]:
    """The address of SkyPilot's API server without a password in it, and whether it runs on this machine."""

    def question(sky: Any) -> tuple[str, bool]:
        common = importlib.import_module("sky.server.common")
        del sky
        url = common.get_server_url()
        return str(common.redact_url_password(url)), bool(common.is_api_server_local(url))

    found: tuple[str, bool] = call_sky("asking for SkyPilot's API server", question)
    return found


def jobs_of(records: Iterable[Any]) -> list[ManagedJob]:
    """The managed jobs of SkyPilot's answer.

    Raises:
        Problem: a record lacks a field, or one is of another type. A job that is left out would be started again.
    """
    try:
        return [convert(plain(_job(record)), ManagedJob, "a managed job") for record in records]
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise Problem(
            f"SkyPilot's list of managed jobs cannot be read: {error}",
            hint="install a version of SkyPilot that this version of embedfleet knows",
        ) from error


def cancel_jobs(ids: Sequence[int]) -> None:
    """Cancel managed jobs; SkyPilot then takes their machines down."""
    if ids:
        call_sky("cancelling managed jobs", lambda sky: sky.get(sky.jobs.cancel(job_ids=list(ids))))


def job_faults(ids: Sequence[int]) -> dict[int, JobFault | None]:
    """Why these jobs are recovering: a fault of their own, or None for a preemption."""
    return {number: _fault(events) for number, events in _job_events(ids).items()}


def refused_jobs(ids: Sequence[int]) -> set[int]:
    """The waiting jobs among `ids` for which no place had a machine."""
    found = _job_events(ids)
    return {
        number
        for number, events in found.items()
        if was_refused([(_new_status(event), str(event["reason"] or "")) for event in events])
    }


def _job_events(ids: Sequence[int]) -> dict[int, Sequence[Mapping[str, Any]]]:
    """The events of jobs, each job's latest first.

    SkyPilot's library has no call for a job's events; its server has, for its own web page.
    """

    def question(sky: Any) -> dict[int, Sequence[Mapping[str, Any]]]:
        bodies = importlib.import_module("sky.server.requests.payloads")
        common = importlib.import_module("sky.server.common")
        requests: dict[int, Any] = {}
        for number in ids:
            body = json.loads(bodies.GetJobEventsBody(job_id=number).model_dump_json())
            requests[number] = common.get_request_id(
                common.make_authenticated_request("POST", "/jobs/events", json=body)
            )
        return {number: sky.get(request) for number, request in requests.items()}

    found: dict[int, Sequence[Mapping[str, Any]]] = (
        call_sky("asking what happened to managed jobs", question) if ids else {}
    )
    return found


def _fault(events: Sequence[Mapping[str, Any]]) -> JobFault | None:
    """The fault of the latest recovery; events come latest first."""
    for event in events:
        if _new_status(event) == "RECOVERING":
            return parse_fault(event["code"], event["reason"])
    return None


def _new_status(event: Mapping[str, Any]) -> str:
    found = event["new_status"]
    return str(getattr(found, "value", found)).rpartition(".")[2]


def list_clusters(run: str, jobs: Sequence[ManagedJob]) -> list[tuple[str, str]]:
    """List the clusters of a run that SkyPilot holds as existing, by name and status. `jobs`: all jobs of the run."""
    names = {job.id: job.name for job in jobs}
    return _clusters(lambda cluster: skypilot_task.is_cluster_of(cluster, run, names))


def clusters_of_jobs(jobs: Sequence[ManagedJob]) -> list[tuple[str, str]]:
    """List the clusters of these managed jobs that SkyPilot holds as existing, by name and status."""
    names = {job.id: job.name for job in jobs}
    return _clusters(lambda cluster: skypilot_task.is_cluster_of_job(cluster, names)) if names else []


def _clusters(belongs: Callable[[str], bool]) -> list[tuple[str, str]]:
    def question(sky: Any) -> Any:
        return sky.get(sky.cost_report(days=30))

    found: list[tuple[str, str]] = []
    for record in call_sky("listing machines", question):
        status = record.get("status")
        if status is not None and belongs(str(record["name"])):
            found.append((str(record["name"]), str(getattr(status, "value", status))))
    return found


def down_cluster(cluster: str) -> None:
    """Take a cluster down that no job holds any more."""
    call_sky(f"taking {cluster} down", lambda sky: sky.get(sky.down(cluster)))


def enabled_clouds(needed: Sequence[str] = ()) -> list[str]:
    """The clouds that SkyPilot may use, by our names.

    Its server remembers the result of its last check: clouds that are `needed` and not among them are checked again.
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
    """Status and version of the API server, and the version of this library. Starts no server.

    Raises:
        Problem: no server answers.
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
    """Dollars an hour of a machine in this place by SkyPilot's own catalog; None where it has no price."""

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


def job_log(number: int, *, controller: bool = False) -> str:
    """The end of the log of a managed job, or of its controller; empty where there is none."""
    text = io.StringIO()
    with suppress(Problem):
        call_sky(
            f"reading the log of job {number}",
            lambda sky: sky.jobs.tail_logs(
                job_id=number, follow=False, controller=controller, tail=LOG_LINES, output_stream=text
            ),
        )
    return text.getvalue()


def launches_under_way() -> bool:
    """Whether the server is still carrying out a request to launch a managed job."""

    def question(sky: Any) -> bool:
        requests = sky.api_status(all_status=False, fields=["request_id", "name", "status"])
        return any(str(r.name).endswith("jobs.launch") for r in requests)

    found: bool = call_sky("asking what SkyPilot is at", question)
    return found


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
