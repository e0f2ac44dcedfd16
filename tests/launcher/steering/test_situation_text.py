"""A situation as text: it gives the same decision when it is read back, and damage is refused."""

from dataclasses import replace

import numpy as np
import pytest

from launcher.simulator.one_run import simulate_run
from launcher.simulator.policies import Answered, Observation
from launcher.simulator.steered_policy import SteeredPolicy
from launcher.steering.course import Course
from launcher.steering.decide import decide
from launcher.steering.situation_text import BadSituationError, situation_of_text, situation_text
from tests.launcher.simulator.cases import list_kind, market, scenario, spot_kind


def courses() -> list[Course]:
    """All courses of a simulated run in which spot comes and goes."""
    case = scenario(spot_kind("a"), spot_kind("b", 1.3), list_kind(), hours=1.5)
    case = replace(case, launches_per_second=1000.0)  # JSON knows no infinity
    found = list[Course]()

    class Recorder(SteeredPolicy):
        def decide(self, observation: Observation) -> Answered:
            answered = super().decide(observation)
            assert self.last is not None
            found.append(self.last)
            return answered

    world = market(case, [3] * 20 + [0] * 30 + [4] * 20 + [1], [0] * 25 + [2])
    simulate_run(case, world, Recorder(case), np.random.default_rng(3))
    return found


def test_same_decisions_come_out_of_the_text() -> None:
    found = [course for course in courses() if course.situation is not None]
    assert sum(bool(course.decisions) for course in found) > 4
    for course in found:
        assert course.situation is not None
        again = decide(situation_of_text(situation_text(course.situation))).course
        assert (again.decisions, again.targets, again.usd_per_token, again.margin_seconds) == (
            course.decisions,
            course.targets,
            course.usd_per_token,
            course.margin_seconds,
        )


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "eJyrBQAAhAA="])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(BadSituationError):
        situation_of_text(text)
