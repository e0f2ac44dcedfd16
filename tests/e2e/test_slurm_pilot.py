"""`launch --pilot` for real: the launcher is a managed job on a machine of the Slurm cluster, none is left here.

The laptop and the machine reach one SkyPilot by the address of its API server, as they would reach a team's.
"""

import json
import sys

import pytest

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from tests.e2e.rental import PATIENCE, wait
from tests.e2e.steered import DOCUMENTS, SteeredRental
from tests.support.clusters.slurm import Slurm

pytestmark = pytest.mark.e2e

SHARDS = 10


class Piloted(SteeredRental):
    """A job whose laptop is logged in to an API server that stays when the laptop closes."""

    def __init__(self, cluster: Slurm, name: str, shards: int, deadline: str) -> None:
        super().__init__(cluster, name, shards, deadline)
        self.settings |= {
            "EMBEDFLEET_PILOT_ENV": str(cluster.folder / "pilot-env"),
            "SKYPILOT_API_SERVER_ENDPOINT": f"http://127.0.0.1:{cluster.sky.port}",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Without the port by which SkyPilot knows a server of its own machine."""
        found = super().environment
        del found["SKYPILOT_API_SERVER_LOCAL_PORT"]
        return found

    def status(self, *words: str) -> dict[str, object]:
        """What `status --json` prints; `words` name the run, or where it is."""
        done = self.run("status", *words, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def piloted(cluster: Slurm) -> Slurm:
    cluster.pilot_env()
    return cluster


def test_run_is_done_by_its_pilot_while_no_process_is_left_on_the_laptop(
    piloted: Slurm, capsys: pytest.CaptureFixture[str]
) -> None:
    rental = Piloted(piloted, "pilot", SHARDS, "30m")
    run = rental.plan()
    launched = rental.run("launch", "plan.json", "--yes", "--max-cost", "5", "--pilot", timeout=PATIENCE)
    assert launched.returncode == 0, launched.stderr
    assert f"run {run} is driven by its pilot" in launched.stderr
    assert "rents and ends machines" in launched.stderr

    wait(lambda: rental.done(run) >= 1, patience=2 * PATIENCE)
    out = str(rental.folder / "out")
    going = rental.status(run)
    assert going["state"] == "RUNNING"
    assert going["course"]["steering"]  # type: ignore[index]
    assert rental.status(out)["course"]["decisions"]  # type: ignore[index]
    refused = rental.run("resume", run)
    assert refused.returncode == 1
    assert "is driven by its pilot" in refused.stderr

    wait(lambda: rental.status(run)["state"] == "DONE", patience=2 * PATIENCE, pause=10)
    late = rental.status(run)["course"]["late_minutes"]["p50"]  # type: ignore[index]
    assert late < 0
    verdict = json.loads(rental.run("verify", run, "--json", python=sys.executable).stdout)
    assert (verdict["documents"], verdict["fault_count"]) == (DOCUMENTS * SHARDS, 0)
    report = rental.run("report", run)
    assert report.returncode == 0, report.stderr
    with Ledger.open(rental.folder / "runs" / "ledger.db") as ledger:
        assert ledger.runs.find(run).state == RunState.DONE
        assert ledger.steering.decisions(run)
        assert all(life.usd_per_hour for life in ledger.machines.lives(run))
    wait(lambda: not piloted.allocations(), patience=PATIENCE)
    with capsys.disabled():
        print("\n".join([launched.stderr, report.stdout, *rental.events(run)]))


def test_stop_from_the_laptop_reaches_the_pilot_and_down_ends_it(piloted: Slurm) -> None:
    rental = Piloted(piloted, "pilot-stop", 60, "60m")
    run = rental.plan()
    words = ("launch", "plan.json", "--yes", "--max-cost", "5", "--pilot")
    assert rental.run(*words, timeout=PATIENCE).returncode == 0
    wait(lambda: rental.done(run) >= 1, patience=2 * PATIENCE)
    stopped = rental.run("stop", run)
    assert stopped.returncode == 0, stopped.stderr
    assert "its pilot lets machines finish" in stopped.stderr
    wait(lambda: rental.status(run)["state"] == "STOPPED", patience=PATIENCE, pause=10)
    assert 0 < rental.done(run) < 60

    again = rental.run("resume", run, "--yes", "--budget", "4", "--pilot", timeout=PATIENCE)
    assert again.returncode == 0, again.stderr
    wait(piloted.allocations, patience=PATIENCE)
    gone = rental.run("down", run, timeout=PATIENCE)
    assert gone.returncode == 0, gone.stderr
    assert "ending pilot-stop" in gone.stderr
    wait(lambda: not piloted.allocations(), patience=PATIENCE)
