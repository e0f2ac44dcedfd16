"""Whether on-demand machines alone would keep the deadline."""

from math import inf

import pytest

from launcher.steering.safety_net import safety_net, seconds_to_work
from launcher.steering.situation import Machine, MachinePhase
from tests.launcher.steering.situations import ON_DEMAND, steering, working

ASKED, COLD = MachinePhase.ASKED, MachinePhase.COLD
AT_ONCE = steering(launches_per_second=inf)


def test_margin_of_machines_that_are_not_started() -> None:
    """16 machines of 950 tokens/s, which work after 120 s for the answer, 420 s of start, and lose 60 s at the end."""
    net = safety_net([], [(ON_DEMAND, 16)], seconds_left=3_600, tokens_left=1e6, steering=AT_ONCE)
    assert net.margin == pytest.approx(16 * 950 * (3_600 - 60 - 120 - 420) - 1e6)
    assert net.free_rate == 16 * 950
    assert net.margin_seconds == pytest.approx(net.margin / net.free_rate)


def test_machine_that_was_started_keeps_the_margin_while_time_passes() -> None:
    """What it loses of the time until the deadline it gains in its start."""
    margins = [
        safety_net(
            [(Machine("a", 3, ASKED, waited), ON_DEMAND)], [],
            seconds_left=3_600 - waited, tokens_left=1e6, steering=AT_ONCE,
        ).margin
        for waited in (0.0, 30.0, 60.0)
    ]  # fmt: skip
    assert margins == pytest.approx([margins[0]] * 3)


def test_machine_that_was_not_started_loses_its_speed_every_second() -> None:
    early, late = (
        safety_net([], [(ON_DEMAND, 4)], seconds_left=s, tokens_left=1e6, steering=AT_ONCE).margin
        for s in (3_600, 3_500)
    )
    assert early - late == pytest.approx(4 * 950 * 100)


def test_launches_come_one_after_another() -> None:
    """k machines at L launches a second lose k^2 / (2 L) machine-seconds."""
    slow = steering(launches_per_second=0.05)
    fast, ramp = (
        safety_net([], [(ON_DEMAND, 100)], seconds_left=36_000, tokens_left=0, steering=one).margin
        for one in (AT_ONCE, slow)
    )
    assert fast - ramp == pytest.approx(950 * 100**2 / (2 * 0.05))


def test_machines_that_come_too_late_take_nothing_from_the_net() -> None:
    """Of 1,000 machines at one launch in 20 s, 150 are there before the deadline: the others would do no work."""
    slow = steering(launches_per_second=0.05)
    enough, many = (
        safety_net([], [(ON_DEMAND, count)], seconds_left=3_600, tokens_left=0, steering=slow)
        for count in (150, 1_000)
    )
    assert enough.margin == pytest.approx(950 * 150**2 / (2 * 0.05))
    assert many.margin == pytest.approx(enough.margin)
    assert (enough.in_time, many.in_time, many.machines) == (150, 150, 1_000)
    assert safety_net([], [(ON_DEMAND, 9)], seconds_left=60, tokens_left=7, steering=slow).margin == -7


def test_nothing_to_start_has_no_moment_at_which_it_must() -> None:
    net = safety_net(
        [(m, ON_DEMAND) for m in working(ON_DEMAND, 4)],
        [],
        seconds_left=60,
        tokens_left=1e9,
        steering=AT_ONCE,
    )
    assert net.margin_seconds is None
    assert net.margin < 0


@pytest.mark.parametrize(
    ("phase", "seconds", "rest"),
    [(MachinePhase.WORKING, 10, 0), (COLD, 100, 320), (COLD, 5_000, 60), (ASKED, 50, 490), (ASKED, 900, 480)],
)
def test_seconds_until_a_machine_works(phase: MachinePhase, seconds: float, rest: float) -> None:
    assert seconds_to_work(Machine("a", 3, phase, seconds), ON_DEMAND, 120) == rest
