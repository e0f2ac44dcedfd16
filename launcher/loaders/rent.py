"""Start rented loaders, watch what they do and cost, and end them when the load is complete or its money is spent."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.errors import BudgetReached, Interrupted, Problem
from launcher.fleet.backends import skypilot_client as client
from launcher.fleet.backends.skypilot import secret_value
from launcher.fleet.backends.skypilot_status import ManagedJob
from launcher.format import money, plural
from launcher.loaders.task import LoaderSpec, loader_name, loader_task
from launcher.loading.documents import LoaderUse, RentedLoadDocument
from launcher.money import SECONDS_PER_HOUR, USD_GRAIN, decimal_of_float

POLL_SECONDS = 10.0
END_SECONDS = 900.0  # for SkyPilot to take machines down
SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True, slots=True)
class Bill:
    """What the loaders may cost, and what a machine costs an hour; None: unknown, and then nothing is held."""

    most: Decimal
    usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True)
class Clock:
    """The time in seconds since 1970, and how it is waited for."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


SYSTEM_CLOCK = Clock()


def rent_loaders(
    spec: LoaderSpec, loaders: int, bill: Bill, say: Callable[[str], None], clock: Clock = SYSTEM_CLOCK
) -> RentedLoadDocument:
    """Load by so many rented machines; returns when the store holds the run and no machine is left.

    Raises:
        BudgetReached: they cost what they may; the same command goes on.
        Interrupted: Ctrl-C; the machines are ended.
        Problem: no loader could end the load.
    """
    names = [loader_name(spec.run, spec.load, number) for number in range(loaders)]
    asked = clock.now()
    values = {name: secret_value(name) for name in (*spec.secrets, *([spec.secret] if spec.secret else []))}
    try:
        requests = [
            client.launch_job(loader_task(spec, number), name, values) for number, name in enumerate(names)
        ]
        numbers = [client.job_number(request, name) for request, name in zip(requests, names, strict=True)]
        say(
            f"{plural(loaders, 'loader')} asked for: {spec.machine}, managed jobs {', '.join(map(str, numbers))}"
        )
        jobs = _watch(names, bill, asked, say, clock)
    except KeyboardInterrupt:
        _end(names, say, clock)
        raise Interrupted(
            f"the loaders of run {spec.run} are ended, and the load is not complete",
            hint="the same command goes on with it: files that are loaded are not loaded again",
        ) from None
    except BaseException:
        _end(names, say, clock)
        raise
    _end(names, say, clock)
    jobs = _jobs(names) or jobs
    found = _document(spec, jobs, bill, clock.now())
    if not found.complete:
        reason = next((job.reason for job in jobs if job.reason), None) or "see their logs"
        raise Problem(
            f"no loader of run {spec.run} could end the load: {reason}",
            hint=f"sky jobs logs {jobs[0].id if jobs else 'JOB'} shows why; the same command goes on",
        )
    return found


def _watch(
    names: Sequence[str], bill: Bill, asked: float, say: Callable[[str], None], clock: Clock
) -> list[ManagedJob]:
    """Wait until a loader has seen the load complete, or all have ended. `asked`: when the machines were asked for."""
    said: dict[int, str] = {}
    while True:
        jobs = _jobs(names)
        for job in jobs:
            if said.get(job.id) != job.status:
                said[job.id] = job.status
                say(f"{job.name}: {job.status.lower()}")
        if any(job.status == SUCCEEDED for job in jobs) or not any(job.alive for job in jobs):
            return jobs
        spent = _at_most(jobs, bill, asked, clock.now())
        if spent is not None and spent >= bill.most:
            raise BudgetReached(
                f"the loaders have cost up to {money(spent)}, and may cost {money(bill.most)}: they are ended",
                hint="the same command with a higher --max-cost goes on: files that are loaded are not loaded again",
            )
        clock.sleep(POLL_SECONDS)


def _end(names: Sequence[str], say: Callable[[str], None], clock: Clock) -> None:
    """Cancel what lives, and wait until SkyPilot has taken the machines down.

    Raises:
        Problem: machines are left after `END_SECONDS`.
    """
    alive = [job.id for job in _jobs(names) if job.alive]
    if alive:
        say(f"ending {plural(len(alive), 'loader')}")
        client.cancel_jobs(alive)
    end = time.monotonic() + END_SECONDS
    while left := [job.id for job in _jobs(names) if job.alive]:
        if time.monotonic() > end:
            raise Problem(
                f"managed jobs {', '.join(map(str, left))} have not ended after {END_SECONDS:.0f} s",
                hint=f"sky jobs cancel {' '.join(map(str, left))}",
            )
        clock.sleep(min(POLL_SECONDS, 3.0))


def _jobs(names: Sequence[str]) -> list[ManagedJob]:
    """The newest managed job of each name."""
    return [found[-1] for name in names if (found := client.jobs_called(name))]


def _hours(job: ManagedJob, now: float) -> float | None:
    """Hours that a job's machine has cost money: from its start to the job's end, or to now."""
    if job.started is None:
        return None
    return max(0.0, (job.ended or now) - job.started) / SECONDS_PER_HOUR


def _total(jobs: Sequence[ManagedJob], bill: Bill, now: float) -> Decimal | None:
    if bill.usd_per_hour is None:
        return None
    hours = sum(_hours(job, now) or 0.0 for job in jobs)
    return (bill.usd_per_hour * decimal_of_float(hours)).quantize(USD_GRAIN)


def _at_most(jobs: Sequence[ManagedJob], bill: Bill, asked: float, now: float) -> Decimal | None:
    """What the machines can have cost: SkyPilot does not say when one was there, so all time since the ask counts."""
    if bill.usd_per_hour is None:
        return None
    begins = [asked if job.started is None else min(asked, job.started) for job in jobs]
    seconds = sum(max(0.0, (job.ended or now) - begin) for job, begin in zip(jobs, begins, strict=True))
    return (bill.usd_per_hour * decimal_of_float(seconds / SECONDS_PER_HOUR)).quantize(USD_GRAIN)


def _document(spec: LoaderSpec, jobs: Sequence[ManagedJob], bill: Bill, now: float) -> RentedLoadDocument:
    return RentedLoadDocument(
        run=spec.run,
        output=spec.output,
        to=spec.to,
        machine=str(spec.machine),
        loaders=tuple(
            LoaderUse(
                job=job.id,
                status=job.status,
                recoveries=job.recoveries,
                hours=_hours(job, now),
                usd=_total([job], bill, now) if job.started is not None else None,
            )
            for job in jobs
        ),
        hours=sum(_hours(job, now) or 0.0 for job in jobs),
        usd=_total(jobs, bill, now),
        complete=any(job.status == SUCCEEDED for job in jobs),
    )
