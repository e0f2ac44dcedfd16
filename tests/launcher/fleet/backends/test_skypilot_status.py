"""SkyPilot's words in ours: jobs as machines, errors as problems, logs as last words."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

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
from launcher.fleet.states import Phase
from launcher.ledger.records import MachineState, Site

JOB = ManagedJob(
    7, "run-l0m0-0", "RUNNING", 0, "AWS", "us-east-1", "us-east-1b", 1_000.0, 1_000.0, None, None, "run"
)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_a_status_is_of_a_machine_that_lives_or_of_one_that_ended() -> None:
    assert not set(PHASE_OF_STATUS) & set(END_OF_STATUS)


def test_a_running_job_is_a_machine_in_its_place_since_it_was_ready() -> None:
    sight = machine_status(JOB, None, "spot")
    assert (sight.phase, sight.life, sight.up) == (Phase.RUNNING, 0, at(1_000))
    assert sight.site == Site("aws", "us-east-1", "us-east-1b", "spot")


def test_a_machine_costs_from_when_it_was_on_its_way_where_somebody_saw_it() -> None:
    assert machine_status(JOB, 940.0, "spot").up == at(940)
    assert machine_status(JOB, 1_060.0, "spot").up == at(1_000)


def test_a_machine_that_is_not_there_yet_has_not_begun_to_live() -> None:
    job = replace(JOB, status="STARTING", started=None, recovered=None)
    assert machine_status(job, 900.0, "spot").phase == Phase.WAITING
    assert machine_status(job, 900.0, "spot").up is None
    assert machine_status(job, 900.0, "spot").launching_since == at(900)


def test_a_machine_that_came_back_has_another_life() -> None:
    sight = machine_status(replace(JOB, recoveries=2, recovered=1_500.0), 940.0, "spot")
    assert (sight.life, sight.up) == (2, at(1_500))


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
def test_a_job_that_ended_says_what_became_of_its_machine(status: str, state: MachineState) -> None:
    sight = machine_status(
        replace(JOB, status=status, ended=2_000.0, reason="because\nof this"), None, "spot"
    )
    assert (sight.phase, sight.state, sight.ended) == (None, state, at(2_000))
    assert (sight.reason or "").endswith(": because of this")


def test_a_status_that_nobody_knows_yet_is_taken_for_a_machine_that_runs() -> None:
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
def test_a_program_that_failed_by_itself_is_not_a_machine_that_was_taken_away(
    reason: str, fault: JobFault | None
) -> None:
    assert parse_fault(USER_JOB_FAILURE, reason) == fault
    assert parse_fault(None, reason) is None


def test_a_machine_whose_program_failed_is_paid_for_until_it_is_cancelled_and_then_has_failed() -> None:
    fault = JobFault("setup failed", 127)
    for status in ("RECOVERING", "CANCELLING", "RUNNING"):
        sight = machine_status(replace(JOB, status=status), None, "spot", fault)
        assert (sight.phase, sight.up) == (Phase.FAILING, at(1_000))
    sight = machine_status(replace(JOB, status="CANCELLED", ended=2_000.0), None, "spot", fault)
    assert (sight.state, sight.exit_code, sight.reason) == (MachineState.FAILED, 127, "setup failed")
    assert sight.ended == at(2_000)


def test_one_that_did_its_work_after_all_has_not_failed() -> None:
    done = machine_status(
        replace(JOB, status="SUCCEEDED", ended=2_000.0), None, "spot", JobFault("setup failed")
    )
    assert (done.state, done.exit_code) == (MachineState.STOPPED, 0)


# --- errors


class ApiServerConnectionError(RuntimeError):
    """Named as SkyPilot's."""


class NewerError(ApiServerConnectionError):
    """Unknown itself, of a kind that is known."""


def test_an_error_says_what_was_done_what_sort_of_trouble_it_is_and_what_to_try() -> None:
    problem = explain_error(ApiServerConnectionError("\x1b[31mno\nanswer\x1b[0m"), "listing managed jobs")
    assert str(problem) == f"listing managed jobs: {ErrorKind.SERVER}: no answer"
    assert problem.hint == HINTS[ErrorKind.SERVER]


def test_an_error_that_is_unknown_is_of_its_parents_kind_or_skypilots_own() -> None:
    assert explain_error(NewerError("x"), "y").hint == HINTS[ErrorKind.SERVER]
    assert explain_error(ValueError("x"), "y").hint == HINTS[ErrorKind.INSIDE]


def test_every_kind_of_trouble_has_something_to_try() -> None:
    assert set(HINTS) == set(ErrorKind)
    assert set(ERROR_KINDS.values()) == set(ErrorKind)


# --- logs


def test_last_words_are_those_of_the_machine_without_skypilots_own() -> None:
    log = (
        "\x1b[36m(setup pid=27368)\x1b[0m installing\n"
        "(run-l0m0-0, pid=27409) Error: no such model\r\n"
        "(run-l0m0-0, pid=27409) Try: another\n"
        "\x1b[32m✓ Job finished (status: FAILED).\x1b[0m\n├── To stream job logs:\t\tsky jobs logs 1\n\n"
    )
    assert last_program_lines(log) == ["installing", "Error: no such model", "Try: another"]
    assert last_program_lines(log, 1) == ["Try: another"]


def test_of_a_controllers_log_what_the_machine_said_is_kept() -> None:
    log = "Started monitoring.\n\x1b[36m(setup pid=3419)\x1b[0m bash: no such file\nCluster is down\n"
    assert last_program_lines(program_lines(log)) == ["bash: no such file"]


def test_on_slurm_the_place_says_how_a_machine_is_bought() -> None:
    assert purchase_kind("slurm", "spot", spot=False) == "spot"
    assert purchase_kind("slurm", "ondemand", spot=True) == "on-demand"
    assert purchase_kind("aws", "spot", spot=False) == "on-demand"
