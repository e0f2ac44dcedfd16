"""How a run ends before its work does, on this machine; and what a launch that rents is refused for."""

import json
from collections.abc import Callable, Generator
from typing import Any

import pytest

from launcher.planning import plan_file
from tests.support.cli_runs import Launching, embedfleet, shards, wait

SLOW = "0.05"  # seconds of 1,000 tokens: 0.8 s a shard
Make = Callable[..., Launching]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Generator[Make, None, None]:
    made: list[Launching] = []

    def new(count: int, **changes: str) -> Launching:
        folder = tmp_path_factory.mktemp("stop")
        shards(folder, count)
        made.append(Launching(folder, **changes))
        return made[-1]

    yield new
    for found in made:
        found.clean()


def rent(found: Launching) -> None:
    """Make the plan one that rents two L4s of a cluster."""
    path = found.folder / "plan.json"
    body: dict[str, Any] = json.loads(path.read_text())
    body.pop("digest")
    place = {"region": "east", "zone": "spot", "instance_type": "", "machines": 2, "usd_per_hour": "0.4"}
    lot = {
        "gpu": "L4",
        "gpus_per_machine": 1.0,
        "cloud": "slurm",
        "regions": ["east"],
        "spot": True,
        "machines": 2,
    }
    body["lots"] = [body["lots"][0] | lot | {"workers": 1, "usd_per_hour": "0.4", "places": [place]}]
    body["totals"]["usd"] = {"p10": "0.1", "p50": "0.2", "p90": "0.5"}
    path.write_text(json.dumps(plan_file.signed(body)))


# --- stop


def test_stop_reaches_a_run_through_its_launcher_and_resume_goes_on(make: Make) -> None:
    found = make(40)
    launcher = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)
    stopped = embedfleet("stop", folder=found.folder)
    assert stopped.returncode == 0
    assert f"run {found.run}: 2 workers will finish the shards in hand and end" in stopped.stderr
    assert launcher.wait(60) == 130
    assert 0 < found.done() < 40
    assert found.status()["state"] == "STOPPED"
    assert embedfleet("resume", folder=found.folder, EMBEDFLEET_HASH_SECONDS="0").returncode == 0
    assert found.status()["state"] == "DONE"


def test_stop_reaches_workers_whose_launcher_is_dead(make: Make) -> None:
    found = make(40)
    launcher = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)
    launcher.kill()
    launcher.wait()
    assert embedfleet("stop", folder=found.folder).returncode == 0
    wait(lambda: not found.processes())
    assert embedfleet("status", folder=found.folder).returncode == 0
    assert found.status()["state"] == "STOPPED"


def test_stop_of_a_run_that_is_over_says_so(make: Make) -> None:
    found = make(1)
    assert embedfleet("launch", "plan.json", folder=found.folder).returncode == 0
    stopped = embedfleet("stop", folder=found.folder)
    assert (stopped.returncode, stopped.stderr) == (0, f"run {found.run} is done: nothing runs\n")


# --- down


def test_down_takes_workers_away_and_proves_it(make: Make) -> None:
    found = make(40)
    launcher = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)
    refused = embedfleet("down", folder=found.folder)
    assert refused.returncode == 1
    assert "is already being driven by process" in refused.stderr
    launcher.kill()
    launcher.wait()
    left = embedfleet("down", "--verify", folder=found.folder)
    assert left.returncode == 1
    assert left.stderr.splitlines()[-2:] == [
        f"Error: 2 machines of run {found.run} are left",
        f"Try: embedfleet down {found.run}",
    ]
    gone = embedfleet("down", "--json", folder=found.folder)
    assert gone.returncode == 0, gone.stderr
    body = json.loads(gone.stdout)
    assert (body["schema"], body["machines"], body["asked"]) == (
        "embedfleet/down/1",
        0,
        ["the process table"],
    )
    assert not found.processes()
    assert found.status()["state"] == "STOPPED"


# --- a launch that rents


def test_a_launch_that_rents_names_what_is_missing_before_it_asks_for_money(make: Make) -> None:
    found = make(2)
    rent(found)
    refused = embedfleet("launch", "plan.json", folder=found.folder)
    assert refused.returncode == 1
    error, hint = refused.stderr.splitlines()[-2:]
    assert error.startswith("Error: renting machines needs SkyPilot, which is not installed here")
    assert (
        hint
        == "Try: pip install 'embedfleet[cloud]' in an environment of its own, or `make cloud` in a checkout"
    )


def test_a_launch_that_only_tells_needs_no_skypilot_and_leaves_nothing(make: Make) -> None:
    found = make(2)
    rent(found)
    told = embedfleet("launch", "plan.json", "--dry-run", folder=found.folder)
    assert told.returncode == 0
    assert "infra: slurm/east/spot" in told.stdout
    assert told.stdout.count("# sky.jobs.launch(lot-0.yaml") == 2
    assert not (found.folder / "runs").exists()
    assert not (found.folder / "out").exists()


def test_status_of_a_run_that_rents_is_told_where_skypilot_cannot_be_asked(make: Make) -> None:
    found = make(2)
    rent(found)
    embedfleet("launch", "plan.json", folder=found.folder)
    looked = embedfleet("status", folder=found.folder)
    assert looked.returncode == 1  # nothing was prepared: there is no run
    assert "Traceback" not in looked.stderr


@pytest.mark.parametrize("word", ["0", "-3", "much"])
def test_a_limit_that_is_no_sum_of_money_is_refused(word: str, make: Make) -> None:
    refused = embedfleet("launch", "plan.json", f"--max-cost={word}", folder=make(1).folder)
    assert refused.returncode == 2
