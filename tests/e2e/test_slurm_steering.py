"""Steering on a real SkyPilot: a partition that may lose its machines is emptied at half time, and the deadline is kept.

Needs what `test_slurm` needs: root, Debian's Slurm and the environment `.venv-cloud` (`make e2e-steering`).
"""

from collections import Counter

import pytest

from launcher.ledger.records import LifeEnd
from launcher.ledger.steering_records import AskAnswer
from tests.e2e.rental import PATIENCE, wait
from tests.e2e.steered import DOCUMENTS, SteeredRental, kept
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

    found = kept(rental, run, DOCUMENTS * SHARDS)
    ends = Counter((life.purchase, life.how) for life in rental.lives(run))
    assert ends["spot", LifeEnd.PREEMPTED] >= 1
    assert ends["on-demand", LifeEnd.STOPPED] >= 1
    answers = {(ask.purchase, ask.answer) for ask in found.asks}
    assert {("spot", AskAnswer.CAME), ("spot", AskAnswer.NONE), ("on-demand", AskAnswer.CAME)} <= answers
    net = [one for one in found.decisions if one.what == "net"]
    assert net
    assert all(one.place and one.place.endswith("/ondemand") and "slack" in one.reason for one in net)
    with capsys.disabled():
        print(found.report)
        print(f"\n{rental.said()}\n" + "\n".join(rental.events(run)))
