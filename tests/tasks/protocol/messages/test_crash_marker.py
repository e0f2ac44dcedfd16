"""Crash markers: which shards may have killed a process, and which deaths count."""

import signal
from pathlib import Path

import pytest

from tasks.protocol.lease import Lease
from tasks.protocol.messages import crash_marker
from tests.support.runs import NOON

LEASES = [Lease("run-1", "00000", f"{n:016x}", 1, "ann", "n", NOON) for n in range(2)]


def test_marked_leases_are_known_until_the_marker_is_cleared(tmp_path: Path) -> None:
    crash_marker.mark(tmp_path, LEASES)
    assert crash_marker.marked(tmp_path) == {lease.key for lease in LEASES}
    crash_marker.clear(tmp_path)
    assert crash_marker.marked(tmp_path) == frozenset()


def test_what_was_read_and_what_was_in_the_engine_are_blamed(tmp_path: Path) -> None:
    crash_marker.mark(tmp_path, LEASES[:1])
    crash_marker.mark(tmp_path, LEASES[1:], crash_marker.READER_NAME)
    crash_marker.write_place(tmp_path)
    assert crash_marker.blamed(tmp_path) == {lease.key: crash_marker.this_place() for lease in LEASES}
    crash_marker.clear(tmp_path)
    assert list(crash_marker.blamed(tmp_path)) == [LEASES[1].key]
    crash_marker.clear(tmp_path, crash_marker.READER_NAME)
    assert crash_marker.blamed(tmp_path) == {}


def test_a_truncated_marker_blames_no_shard(tmp_path: Path) -> None:
    (tmp_path / crash_marker.NAME).write_text('["_embedfleet/ru', encoding="utf-8")
    assert crash_marker.marked(tmp_path) == frozenset()


@pytest.mark.parametrize(
    "number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE]
)
def test_a_process_that_crashed_died_of_its_work(number: signal.Signals) -> None:
    assert crash_marker.died_of_its_work(-number, 0)


def test_a_process_that_the_kernel_killed_for_its_memory_died_of_its_work() -> None:
    assert crash_marker.died_of_its_work(-signal.SIGKILL, 1)


@pytest.mark.parametrize("status", [-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, 0, 2, 3, None])
def test_a_process_that_was_killed_from_outside_did_not_die_of_its_work(status: int | None) -> None:
    assert not crash_marker.died_of_its_work(status, 0)


def test_oom_kills_of_the_kernel_are_counted() -> None:
    assert crash_marker.oom_kills() >= 0
