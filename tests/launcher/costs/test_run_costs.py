from datetime import UTC, datetime, timedelta

from launcher.costs.machine_time import MachineTime
from launcher.costs.run_costs import working_seconds

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def up(ready: float | None, ended: float | None) -> MachineTime:
    """A machine that was requested at noon; `ready` and `ended` are seconds after that."""
    moments = [None if s is None else NOON + timedelta(seconds=s) for s in (ready, ended)]
    return MachineTime("m", "local", "cpu", None, NOON, moments[0], moments[1], "UP")


def seconds(*machines: MachineTime) -> float:
    return working_seconds(machines, NOON + timedelta(seconds=100))


def test_parallel_workers_count_once() -> None:
    assert seconds(up(10, 30), up(20, 40)) == 30


def test_pause_is_not_working_time() -> None:
    assert seconds(up(0, 10), up(90, 95)) == 15


def test_running_worker_counts_until_now() -> None:
    assert seconds(up(60, None)) == 40


def test_worker_that_was_never_ready_does_not_count() -> None:
    assert seconds(up(None, 50)) == 0


def test_span_inside_another_adds_nothing() -> None:
    assert seconds(up(0, 50), up(10, 20)) == 50
