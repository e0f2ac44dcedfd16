"""The stages of a worker's start: timed in a process, and what a machine knows of the time before."""

from pathlib import Path

import pytest

from tasks.worker.monitoring import start_timer
from tasks.worker.monitoring.start_timer import (
    KUBERNETES_VARIABLE,
    LONGEST_BOOT_SECONDS,
    SETUP_VARIABLE,
    StartTimer,
    before_process,
    process_seconds,
)


class Seconds:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_stages_follow_one_another_and_the_last_ends_once() -> None:
    clock, begun = Seconds(), list[str]()
    timer = StartTimer(clock, begun.append, {"setup": 40.0})
    timer.begin("load")
    clock.now += 3
    timer.begin("warm_up")
    clock.now += 2
    assert timer.seconds() == {"setup": 40.0, "load": 3.0}
    timer.end()
    clock.now += 50
    timer.end()
    assert timer.seconds() == {"setup": 40.0, "load": 3.0, "warm_up": 2.0}
    assert begun == ["load", "warm_up"]


def test_boot_and_setup_are_known_where_the_machine_was_set_up() -> None:
    assert before_process({SETUP_VARIABLE: "1060 1180 "}, boot_time=1_000.5) == {"boot": 59.5, "setup": 120.0}


@pytest.mark.parametrize("text", ["", "1060", "a b", "1060 1180 1190", "-5 1180"])
def test_nothing_is_known_of_a_machine_that_was_not_set_up(text: str) -> None:
    assert before_process({SETUP_VARIABLE: text}, boot_time=1_000.0) == {}
    assert before_process({}, boot_time=1_000.0) == {}


@pytest.mark.parametrize("boot", [1_100.0, 1_060 - LONGEST_BOOT_SECONDS - 1])
def test_boot_of_another_use_of_the_machine_is_unknown(boot: float) -> None:
    assert before_process({SETUP_VARIABLE: "1060 1180"}, boot_time=boot) == {"setup": 120.0}


def test_setup_that_ended_before_it_began_is_unknown() -> None:
    assert before_process({SETUP_VARIABLE: "1060 1000"}, boot_time=1_000.0) == {"boot": 60.0}


def test_container_does_not_know_when_it_was_booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = str(round(start_timer.psutil.boot_time()) + 60)
    monkeypatch.setattr(start_timer, "CONTAINER_MARKS", (tmp_path / "mark",))
    told = {SETUP_VARIABLE: f"{now} {now}"}
    assert before_process(told)["boot"] == pytest.approx(60, abs=1)
    assert before_process(told | {KUBERNETES_VARIABLE: "10.0.0.1"}) == {"setup": 0.0}
    (tmp_path / "mark").touch()
    assert before_process(told) == {"setup": 0.0}


def test_this_process_began_a_while_ago() -> None:
    assert 0 < process_seconds() < 86_400
