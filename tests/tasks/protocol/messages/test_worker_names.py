import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.protocol.messages.worker_names import (
    WorkerName,
    free_restarts,
    machine_and_slot,
    machine_of,
    parse_worker,
    restart_of,
    worker_name,
)


def test_each_restart_of_a_slot_has_its_own_name() -> None:
    assert [worker_name("m", 0, restart) for restart in range(3)] == ["m-0", "m-0r1", "m-0r2"]


@pytest.mark.parametrize(
    ("worker", "parts"),
    [
        ("run-m1-3", WorkerName("run-m1", 3, 0)),
        ("run-m1-3r2", WorkerName("run-m1", 3, 2)),
        ("run-l0m12-0r10", WorkerName("run-l0m12", 0, 10)),
        ("r-5-0", WorkerName("r-5", 0, 0)),  # names of runs and machines may hold digits and hyphens
        ("a-1r1-0", WorkerName("a-1r1", 0, 0)),
        ("w0", None),  # a worker that was started by hand
        ("m-2x", None),
        ("m-", None),
        ("-1", None),
        ("supervisor", None),  # ends in r, and no number follows
        ("car1", None),
        ("", None),
    ],
)
def test_a_worker_name_is_parsed(worker: str, parts: WorkerName | None) -> None:
    assert parse_worker(worker) == parts
    assert machine_of(worker) == (parts and parts.machine)
    assert restart_of(worker) == (parts.restart if parts else 0)


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), st.integers(0, 63), st.integers(0, 999))
def test_a_name_that_was_built_is_parsed_back(machine: str, slot: int, restart: int) -> None:
    found = parse_worker(worker_name(machine, slot, restart))
    assert found == WorkerName(machine, slot, restart)
    assert str(found) == worker_name(machine, slot, restart)


def test_a_worker_is_on_the_machine_that_its_name_begins_with() -> None:
    machines = {"run-m1", "run-m1-0"}
    assert machine_and_slot("run-m1-3", machines) == ("run-m1", 3)
    assert machine_and_slot("run-m1-3r2", machines) == ("run-m1", 3)
    assert machine_and_slot("run-m1-0", machines) == ("run-m1-0", 0)  # the name of a machine
    assert machine_and_slot("elsewhere-1", machines) == ("elsewhere-1", 0)


def test_a_restarted_supervisor_continues_to_count() -> None:
    known = ["m-0", "m-0r2", "m-0r1", "m-1", "m-1-0r7", "other-2", "m-2x"]
    assert free_restarts(known, "m") == {0: 3, 1: 1}
