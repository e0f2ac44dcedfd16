"""SkyPilot's managed jobs as machines, its errors as problems, its logs as the last lines of programs."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests

from launcher.fleet.backends.skypilot_errors import ERROR_KINDS, HINTS, ErrorKind, explain_error
from launcher.fleet.backends.skypilot_status import (
    END_OF_STATUS,
    PHASE_OF_STATUS,
    USER_JOB_FAILURE,
    JobFault,
    ManagedJob,
    last_program_lines,
    machine_status,
    parse_fault,
    program_lines,
    purchase_kind,
)
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState, Site
from tests.support.clusters.skyhome import free_port

JOB = ManagedJob(
    7, "run-l0m0-0", "RUNNING", 0, "AWS", "us-east-1", "us-east-1b", 1_000.0, 1_000.0, None, None, "run"
)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_status_means_alive_or_ended_not_both() -> None:
    assert not set(PHASE_OF_STATUS) & set(END_OF_STATUS)


def test_running_job_is_up_since_it_was_ready() -> None:
    machine = machine_status(JOB, None, "spot")
    assert (machine.phase, machine.life, machine.up) == (Phase.RUNNING, 0, at(1_000))
    assert machine.site == Site("aws", "us-east-1", "us-east-1b", "spot")


def test_machine_costs_from_when_it_was_seen_launching() -> None:
    assert machine_status(JOB, 940.0, "spot").up == at(940)
    assert machine_status(JOB, 1_060.0, "spot").up == at(1_000)


def test_starting_machine_is_not_up() -> None:
    job = replace(JOB, status="STARTING", started=None, recovered=None)
    assert machine_status(job, 900.0, "spot").phase == Phase.WAITING
    assert machine_status(job, 900.0, "spot").up is None
    assert machine_status(job, 900.0, "spot").launching_since == at(900)


def test_recovered_machine_has_another_life() -> None:
    machine = machine_status(replace(JOB, recoveries=2, recovered=1_500.0), 940.0, "spot")
    assert (machine.life, machine.up) == (2, at(1_500))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("SUCCEEDED", MachineState.STOPPED),
        ("CANCELLED", MachineState.STOPPED),
        ("FAILED", MachineState.LOST),
        ("FAILED_SETUP", MachineState.FAILED),
        ("FAILED_NO_RESOURCE", MachineState.LOST),
    ],
)
def test_ended_job_has_a_state_and_a_reason(status: str, state: MachineState) -> None:
    machine = machine_status(
        replace(JOB, status=status, ended=2_000.0, reason="because\nof this"), None, "spot"
    )
    assert (machine.phase, machine.state, machine.ended) == (None, state, at(2_000))
    assert (machine.reason or "").endswith(": because of this")


def test_unknown_status_counts_as_running() -> None:
    assert machine_status(replace(JOB, status="PONDERING"), None, "spot").phase == Phase.RUNNING


# --- faults


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        (
            "Job failed (FAILED_SETUP). Restarting the job (restart 1 of 3 on errors).",
            JobFault("setup failed"),
        ),
        ("Job exited with exit code 3. Restarting the job", JobFault("its workers failed", 3)),
        ("Job failed (FAILED). Restarting the job", JobFault("what runs on it failed")),
        ("Job exited with exit code 143. Restarting the job", None),
    ],
)
def test_failed_program_is_no_preemption(reason: str, fault: JobFault | None) -> None:
    assert parse_fault(USER_JOB_FAILURE, reason) == fault
    assert parse_fault(None, reason) is None


def test_machine_with_a_fault_costs_until_it_is_cancelled() -> None:
    fault = JobFault("setup failed", 127)
    for status in ("RECOVERING", "CANCELLING", "RUNNING"):
        machine = machine_status(replace(JOB, status=status), None, "spot", fault)
        assert (machine.phase, machine.up) == (Phase.FAILING, at(1_000))
    machine = machine_status(replace(JOB, status="CANCELLED", ended=2_000.0), None, "spot", fault)
    assert (machine.state, machine.exit_code, machine.reason) == (MachineState.FAILED, 127, "setup failed")
    assert machine.ended == at(2_000)


def test_job_that_succeeded_after_a_fault_has_not_failed() -> None:
    done = machine_status(
        replace(JOB, status="SUCCEEDED", ended=2_000.0), None, "spot", JobFault("setup failed")
    )
    assert (done.state, done.exit_code) == (MachineState.STOPPED, 0)


# --- errors


class ApiServerConnectionError(RuntimeError):
    """Named as SkyPilot's."""


class NewerError(ApiServerConnectionError):
    """Unknown itself, of a kind that is known."""


def test_problem_says_what_was_done_which_kind_and_what_to_try() -> None:
    problem = explain_error(ApiServerConnectionError("\x1b[31mno\nanswer\x1b[0m"), "listing managed jobs")
    assert str(problem) == f"listing managed jobs: {ErrorKind.SERVER}: no answer"
    assert problem.hint == HINTS[ErrorKind.SERVER]


def test_unknown_error_has_the_kind_of_its_parent() -> None:
    assert explain_error(NewerError("x"), "y").hint == HINTS[ErrorKind.SERVER]
    assert explain_error(ValueError("x"), "y").hint == HINTS[ErrorKind.INSIDE]


def test_server_that_is_not_there_is_named_with_the_command_that_starts_it() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(requests.exceptions.ConnectionError) as refused:
        requests.get(f"{address}/api/health", timeout=5)
    problem = explain_error(refused.value, "asking it")
    assert str(problem) == f"asking it: {ErrorKind.SERVER}: nothing answers at {address}"
    assert problem.hint == HINTS[ErrorKind.SERVER]
    assert explain_error(ConnectionResetError("reset"), "y").hint == HINTS[ErrorKind.SERVER]


def test_every_kind_has_a_hint() -> None:
    assert set(HINTS) == set(ErrorKind)
    assert set(ERROR_KINDS.values()) == set(ErrorKind)


# --- logs


def test_log_lines_are_the_machines_without_skypilots() -> None:
    log = (
        "\x1b[36m(setup pid=27368)\x1b[0m installing\n"
        "(run-l0m0-0, pid=27409) Error: no such model\r\n"
        "(run-l0m0-0, pid=27409) Try: another\n"
        "\x1b[32m✓ Job finished (status: FAILED).\x1b[0m\n├── To stream job logs:\t\tsky jobs logs 1\n\n"
    )
    assert last_program_lines(log) == ["installing", "Error: no such model", "Try: another"]
    assert last_program_lines(log, 1) == ["Try: another"]


def test_program_lines_are_kept_from_a_controllers_log() -> None:
    log = "Started monitoring.\n\x1b[36m(setup pid=3419)\x1b[0m bash: no such file\nCluster is down\n"
    assert last_program_lines(program_lines(log)) == ["bash: no such file"]


def test_partition_decides_the_purchase_on_slurm() -> None:
    assert purchase_kind("slurm", "spot", spot=False) == "spot"
    assert purchase_kind("slurm", "ondemand", spot=True) == "on-demand"
    assert purchase_kind("aws", "spot", spot=False) == "on-demand"
