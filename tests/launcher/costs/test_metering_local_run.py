"""A local run that costs something by the hour, metered to the second against the process table."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from tests.support.cli_runs import Launching, embedfleet, shards

PRICE = Decimal(7200)  # dollars an hour of the machine: a dollar a second for each of its two workers


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Launching]:
    shards(tmp_path, 12)
    found = Launching(tmp_path, local=f"{{workers: 2, usd_per_hour: {PRICE}}}", limits="{budget: $100000}")
    yield found
    found.clean()


def test_the_dollars_of_a_local_run_are_the_seconds_of_its_processes(run: Launching) -> None:
    launcher = run.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="0.2")
    seen: dict[int, tuple[float, float]] = {}  # by process: when it was made, when it was seen last
    while launcher.poll() is None:
        for process in psutil.process_iter(["pid", "cmdline", "create_time", "status"]):
            words: list[str] = process.info["cmdline"] or []
            ours = "tasks.worker" in words and any(run.run in word for word in words)
            if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
                seen[process.info["pid"]] = (process.info["create_time"], time.time())
        time.sleep(0.05)
    assert launcher.returncode == 0
    report = json.loads(embedfleet("report", run.run, "--json", folder=run.folder).stdout)
    assert len(seen) == len(report["machines"]) == 2
    table = sum(last - made for made, last in seen.values())
    metered = sum(machine["seconds"] for machine in report["machines"])
    # A worker's end is noticed at the launcher's next look, half a second later at most; busy machines are slower.
    assert metered == pytest.approx(table, abs=2 * 1.5)
    assert Decimal(report["spend"]["total"]) == pytest.approx(Decimal(metered), abs=Decimal("0.001"))
    assert report["plan"]["usd"]["p50"] is not None
    steps = sum(Decimal(step["usd"]) for step in report["waterfall"]["steps"])
    assert Decimal(report["waterfall"]["planned"]) + steps == Decimal(report["spend"]["total"])
    # The plan's price an hour is of the machine, and each of its two workers is metered at half: nothing has changed.
    assert "prices" not in {step["cause"] for step in report["waterfall"]["steps"]}
    (lesson,) = report["lessons"]["lots"]
    work = report["work"]["tokens"] / sum(m["parts"]["useful"] for m in report["machines"])
    assert lesson["measured_tokens_per_second"] == pytest.approx(2 * work, rel=0.01)


def test_a_run_at_its_budget_goes_on_with_a_larger_one_and_no_smaller(tmp_path: Path) -> None:
    shards(tmp_path, 12)
    found = Launching(tmp_path, local="{workers: 2, usd_per_hour: 36000}", limits="{budget: $30}")
    try:
        assert found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="0.3").wait(60) == 5
        small = found.start("resume", "--budget", "1")
        assert small.wait(60) == 2
        assert found.last_words(small)[0].startswith("Error: a budget of $1 is used up already: $")
        assert found.start("resume", "--budget", "100000").wait(60) == 0
        assert found.status()["state"] == "DONE"
    finally:
        found.clean()
