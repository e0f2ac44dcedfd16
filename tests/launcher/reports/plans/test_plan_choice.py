"""Which alternatives of a plan are shown where there is room for three."""

from dataclasses import replace

from launcher.planning.saved.saved_alternatives import AlternativeFleet
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.plans.plan_choice import different_alternatives
from tests.support import sample_plan


def fleet(name: str, gpu: str, cloud: str, *, spot: bool) -> AlternativeFleet:
    one = sample_plan.saved().alternatives[0]
    group = replace(one.lots[0], gpu=gpu, cloud=cloud, spot=spot)
    return replace(one, name=name, lots=(group,))


def plan(*alternatives: AlternativeFleet) -> SavedPlan:
    found = sample_plan.saved()
    (first, *_) = found.lots
    return replace(found, lots=(replace(first, gpu="L4", cloud="aws", spot=True),), alternatives=alternatives)


def names(found: SavedPlan, count: int = 3) -> list[str]:
    return [one.name for one in different_alternatives(found, count)]


def test_the_same_machines_under_another_name_are_no_alternative() -> None:
    same, other = fleet("only spot", "L4", "aws", spot=True), fleet("only aws", "L4", "aws", spot=False)
    assert names(plan(same, other, replace(other, name="only on demand"))) == ["only aws"]


def test_what_shows_more_that_is_new_goes_first() -> None:
    fleets = (
        fleet("another GPU", "A10G", "aws", spot=True),
        fleet("a third GPU", "A100", "aws", spot=True),
        fleet("another cloud on demand", "L4", "gcp", spot=False),
    )
    assert names(plan(*fleets), 2) == ["another GPU", "another cloud on demand"]


def test_this_machine_is_always_among_them() -> None:
    fleets = [fleet(gpu, gpu, "gcp", spot=False) for gpu in ("A10G", "A100", "H100", "T4")]
    here = fleet("this machine", "cpu", "local", spot=False)
    assert names(plan(*fleets, here))[-1] == "this machine"
