"""The end of a run: waiting for machines to go, recording that they went, reporting orphans."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.backends.provider_api import Instance
from launcher.fleet.monitoring.webhook import due_messages
from launcher.fleet.notifications import run_snapshot
from launcher.fleet.orphan_check import (
    Patience,
    Remaining,
    await_teardown,
    confirm_gone,
    find_remaining,
    regions_used,
)
from launcher.jobs.parse import parse
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, Run, Site
from tests.support import sample_plan

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EAST = Site("aws", "us-east-1", "us-east-1a", "spot", "g6.xlarge", 1, 100)
STRAY = Instance(
    "aws", "us-east-1", "us-east-1c", "i-0abc", "", "g6.xlarge", True, "running", NOON, "r1"  # noqa: FBT003
)  # fmt: skip
JOB = parse("name: a\ncorpus: {path: x}\nmodel: hash\noutput: {path: y}\n")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A run with one machine, which has ended."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", json.dumps(sample_plan.plan()), "d", "out", NOON)
        ledger.machines.intend("r1", "m", 0, Decimal("0.30"), NOON, gpu="L4", lot=0, site=EAST)
        ledger.machines.begin_life("m", 0, NOON, EAST, Decimal("0.30"))
        ledger.machines.end_life("m", 0, NOON + timedelta(minutes=5), LifeEnd.STOPPED)
        yield ledger


class Looks:
    """What is left at each look; the last one stays."""

    def __init__(self, *found: Remaining) -> None:
        self.found = list(found)
        self.count = 0

    def __call__(self) -> Remaining:
        self.count += 1
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]


def end(
    ledger: Ledger, looks: Looks, *, patience: float = 30.0, hurried: bool = False
) -> tuple[list[str], Looks]:
    """The lines that a launcher prints at the end of the run."""
    lines: list[str] = []
    await_teardown(
        ledger, "r1", looks, say=lines.append, hurried=lambda: hurried,
        patience=Patience(teardown=patience, poll=0.01),
    )  # fmt: skip
    return lines, looks


def gone(ledger: Ledger) -> bool:
    return ledger.machines.lives("r1")[0].gone is not None


def orphans(ledger: Ledger) -> list[str]:
    return [event.text for event in ledger.runs.events("r1") if event.kind == "orphan"]


def test_nothing_left_is_proof_and_confirms_every_end(ledger: Ledger) -> None:
    lines, looks = end(ledger, Looks(Remaining(asked=["SkyPilot", "aws us-east-1"])))
    assert lines == ["0 machines have the label embedfleet-run=r1; asked: SkyPilot, aws us-east-1"]
    assert looks.count == 1
    assert gone(ledger)
    assert not orphans(ledger)


def test_machines_on_their_way_down_are_waited_for(ledger: Ledger) -> None:
    going = Remaining(asked=["SkyPilot"], machines=["r1-l0m0-1 (UP)"], instances=[STRAY])
    lines, looks = end(ledger, Looks(going, going, Remaining(asked=["SkyPilot"])))
    assert looks.count == 3
    assert lines[0] == "waiting until the last machines are taken down"
    assert lines[1].startswith("0 machines have ")
    assert gone(ledger)
    assert not orphans(ledger)


@pytest.mark.parametrize(("patience", "hurried"), [(0.0, False), (30.0, True)])
def test_machine_that_stays_is_an_orphan_with_a_remedy_and_one_notification(
    ledger: Ledger, patience: float, hurried: bool
) -> None:
    left = Remaining(asked=["SkyPilot", "aws us-east-1"], instances=[STRAY])
    lines, _ = end(ledger, Looks(left), patience=patience, hurried=hurried)
    end(ledger, Looks(left), patience=0.0)
    assert lines[0].startswith("1 machine has the label embedfleet-run=r1; ")
    assert any(
        "aws ec2 terminate-instances --region us-east-1 --instance-ids i-0abc" in line for line in lines
    )
    assert lines[-1].startswith("embedfleet down r1 ")
    assert not gone(ledger)
    assert len(orphans(ledger)) == 1
    due = due_messages(run_snapshot(ledger, "r1", JOB, NOON))
    assert due["orphan i-0abc"] == (
        "r1: i-0abc is left although the run is over, and costs money: embedfleet down r1"
    )


def test_provider_listing_is_no_orphan_while_skypilot_does_not_answer() -> None:
    assert Remaining(unasked=["SkyPilot: no answer"], instances=[STRAY]).going
    assert Remaining(asked=["SkyPilot"], jobs=["r1-l0m0-1 (job 4, CANCELLING)"]).going
    assert not Remaining(asked=["SkyPilot"], instances=[STRAY]).going


def test_nothing_is_confirmed_when_a_provider_could_not_be_asked(ledger: Ledger) -> None:
    lines, looks = end(
        ledger, Looks(Remaining(asked=["SkyPilot"], unasked=["aws us-east-1: no credentials"]))
    )
    assert looks.count == 1
    assert "  not asked: aws us-east-1: no credentials" in lines
    assert not gone(ledger)


def test_machine_that_only_skypilot_lists_is_an_orphan() -> None:
    left = Remaining(jobs=["r1-l0m0-1 (job 4, RUNNING)"], machines=["r1-l0m0-1-4 (UP)"])
    assert left.orphans() == ["r1-l0m0-1-4: by SkyPilot, (UP)"]
    assert replace(left, machines=[]).orphans() == ["r1-l0m0-1: by SkyPilot, (job 4, RUNNING)"]
    assert (
        replace(left, instances=[STRAY])
        .orphans()[0]
        .startswith("i-0abc: g6.xlarge in aws us-east-1c, running")
    )


def test_confirm_records_no_orphan_while_a_run_goes_on(ledger: Ledger) -> None:
    confirm_gone(ledger, "r1", Remaining(instances=[STRAY]))
    assert not orphans(ledger)
    assert not gone(ledger)


def test_local_run_is_checked_by_the_ledger(ledger: Ledger) -> None:
    run: Run = ledger.runs.find("r1")
    left = find_remaining(ledger, run, sample_plan.saved_local())
    assert left.asked == ["the process table"]
    assert left.machines == ["m"]  # intended, and its end is not recorded


def test_a_steered_run_is_looked_for_in_all_of_its_envelope_but_not_in_clouds_that_were_never_asked(
    ledger: Ledger,
) -> None:
    run, plan = ledger.runs.find("r1"), sample_plan.saved_steered()
    regions = {place.region for group in plan.lots if group.cloud == "aws" for place in group.places}
    found = regions_used(ledger, run, plan)
    assert set(found["aws"]) == regions | {"us-east-1"}
    assert {"us-central1", "europe-north1"} <= set(found["gcp"])  # of the envelope, and of a lot
    envelope = plan.steering.envelope if plan.steering else None
    assert envelope is not None
    elsewhere = replace(envelope.kinds[0], cloud="lambda", region="us-west-3")
    assert plan.steering is not None
    more = replace(envelope, kinds=(*envelope.kinds, elsewhere))
    wider = replace(plan, steering=replace(plan.steering, envelope=more))
    assert "lambda" not in regions_used(ledger, run, wider)
    asked = Site("lambda", "us-east-3", None, "on-demand")
    ledger.machines.intend("r1", "m2", 1, None, NOON, lot=9, site=asked)
    assert regions_used(ledger, run, wider)["lambda"] == ["us-east-3", "us-west-3"]
