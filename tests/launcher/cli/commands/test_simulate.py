"""`embedfleet simulate`: the table, JSON and page; the gate; bad input in two lines. Reads no corpus and no network."""

import json
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from launcher.ledger.ledger import Ledger
from tests.launcher.simulator.test_replay import recorded
from tests.support.cli_runs import in_process
from tests.support.ledger_values import create_run

JOB = """
name: books
corpus: {documents: 29.5e6, tokens_per_document: 102}
model: BAAI/bge-large-en-v1.5
limits: {deadline: 6h, gpus: [L4], clouds: [aws], machines: 20}
"""


@pytest.fixture(name="job")
def job_file(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(JOB, encoding="utf-8")
    return path


def simulate(job: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return in_process("simulate", job, "--offline", *words, folder=job.parent)


def document(job: Path, *words: str) -> dict[str, Any]:
    done = simulate(job, "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_table_names_policies_and_what_stands_in(job: Path) -> None:
    done = simulate(job, "--runs", "3", "--policy", "static,on-demand")
    assert done.returncode == 0, done.stderr
    assert "3 runs on aws-l4-2025 (4 x L4, AWS, Dec 2025: stands in for your places" in done.stdout.replace(
        "\n", " "
    )
    assert "of hindsight" in done.stdout
    assert "aws-l4-2025 stands in for" in done.stdout
    assert re.search(r"\n  [1248] x [A-Z0-9-]+ in [a-z]+/.*, \$[\d.]+ an hour: ", done.stdout)
    assert "nothing was rented" in done.stdout


def test_json_has_every_deadline_and_trace(job: Path) -> None:
    body = document(
        job,
        "--runs",
        "2",
        "--policy",
        "on-demand",
        "--deadline",
        "4h,8h",
        "--traces",
        "synthetic",
        "--traces",
        "aws-v100-2023",
    )
    seen = [(market["traces"], market["deadline_hours"]) for market in body["markets"]]
    assert seen == [("synthetic", 4.0), ("synthetic", 8.0), ("aws-v100-2023", 4.0), ("aws-v100-2023", 8.0)]
    assert all(market["policies"][0]["late"] == 0 for market in body["markets"])
    assert body["schema"] == "embedfleet/simulation/1"


def test_same_seed_gives_the_same_document(job: Path) -> None:
    words = ("--runs", "2", "--policy", "greedy,static", "--seed", "3")
    assert document(job, *words) == document(job, *words)
    assert document(job, *words) != document(job, *words[:-1], "4")


def test_slower_machines_take_longer_and_outages_are_said(job: Path) -> None:
    plain = document(job, "--runs", "2", "--policy", "on-demand")
    slow = document(
        job,
        "--runs",
        "2",
        "--policy",
        "on-demand",
        "--slower",
        "0.7",
        "--without",
        "aws/us-east-2 1h-2h",
        "--no-on-demand",
        "0.1",
    )
    hours = [body["markets"][0]["policies"][0]["hours"]["p50"] for body in (plain, slow)]
    assert hours[1] > hours[0] * 1.1
    assert (slow["slower"], slow["without"], slow["no_on_demand"]) == (0.7, ["aws/us-east-2 1h-2h"], 0.1)


def test_gate_fails_where_the_first_policy_is_late(job: Path) -> None:
    words = ("--runs", "2", "--policy", "static", "--without", "aws 0h-30h", "--max-late", "0.01")
    done = simulate(job, *words)
    assert done.returncode == 3
    assert "static was late in 2 of 2 runs" in done.stderr
    assert simulate(job, "--runs", "2", "--policy", "on-demand", "--max-late", "0").returncode == 0


def test_plan_is_simulated_as_it_was_saved(job: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    made = in_process("plan", job, "--offline", "--on", "cloud", "-o", plan, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    done = simulate(plan, "--runs", "2", "--policy", "static", "--json", "--deadline", "6h,12h")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["markets"]) == 2


def test_page_is_written(job: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = simulate(job, "--runs", "2", "--policy", "on-demand,static", "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--runs", "0"), 2, "whole number from 1"),
        (("--policy", "autopilto"), 2, "did you mean autopilot?"),
        (("--traces", "aws-l4-2024"), 2, "did you mean aws-l4-2025?"),
        (("--deadline", "soon"), 2, "must be a duration"),
        (("--deadline", "1m"), 3, "h"),
        (("--budget", "-5"), 2, "dollars above 0"),
        (("--max-late", "2"), 2, "share from 0 to 1"),
        (("--no-on-demand", "x"), 2, "share from 0 to 1"),
        (("--slower", "0"), 2, "share of the planned speed"),
        (("--without", "aws/us-east-2"), 2, "such as 'aws/us-east-2 2h-8h'"),
        (("--without", "aws/us-east-2 8h-2h"), 2, "such as 'aws/us-east-2 2h-8h'"),
        (("--each", "0"), 2, "whole number from 1"),
        (("--cold-start", "fast"), 2, "must be a duration"),
    ],
)
def test_bad_input_is_two_lines(job: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = simulate(job, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_each_is_refused_for_traces_that_count(job: Path, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("place,at,available\naws/us-east-2,0,4\naws/us-east-2,7200,2\n", encoding="utf-8")
    done = simulate(job, "--traces", str(path), "--each", "4")
    assert done.returncode == 2
    assert "counts machines already" in done.stderr
    path.write_text("place,at,available\naws/us-east-2,0,4\naws/us-east-2,7200,-2\n", encoding="utf-8")
    done = simulate(job, "--traces", str(path))
    assert done.returncode == 2
    assert "line 3: '-2' is no number of machines" in done.stderr


def test_job_without_a_deadline_needs_one(job: Path) -> None:
    job.write_text(JOB.replace("deadline: 6h, ", ""), encoding="utf-8")
    done = simulate(job)
    assert done.returncode == 2
    assert "--deadline 6h" in done.stderr
    assert simulate(job, "--deadline", "6h", "--runs", "1", "--policy", "on-demand").returncode == 0


def test_replay_makes_the_decisions_of_a_run_again(tmp_path: Path) -> None:
    run, (looks, decisions) = "r1", recorded()
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        create_run(ledger, run)
        for look in looks:
            ledger.steering.record_course(run, look, [one for one in decisions if one.at == look.at])
    done = in_process("simulate", "--replay", run, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{len(looks)} looks of run {run} decided again: the same decisions" in done.stdout
    body = json.loads(in_process("simulate", "--replay", run, "--json", folder=tmp_path).stdout)
    assert (body["schema"], body["looks"], body["different"]) == ("embedfleet/replay/1", len(looks), [])
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        at = looks[0].at + timedelta(hours=9)
        ledger.steering.record_course(
            run, replace(looks[0], at=at), [replace(decisions[0], at=at, reason="made up")]
        )
    done = in_process("simulate", "--replay", run, folder=tmp_path)
    assert done.returncode == 1
    assert "1 came out otherwise" in done.stdout
    assert "made up" in done.stdout


def test_replay_needs_a_steered_run(tmp_path: Path, job: Path) -> None:
    run = "r1"
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        create_run(ledger, run)
    done = in_process("simulate", "--replay", run, folder=tmp_path)
    assert done.returncode == 1
    assert "has no decision that can be made again" in done.stderr
    assert simulate(job, "--replay", run).returncode == 2
    assert in_process("simulate", folder=tmp_path).returncode == 2
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = in_process("simulate", "--replay", run, folder=elsewhere)
    assert done.returncode == 1
    assert "name its runs with --runs-folder" in done.stderr
    named = ("--runs-folder", tmp_path / "runs")
    assert "no decision" in in_process("simulate", "--replay", run, *named, folder=elsewhere).stderr
