"""`embedfleet size`: of numbers, a job, a plan and a run; its JSON, its table and its mistakes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.cli_runs import in_process, shards, write_job, write_plan
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "size.json").read_text(encoding="utf-8"))


def document(*words: object, folder: Path) -> dict[str, Any]:
    done = in_process("size", *words, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    jsonschema.validate(body, SCHEMA)
    return body


def test_numbers_of_the_command_line(tmp_path: Path) -> None:
    body = document("--vectors", "1B", "--dims", 1024, folder=tmp_path)
    assert (body["vectors"], body["raw_bytes"]) == (10**9, 4_096_000_000_000)
    by_store = {one["store"]: one for one in body["indexes"]}
    assert by_store["turbopuffer"]["load_usd"] == {"low": "4112", "high": "8224"}
    assert all(price["source"] and price["as_of"] for price in body["prices"])


def test_job_plan_and_run_have_the_same_vectors(tmp_path: Path) -> None:
    shards(tmp_path, 1)
    job = write_job(tmp_path)
    run = write_plan(job)["run"]
    of_job = document(job, "--store", "pgvector", folder=tmp_path)
    of_plan = document("plan.json", "--store", "pgvector", folder=tmp_path)
    assert (of_job["vectors"], of_job["dimensions"]) == (32, 32)
    assert of_plan["indexes"] == of_job["indexes"]
    launched = in_process("launch", "plan.json", "--yes", folder=tmp_path)
    assert launched.returncode == 0, launched.stderr
    of_run = document(run, "--store", "pgvector", folder=tmp_path)
    assert of_run["indexes"] == of_job["indexes"]


def test_the_command_line_changes_what_a_plan_says(tmp_path: Path) -> None:
    shards(tmp_path, 1)
    write_plan(write_job(tmp_path))
    body = document("plan.json", "--dtype", "binary", "--dims", 64, "--links", 32, folder=tmp_path)
    assert (body["dtype"], body["dimensions"], body["links"]) == ("binary", 64, 32)
    assert "0.669" in body["warnings"][0]


def test_small_amounts_leave_every_column(tmp_path: Path) -> None:
    done = in_process("size", "--vectors", "63", "--dims", "384", folder=tmp_path, COLUMNS="80")
    head = next(line for line in done.stdout.splitlines() if line.startswith("store"))
    assert head.split()[-2:] == ["a", "month"]


@pytest.mark.parametrize("width", [80, 100])
def test_no_figure_is_cut(tmp_path: Path, width: int) -> None:
    done = in_process("size", "--vectors", "1B", "--dims", "1024", folder=tmp_path, COLUMNS=str(width))
    assert "$41.2k" in done.stdout
    assert "13.8 TB" in done.stdout
    assert "944 dimensions" in done.stdout
    assert all(len(line) <= max(width, 110) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "size of what?"),
        (["--vectors", "5"], "size of what?"),
        (["--vectors", "-5", "--dims", "3"], "whole number"),
        (["--vectors", "1.5", "--dims", "3"], "whole number"),
        (["--vectors", "many", "--dims", "3"], "whole number"),
        (["--vectors", "1", "--dims", "9M"], "no dimensions"),
        (["missing.yaml"], "missing.yaml"),
        (["missing.json"], "missing.json"),
        (["empty.yaml"], "empty.yaml:1: the file is empty"),
        (["empty.json"], "empty.json: the plan is not JSON"),
        (["list.json"], "list.json: this is not a plan"),
        (["--vectors", "1", "--dims", "3", "--store", "pgvektor"], "Try: pass --store pgvector or"),
        (["--vectors", "1", "--dims", "3", "--store", "foo"], "without --store all 22 are shown"),
    ],
)
def test_mistakes_are_two_lines(tmp_path: Path, words: list[str], says: str) -> None:
    for name in ("empty.yaml", "empty.json"):
        (tmp_path / name).touch()
    (tmp_path / "list.json").write_text("[]")
    done = in_process("size", *words, folder=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 2
