"""The policy of a fleet in a job file, and the policy of a job that names none."""

import pytest

from launcher.jobs.job import dump, load, steer_of
from tests.launcher.jobs.job_texts import WITHOUT_CORPUS, job, only_mistake


def test_steering_is_read_and_saved_only_where_it_is_given() -> None:
    written = job(
        "steer: on-demand\ncorpus: in\nlimits: {when_short: stop, on_demand: 0, deadline: 6h}\n",
        WITHOUT_CORPUS,
    )
    assert (written.steer, written.limits.when_short, written.limits.on_demand) == ("on-demand", "stop", 0)
    assert load(dump(written)) == written
    plain = job("corpus: in\n", WITHOUT_CORPUS)
    assert (plain.steer, plain.limits.when_short, plain.limits.on_demand) == (None, "late", None)
    assert "steer" not in dump(plain)
    assert not {"when_short", "on_demand"} & dump(plain)["limits"].keys()
    assert load(dump(plain)) == plain


def test_a_misspelt_policy_is_answered_with_the_nearest() -> None:
    assert "autopilot" in only_mistake("corpus: in\nsteer: autopliot\n", WITHOUT_CORPUS)
    assert "late, stop, deadline" in only_mistake("corpus: in\nlimits: {when_short: never}\n", WITHOUT_CORPUS)
    assert "limits.on_demand" in only_mistake("corpus: in\nlimits: {on_demand: -1}\n", WITHOUT_CORPUS)


@pytest.mark.parametrize(
    ("limits", "steer", "rented", "found"),
    [
        ("", "", True, "static"),
        ("deadline: 6h", "", True, "autopilot"),
        ("deadline: 2027-01-31", "", True, "autopilot"),
        ("budget: $5", "", True, "autopilot"),
        ("budget: $5", "static", True, "static"),
        ("", "autopilot", True, "autopilot"),
        ("deadline: 6h", "autopilot", False, "static"),
    ],
)
def test_a_fleet_is_steered_by_default_where_it_has_a_limit(
    limits: str, steer: str, rented: bool, found: str
) -> None:
    text = (
        "corpus: in\n"
        + (f"limits: {{{limits}}}\n" if limits else "")
        + (f"steer: {steer}\n" if steer else "")
    )
    assert steer_of(job(text, WITHOUT_CORPUS), rented=rented) == found
