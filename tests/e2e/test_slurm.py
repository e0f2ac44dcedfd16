"""Rented machines for real: SkyPilot's managed jobs on a Slurm cluster of this machine, preempted in the middle.

Needs root, Debian's Slurm and the environment `.venv-cloud`: `make e2e` sets both up.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from demo.corpus import build
from launcher.ledger.ledger import Ledger
from tests.e2e.rental import PATIENCE, SLOW, Rental, open_to_all, wait
from tests.support.cli_runs import records
from tests.support.clusters.skyhome import CLOUD, ROOT
from tests.support.clusters.slurm import Slurm
from tests.support.runs import write_jsonl

pytestmark = pytest.mark.e2e
TEARDOWN_SECONDS = 180.0  # SkyPilot may need so long to take down machines whose job has ended


def hashed(cluster: Slurm, name: str, shards: int, **more: Any) -> Rental:
    """A job of the hash engine over so many shards, slow enough to be disturbed."""
    rental = Rental(cluster, name, model="hash", engine="hash", **more)
    (rental.folder / "in").mkdir()
    write_jsonl(rental.folder / "in" / "a.jsonl", records("d", [510] * 32 * shards))
    rental.settings = dict(SLOW)
    return rental


def jobs(cluster: Slurm) -> list[dict[str, Any]]:
    """All managed jobs that this SkyPilot ever had, as its own command lists them."""
    done = cluster.sky.sky("jobs", "queue", "--all", "-o", "json")
    found: list[dict[str, Any]] = json.loads(done.stdout[done.stdout.index("[") :])
    return found


def stages(rental: Rental, run: str) -> str:
    """Where the time from the launch to the first receipt went, of the machine with the first receipt."""
    root = rental.folder / "out" / "_embedfleet" / run
    receipts = [json.loads(p.read_text()) for p in (root / "receipts").glob("*/*.json")]
    first = min(receipts, key=lambda r: r["finished"])
    name = re.sub(r"-\d+(r\d+)?$", "", first["worker"])
    machine = next(m for m in rental.machines(run) if m.name == name)
    life = next(one for one in rental.lives(run) if one.machine == name)
    pulse = json.loads((root / "workers" / f"{first['worker']}.json").read_text())
    with Ledger.open(rental.folder / "runs" / "ledger.db") as ledger:
        launched = next(e.at for e in ledger.runs.events(run) if e.kind == "launched")
    assert machine.confirmed
    moments = [
        ("corpus cut, manifest written", launched, machine.intended),
        ("job submitted to SkyPilot", machine.intended, machine.confirmed),
        ("machine allocated", machine.confirmed, life.up),
        ("SkyPilot's runtime, files, setup", life.up, datetime.fromisoformat(pulse["started"])),
        (
            "engine and model loaded",
            datetime.fromisoformat(pulse["started"]),
            datetime.fromisoformat(pulse["ready"]),
        ),
        ("first shard", datetime.fromisoformat(pulse["ready"]), datetime.fromisoformat(first["finished"])),
    ]
    lines = [f"  {what:34} {(to - begun).total_seconds():6.1f} s" for what, begun, to in moments]
    return "\n".join([*lines, f"  {'together':34} {(moments[-1][2] - launched).total_seconds():6.1f} s"])


def proven_gone(rental: Rental, run: str) -> str:
    """What `down --verify` prints once nothing is left: SkyPilot takes a machine down after its job has ended."""
    end = time.monotonic() + TEARDOWN_SECONDS
    while (proof := rental.run("down", run, "--verify")).returncode:
        assert time.monotonic() < end, proof.stderr + proof.stdout
        time.sleep(2)
    return proof.stdout


# --- what may be rented from


def test_needed_clouds_are_checked_and_one_without_credentials_stays_out(
    cluster: Slurm,
) -> None:
    code = """
from launcher.fleet.backends.skypilot_client import enabled_clouds
print(enabled_clouds(), enabled_clouds(["slurm", "gcp"]), enabled_clouds())
"""
    done = subprocess.run(
        [str(CLOUD / "bin" / "python"), "-c", code],
        cwd=ROOT, env=cluster.sky.environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[] ['slurm'] ['slurm']\n"  # the cluster is new


# --- what every cloud must do


def test_rented_machines_pass_the_contract_of_backends(cluster: Slurm) -> None:
    settings = {"EMBEDFLEET_TEST_CLUSTER": str(cluster.folder), "EMBEDFLEET_POLL_SECONDS": "3"}
    done = subprocess.run(
        [str(CLOUD / "bin" / "python"), "-m", "pytest", "-q", "-o", "filterwarnings=default", "-p", "no:cacheprovider",
         "tests/contract/test_rented.py", "-k", "skypilot"],
        cwd=ROOT, env=cluster.sky.environment | settings,
        # Five machines come up one after another, and one is started anew three times.
        capture_output=True, text=True, timeout=3 * PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


# --- a fleet that is disturbed


def test_fleet_that_loses_machines_loses_no_rows(
    cluster: Slurm, minilm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rental = Rental(cluster, "docs", model=minilm, engine="torch")
    documents = build(rental.folder / "in", documents=1500)
    run = rental.plan()
    open_to_all(rental.folder)
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5")
    wait(lambda: rental.done(run) >= 2 or launcher.poll() is not None)
    assert launcher.poll() is None, rental.said()
    spot = [a for a in cluster.allocations() if a.partition == "spot" and a.state == "RUNNING"]
    for allocation in spot:
        cluster.cancel(allocation.id)
    assert spot
    assert launcher.wait(PATIENCE) == 0, rental.said()

    verified = rental.run(
        "verify", run, "--json", python=sys.executable
    )  # where the engine is: it embeds again
    assert verified.returncode == 0, verified.stderr
    verdict = json.loads(verified.stdout)
    assert (verdict["documents"], verdict["fault_count"], verdict["failed_rows"]) == (documents, 0, 0)
    report = json.loads((rental.folder / "runs" / run / "report.json").read_text())
    assert report["work"]["documents"] == documents
    assert float(report["spend"]["total"]) > 0
    assert {life.purchase for life in rental.lives(run)} == {"spot", "on-demand"}
    taken = [e for e in rental.events(run) if e.startswith("preempted: ")]
    assert len(taken) >= 1
    assert proven_gone(rental, run).startswith("0 machines have the label embedfleet-run=")
    assert not cluster.allocations()
    with capsys.disabled():
        print(f"\n{documents} documents, {len(spot)} machines taken away; {rental.said().splitlines()[-1]}")
        print("\n".join(["from launch to the first receipt:", stages(rental, run), *rental.events(run)]))


# Invariant 10 of docs/steering.md
def test_launcher_killed_while_machines_start_forgets_none_and_starts_none_twice(
    cluster: Slurm,
) -> None:
    rental = hashed(cluster, "ramp", 24)
    run = rental.plan()
    open_to_all(rental.folder)
    first = rental.start("launch", "plan.json", "--yes", "--max-cost", "5")
    wait(
        lambda: len(rental.machines(run)) == 3 or first.poll() is not None, pause=0.05
    )  # intended, not confirmed
    first.kill()
    first.wait()
    assert not any(m.confirmed for m in rental.machines(run)), "it was killed too late to show anything"

    second = rental.start("resume", run)
    assert second.wait(PATIENCE) == 0, rental.said()
    known = {m.name for m in rental.machines(run)}
    mine = [j["job_name"] for j in jobs(cluster) if j["job_name"].startswith(run)]
    assert set(mine) <= known, "a machine is forgotten"
    assert Counter(mine).most_common(1)[0][1] == 1, "a machine was started twice"
    assert rental.run("verify", run).returncode == 0
    proven_gone(rental, run)


# --- what a person does


def test_ctrl_c_leaves_machines_running_and_stop_drains_them(
    cluster: Slurm,
) -> None:
    rental = hashed(cluster, "stop", 60)
    run = rental.plan()
    open_to_all(rental.folder)
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5")
    wait(lambda: rental.done(run) >= 1 or launcher.poll() is not None)
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(120) == 130, rental.said()
    *_, error, hint = rental.said().splitlines()
    assert re.search(r"3 machines go on without this launcher, at \$6\.80 an hour when all are up", error)
    assert f"embedfleet stop {run}" in hint
    before = rental.done(run)
    wait(lambda: rental.done(run) > before)  # no launcher is at work

    stopped = rental.run("stop", run)
    assert stopped.returncode == 0, stopped.stderr
    wait(lambda: not cluster.allocations())
    status = json.loads(rental.run("status", run, "--json").stdout)
    assert status["state"] == "STOPPED"
    assert 0 < status["shards_done"] < status["shards"]
    proven_gone(rental, run)


def test_down_removes_everything_at_once(cluster: Slurm) -> None:
    rental = hashed(cluster, "down", 60)
    run = rental.plan()
    open_to_all(rental.folder)
    detached = rental.run("launch", "plan.json", "--yes", "--max-cost", "5", "--detach")
    assert detached.returncode == 0, detached.stderr
    assert "3 machines go on without this launcher" in detached.stderr
    wait(cluster.allocations)
    left = rental.run("down", run, "--verify")
    assert left.returncode == 1
    assert f"machines of run {run} are left" in left.stderr
    gone = rental.run("down", run, timeout=600)
    assert gone.returncode == 0, gone.stderr
    assert gone.stdout.startswith("0 machines")
    assert not cluster.allocations()


def test_group_whose_machines_fail_in_setup_is_given_up_after_three(cluster: Slurm) -> None:
    rental = hashed(cluster, "broken", 24, machines=(3, 1))
    rental.settings["EMBEDFLEET_WORKER_ENV"] = "/no/such/environment"
    run = rental.plan()
    open_to_all(rental.folder)
    launched = rental.run("launch", "plan.json", "--yes", "--max-cost", "5", timeout=PATIENCE)
    assert launched.returncode == 1, launched.stderr
    assert "group 0 (3 x L4) is given up" in launched.stderr
    assert "/no/such/environment/bin/python: No such file or directory" in launched.stderr
    assert re.search(r"Error: the machines gave up: .*\$\d+\.\d\d spent", launched.stderr)
    assert len([m for m in rental.machines(run) if m.lot == 0]) <= 6
    proven_gone(rental, run)
