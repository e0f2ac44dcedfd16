"""The deadline of a run: which counts, and which are refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from launcher.errors import Infeasible, Usage
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.steering.deadline import check_deadline, current_deadline, late_by, soonest_shard
from launcher.jobs.job import DeclaredCorpus, Job, JobLimits
from launcher.ledger.ledger import Ledger
from tasks.skypilot_task import Place
from tests.support.ledger_values import NOON, create_run, later, receipt, shard

PLACE = Place("aws", "us-east-1", None, "g6.xlarge", None)


def job(limits: JobLimits) -> Job:
    return Job("reviews", DeclaredCorpus(1, ((1.0, 1.0),)), "hash", limits=limits)


def test_the_deadline_set_last_counts_before_that_of_the_job(tmp_path: Path) -> None:
    six = job(JobLimits(deadline_hours=6))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        create_run(ledger)
        run = ledger.runs.find("r1")
        assert current_deadline(ledger, run, job(JobLimits())) is None
        assert current_deadline(ledger, run, six) == NOON + timedelta(hours=6)
        dated = job(JobLimits(deadline_at="2026-11-24T18:00:00+00:00"))
        assert current_deadline(ledger, run, dated) == datetime(2026, 11, 24, 18, tzinfo=UTC)
        ledger.steering.set_deadline("r1", later(60), NOON)
        assert current_deadline(ledger, run, six) == later(60)


def test_a_run_is_late_when_its_last_shard_was(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        create_run(ledger)
        assert late_by(ledger, "r1", later(1)) is None
        ledger.shards.add("r1", [shard(3)])
        ledger.shards.record_receipts("r1", [receipt(3)])  # done at 5.5 s
        assert late_by(ledger, "r1", later(5)) == timedelta(seconds=0.5)
        assert late_by(ledger, "r1", later(5.5)) is None
        assert late_by(ledger, "r1", None) is None


def test_a_deadline_in_the_past_is_a_usage_error() -> None:
    with pytest.raises(Usage, match="is in the past: it was 2 h ago"):
        check_deadline(NOON, NOON + timedelta(hours=2), timedelta(0))


def test_a_deadline_that_no_machine_can_keep_names_the_soonest() -> None:
    groups = [
        FleetGroup(0, 1, "g", (PLACE,), (1,), cold_start=600.0, cold_start_p90=1_200.0),
        FleetGroup(1, 2, "w"),
    ]
    assert soonest_shard(groups) == timedelta(minutes=21)
    assert soonest_shard(groups[1:]) == timedelta(0)
    with pytest.raises(Infeasible, match="--deadline leaves 20 min") as caught:
        check_deadline(later(1_200), NOON, timedelta(minutes=21))
    assert caught.value.hint == "soonest 21 min"
    check_deadline(later(1_260), NOON, timedelta(minutes=21))
