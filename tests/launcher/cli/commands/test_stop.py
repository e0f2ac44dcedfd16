"""`embedfleet stop` and `down` on this machine, and what a launch that rents is refused for."""

import json
from collections.abc import Callable, Generator
from typing import Any

import pytest

from launcher.planning.saved import plan_file
from tests.support.cli_runs import Launching, embedfleet, in_process, shards, wait

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
    group = {
        "gpu": "L4",
        "gpus_per_machine": 1.0,
        "cloud": "slurm",
        "regions": ["east"],
        "spot": True,
        "machines": 2,
    }
    body["lots"] = [body["lots"][0] | group | {"workers": 1, "usd_per_hour": "0.4", "places": [place]}]
    body["totals"]["usd"] = {"p10": "0.1", "p50": "0.2", "p90": "0.5"}
    path.write_text(json.dumps(plan_file.signed(body)))


# --- stop


@pytest.mark.slow
def test_stop_ends_the_launcher_and_resume_continues_the_run(make: Make) -> None:
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


def test_stop_drains_workers_of_a_dead_launcher(make: Make) -> None:
    found = make(40)
    launcher = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)
    launcher.kill()
    launcher.wait()
    assert embedfleet("stop", folder=found.folder).returncode == 0
    wait(lambda: not found.processes())
    assert embedfleet("status", folder=found.folder).returncode == 0
    assert found.status()["state"] == "STOPPED"


def test_stop_of_a_finished_run_does_nothing(make: Make) -> None:
    found = make(1)
    assert in_process("launch", "plan.json", folder=found.folder).returncode == 0
    stopped = in_process("stop", folder=found.folder)
    assert (stopped.returncode, stopped.stderr) == (0, f"run {found.run} is done: nothing runs\n")


# --- down


@pytest.mark.slow
def test_down_ends_the_workers_and_verifies_it(make: Make) -> None:
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


def test_launch_that_rents_checks_access_before_it_asks(make: Make) -> None:
    found = make(2)
    rent(found)
    refused = in_process("launch", "plan.json", folder=found.folder)
    assert refused.returncode == 1
    error, hint = refused.stderr.splitlines()[-2:]
    assert error.startswith("Error: renting machines needs SkyPilot, which is not installed here")
    assert (
        hint
        == "Try: pip install 'embedfleet[cloud]' in an environment of its own, or `make cloud` in a checkout"
    )


def test_dry_run_needs_no_skypilot_and_writes_nothing(make: Make) -> None:
    found = make(2)
    rent(found)
    shown = in_process("launch", "plan.json", "--dry-run", folder=found.folder)
    assert shown.returncode == 0
    assert "infra: slurm/east/spot" in shown.stdout
    assert shown.stdout.count("# sky.jobs.launch(group-0.yaml") == 2
    assert not (found.folder / "runs").exists()
    assert not (found.folder / "out").exists()


def test_status_without_a_run_is_an_error_without_traceback(make: Make) -> None:
    found = make(2)
    rent(found)
    in_process("launch", "plan.json", folder=found.folder)
    looked = in_process("status", folder=found.folder)
    assert looked.returncode == 1  # nothing was prepared: there is no run
    assert "Traceback" not in looked.stderr


@pytest.mark.parametrize("word", ["0", "-3", "much"])
def test_max_cost_that_is_no_amount_is_usage_error(word: str, make: Make) -> None:
    refused = in_process("launch", "plan.json", f"--max-cost={word}", folder=make(1).folder)
    assert refused.returncode == 2
