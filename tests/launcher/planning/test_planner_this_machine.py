"""The planner on this machine: its price, and when it is chosen, left out or the only one that will do."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Infeasible, Problem
from launcher.jobs import parse
from launcher.planning import assemble
from launcher.planning import plan as plans
from launcher.planning.estimates.estimate import UsdSpread
from launcher.planning.reach import check_reachable
from launcher.planning.request import PlanOptions, request_of
from launcher.planning.this_machine import why_not_chosen
from launcher.throughput.spread import Spread
from tests.launcher.planning.planned_jobs import (
    NOW,
    made,
    offer,
    refused,
)
from tests.support.runs import write_jsonl


def here(tmp_path: Path, extra: str = "") -> str:
    (tmp_path / "in").mkdir(parents=True)
    write_jsonl(tmp_path / "in" / "a.jsonl", ({"text": f"number {n}"} for n in range(500)))
    return f"name: here\ncorpus: in\nmodel: hash\noutput: out\n{extra}\n"


def test_plan_for_this_machine_is_one_group_of_it(tmp_path: Path) -> None:
    plan = made(here(tmp_path, "local: {workers: 1, usd_per_hour: 3.60}"), tmp_path, on="local")
    (group,) = plan.lots
    assert (group.cloud, group.machines, group.workers) == ("local", 1, 1)
    assert group.usd_per_hour == Decimal("3.60")
    assert (plan.frontier, plan.kinds, plan.quota, plan.prices_as_of, plan.gap) == ((), (), (), None, None)
    assert plan.alternatives == ()
    assert plan.chosen.usd is not None


def test_machine_without_a_price_has_unknown_cost(tmp_path: Path) -> None:
    plan = made(here(tmp_path), tmp_path, on="local")
    assert plan.chosen.usd is None
    assert "this machine: what an hour of it costs you (set local.usd_per_hour)" in plan.not_priced


def test_budget_that_this_machine_breaks_is_refused_with_one_that_works(tmp_path: Path) -> None:
    text = here(tmp_path, "local: {workers: 1, usd_per_hour: 1e9}\nlimits: {budget: $0.01}")
    with pytest.raises(Infeasible, match="this machine costs"):
        made(text, tmp_path, on="local")


def test_where_neither_a_cloud_nor_this_machine_will_do_both_are_named(tmp_path: Path) -> None:
    shape = "model: {name: hash, layers: 6, hidden: 384}"  # so that clouds have a speed for it
    text = here(tmp_path, "limits: {deadline: 0.1s}").replace("model: hash", shape)
    problem = refused(Infeasible, text, tmp_path)
    assert "--on local" not in problem.hint
    assert "L4" in str(problem)


def beside_clouds(tmp_path: Path, extra: str) -> str:
    """A job of a few texts that clouds have a speed for, too."""
    return here(tmp_path, extra).replace("model: hash", "model: {name: hash, layers: 6, hidden: 384}")


CHEAP = "local: {workers: 1, usd_per_hour: 0.01}"


def test_this_machine_is_chosen_where_it_is_in_time_and_costs_less(tmp_path: Path) -> None:
    plan = made(beside_clouds(tmp_path, f"{CHEAP}\nlimits: {{deadline: 2h}}"), tmp_path)
    assert [group.cloud for group in plan.lots] == ["local"]
    assert plan.quota == ()
    names = {one.name.removesuffix(assemble.AFTER_UPLOAD) for one in plan.alternatives}
    assert assemble.RENTED in names
    assert all(one.name.endswith(assemble.AFTER_UPLOAD) for one in plan.alternatives)
    (found,) = [one for one in plan.compared if one.relation == "rented"]
    assert (found.name, found.better) == (assemble.RENTED + assemble.AFTER_UPLOAD, False)
    assert found.usd > found.fleet_p50
    assert all(a.more is not None and a.more > 0 for a in plan.alternatives)


@pytest.mark.parametrize(
    ("extra", "on", "why"),
    [
        (f"{CHEAP}\nlimits: {{clouds: [gcp]}}", None, "limits.clouds leaves it out"),
        (CHEAP, "cloud", None),
    ],
)
def test_this_machine_is_not_chosen_where_it_is_left_out(
    tmp_path: Path, extra: str, on: str | None, why: str | None
) -> None:
    plan = made(beside_clouds(tmp_path, extra), tmp_path, on=on)
    assert [group.cloud for group in plan.lots] == ["gcp"]
    beside = [one for one in plan.compared if one.relation == "this machine"]
    assert [one.notes for one in beside] in ([], [(why,)])
    assert ("this machine" in {a.name for a in plan.alternatives}) == (on is None)
    if why == "limits.clouds leaves it out":
        assert beside[0].better  # and the plan says so


@pytest.mark.parametrize("local", ["local: {workers: 1}", "local: {workers: 1, usd_per_hour: 1e6}"])
def test_folders_that_clouds_cannot_see_are_embedded_here_whatever_it_costs(
    tmp_path: Path, local: str
) -> None:
    plan = made(beside_clouds(tmp_path, local), tmp_path)
    assert [group.cloud for group in plan.lots] == ["local"]
    assert plan.upload is not None
    assert (
        plan.upload.command == f"gcloud storage rsync --recursive {tmp_path / 'in'} gs://BUCKET/here/corpus"
    )
    assert plan.upload.paths == ("corpus.path", "output.path")
    assert plan.upload.bytes > 0


def test_fleet_that_is_asked_for_names_the_upload_that_it_needs(tmp_path: Path) -> None:
    plan = made(beside_clouds(tmp_path, CHEAP), tmp_path, on="cloud")
    assert plan.upload is not None
    with pytest.raises(Problem, match="which machines on gcp cannot see"):
        check_reachable(plans.saved_plan_of(plan), str(tmp_path / "out"))


def test_machines_that_share_our_folders_are_the_only_candidates(tmp_path: Path) -> None:
    near = offer(cloud="slurm", region="here", zone=None)
    plan = made(beside_clouds(tmp_path, CHEAP), tmp_path, (offer(), near), on="cloud")
    assert [group.cloud for group in plan.lots] == ["slurm"]
    assert plan.upload is None
    assert plan.left_out["cannot see the folders of this machine"] == 1


def test_clouds_that_name_this_machine_let_it_be_chosen(tmp_path: Path) -> None:
    text = beside_clouds(tmp_path, f"{CHEAP}\nlimits: {{clouds: [local, gcp]}}")
    assert [group.cloud for group in made(text, tmp_path).lots] == ["local"]


def test_machine_that_is_left_out_is_not_chosen_in_place_of_an_infeasible_fleet(tmp_path: Path) -> None:
    text = beside_clouds(tmp_path, f"{CHEAP}\nlimits: {{clouds: [gcp], deadline: 2min}}")
    problem = refused(Infeasible, text, tmp_path)
    assert "limits.clouds leaves this machine out" in str(problem)


def test_slow_machine_is_not_chosen_unasked_without_a_deadline(tmp_path: Path) -> None:
    request = request_of(
        parse.parse(beside_clouds(tmp_path, CHEAP)),
        tmp_path,
        PlanOptions(on=None, probe_seconds=0.1),
        NOW,
        lambda _: None,
    )
    plan = made(beside_clouds(tmp_path / "again", CHEAP), tmp_path / "again")
    slow = replace(plan.chosen, hours=Spread(10.0, 20.0, 25.0))
    dear = replace(plan.chosen, usd=UsdSpread(Decimal(8), Decimal(9), Decimal(10)))
    assert why_not_chosen(request, plan.chosen, dear) is None
    unknown = replace(plan.chosen, usd=None)
    assert (
        why_not_chosen(request, unknown, dear)
        == "what an hour of it costs is not known: set local.usd_per_hour"
    )
    assert why_not_chosen(request, unknown, dear, upload=True) is None
    assert why_not_chosen(request, dear, plan.chosen) == "its dollars are not lower"
    assert why_not_chosen(request, dear, plan.chosen, upload=True) is None
    why = why_not_chosen(request, slow, dear)
    assert why is not None
    assert why.startswith("it would be busy for 25 h")
