"""Local runs with a price per hour, metered to the second against the process table."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from tests.support.cli_runs import Launching, embedfleet, shards

PRICE = Decimal(7200)  # USD per hour of this machine: 1 USD per second for each of its two workers


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Launching]:
    shards(tmp_path, 12)
    found = Launching(tmp_path, local=f"{{workers: 2, usd_per_hour: {PRICE}}}", limits="{budget: $100000}")
    yield found
    found.clean()


def watch_workers(launcher: "subprocess.Popen[bytes]") -> dict[int, tuple[float, float]]:
    """Wait for a launcher; for each of its workers, by process id, when it was created and last seen running."""
    seen: dict[int, tuple[float, float]] = {}
    process = psutil.Process(launcher.pid)
    while launcher.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in process.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "tasks.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                        seen[child.pid] = (child.create_time(), time.time())
        time.sleep(0.05)
    return seen


@pytest.mark.slow
def test_local_run_costs_the_seconds_of_its_processes(run: Launching) -> None:
    launcher = run.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="0.1")
    seen = watch_workers(launcher)
    assert launcher.returncode == 0
    report = json.loads(embedfleet("report", run.run, "--json", folder=run.folder).stdout)
    assert len(seen) == len(report["machines"]) == 2
    table = sum(last - made for made, last in seen.values())
    metered = sum(machine["seconds"] for machine in report["machines"])
    # The launcher observes the end of a worker at its next step, half a second later at most; more on a busy machine.
    assert metered == pytest.approx(table, abs=2 * 1.5)
    assert Decimal(report["spend"]["total"]) == pytest.approx(Decimal(metered), abs=Decimal("0.001"))
    assert report["plan"]["usd"]["p50"] is not None
    steps = sum(Decimal(step["usd"]) for step in report["waterfall"]["steps"])
    assert Decimal(report["waterfall"]["planned"]) + steps == Decimal(report["spend"]["total"])
    # The plan's price is of the machine, and each of its two workers is metered at half: the price has not changed.
    assert "prices" not in {step["cause"] for step in report["waterfall"]["steps"]}
    (accuracy,) = report["lessons"]["lots"]
    work = report["work"]["tokens"] / sum(m["parts"]["useful"] for m in report["machines"])
    assert accuracy["measured_tokens_per_second"] == pytest.approx(2 * work, rel=0.01)


@pytest.mark.slow
def test_run_at_its_budget_resumes_with_a_larger_one_only(tmp_path: Path) -> None:
    """25 seconds of this machine: a plan keeps that on a very busy machine, too, and the slow launch does not."""
    shards(tmp_path, 12)
    found = Launching(tmp_path, local="{workers: 2, usd_per_hour: 36000}", limits="{budget: $250}")
    try:
        assert found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="9").wait(120) == 5
        small = found.start("resume", "--budget", "1")
        assert small.wait(60) == 2
        assert found.last_words(small)[0].startswith("Error: the budget of $1 is used up: $")
        assert found.start("resume", "--budget", "100000").wait(60) == 0
        assert found.status()["state"] == "DONE"
    finally:
        found.clean()
