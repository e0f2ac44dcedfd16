"""Steering on a real SkyPilot: a partition that may lose its machines is emptied at half time, and the deadline is kept.

Needs what `test_slurm` needs: root, Debian's Slurm and the environment `.venv-cloud` (`make e2e-steering`).
"""

import json
import sys
from collections import Counter

import pytest

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, RunState
from launcher.ledger.steering_records import AskAnswer
from tests.e2e.rental import PATIENCE, wait
from tests.e2e.steered import DOCUMENTS, SteeredRental
from tests.support.clusters.slurm import Slurm

pytestmark = pytest.mark.e2e

SHARDS = 30  # two machines need 140 s for them
DEADLINE = "15m"


def test_emptied_spot_partition_is_left_for_on_demand_before_the_deadline(
    cluster: Slurm, capsys: pytest.CaptureFixture[str]
) -> None:
    rental = SteeredRental(cluster, "steered", SHARDS, DEADLINE)
    run = rental.plan()
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5")
    wait(lambda: rental.done(run) >= SHARDS // 2 or launcher.poll() is not None)
    assert launcher.poll() is None, rental.said()
    assert {a.partition for a in cluster.allocations() if a.name.startswith(run[:10])} == {"spot"}
    with cluster.emptied("spot"):
        assert launcher.wait(PATIENCE) == 0, rental.said()  # 7 would be: after the deadline

    verdict = json.loads(rental.run("verify", run, "--json", python=sys.executable).stdout)
    assert (verdict["documents"], verdict["fault_count"], verdict["failed_rows"]) == (
        DOCUMENTS * SHARDS,
        0,
        0,
    )
    with Ledger.open(rental.folder / "runs" / "ledger.db") as ledger:
        row, progress = ledger.runs.find(run), ledger.shards.progress(run)
        asks, decisions = ledger.steering.asks(run), ledger.steering.decisions(run)
    lives = rental.lives(run)
    assert row.state == RunState.DONE
    assert progress.shards_done == progress.shards
    ends = Counter((life.purchase, life.how) for life in lives)
    assert ends["spot", LifeEnd.PREEMPTED] >= 1
    assert ends["on-demand", LifeEnd.STOPPED] >= 1
    answers = {(ask.purchase, ask.answer) for ask in asks}
    assert {("spot", AskAnswer.CAME), ("spot", AskAnswer.NONE), ("on-demand", AskAnswer.CAME)} <= answers
    assert all(ask.answer is not None for ask in asks)
    net = [one for one in decisions if one.what == "net"]
    assert net
    assert all(one.place and one.place.endswith("/ondemand") and "slack" in one.reason for one in net)
    course = json.loads(rental.run("status", run, "--json").stdout)["course"]
    assert course["late_minutes"]["p50"] < 0
    assert net[-1].reason in [one["reason"] for one in course["decisions"]]
    report = rental.run("report", run)
    assert report.returncode == 0, report.stderr
    assert "before the deadline" in report.stdout, report.stdout
    figures = json.loads(rental.run("report", run, "--json").stdout)["steering"]
    assert figures["late_minutes"] < 0
    assert net[0].reason in [one["reason"] for one in figures["decisions"]]
    with capsys.disabled():
        print(report.stdout)
        print(f"\n{rental.said()}\n" + "\n".join(rental.events(run)))
