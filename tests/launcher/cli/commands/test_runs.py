"""`runs`, `logs`, and runs that are watched by their output path alone."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from launcher.fleet.recovery.rebuild_ledger import rebuild
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from launcher.pilot.ledger_copy import send_copy
from tasks.clock import utc
from tasks.protocol.keys import pilot_ledger_key
from tasks.protocol.runs import runs_of
from tasks.stores.folder import FolderStore
from tests.support.cli_runs import (
    COMMAND,
    embedfleet,
    environment,
    in_process,
    records,
    write_job,
    write_plan,
)
from tests.support.runs import write_jsonl

pytestmark = pytest.mark.xdist_group("runs")  # they share one finished run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that is done, with a tag and a note."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", records("d", [20] * 5))
    write_plan(write_job(folder, local="{workers: 1}"))
    done = embedfleet(
        "launch", "plan.json", "--tag", "team=search", "--tag", "trial", "--note", "the first", folder=folder
    )
    assert done.returncode == 0
    return folder


@pytest.fixture
def own(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return shutil.copytree(finished, tmp_path / "own")


def listed(folder: Path, *words: str) -> list[dict[str, Any]]:
    return json.loads(in_process("runs", "--json", *words, folder=folder).stdout)["runs"]


def test_a_run_has_its_model_paths_tokens_time_and_own_words(finished: Path) -> None:
    (run,) = listed(finished)
    assert (run["state"], run["model"], run["name"]) == ("DONE", "hash", "small")
    assert (run["corpus"], run["output"]) == (str(finished / "in"), str(finished / "out"))
    assert run["tokens"] > 0
    assert run["seconds"] > 0
    assert (run["tags"], run["notes"]) == ({"team": "search"}, ["the first"])


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--state", "done"], 1),
        (["--state", "stopped"], 0),
        (["--model", "HASH"], 1),
        (["--model", "bge"], 0),
        (["--path", "out"], 1),
        (["--tag", "team"], 1),
        (["--tag", "team=search"], 1),
        (["--tag", "team=ads"], 0),
        (["--since", "1h"], 1),
    ],
)
def test_filters(finished: Path, words: list[str], count: int) -> None:
    assert len(listed(finished, *words)) == count


def test_the_list_is_readable_at_80_columns(finished: Path) -> None:
    shown = in_process("runs", folder=finished)
    first, second, *more = shown.stdout.splitlines()
    assert "done" in first
    assert second.startswith("  hash: ")
    assert "  team=search  the first" in more  # paths that are long take another line
    assert len(first) <= 80


def test_notes_and_tags_are_changed(own: Path) -> None:
    assert in_process("runs", "note", "small", "looks", "good", folder=own).returncode == 0
    assert in_process("runs", "tag", "small", "team=", "env=dev", folder=own).returncode == 0
    (run,) = listed(own)
    assert (run["tags"], run["notes"][-1]) == ({"env": "dev"}, "looks good")


@pytest.mark.parametrize("word", ["=x", "a b=c", ""])
def test_a_wrong_tag_is_usage_error(finished: Path, word: str) -> None:
    assert in_process("runs", "tag", "small", word, folder=finished).returncode == 2


def test_rm_asks_and_never_deletes_data(own: Path) -> None:
    refused = in_process("runs", "rm", "small", folder=own)
    assert refused.returncode == 4
    assert "its vectors stay in" in refused.stderr
    before = sorted((own / "out").rglob("*"))
    assert in_process("runs", "rm", "small", "--yes", folder=own).returncode == 0
    assert listed(own) == []
    assert sorted((own / "out").rglob("*")) == before


def test_logs_of_a_silent_worker_are_its_last_heartbeat(finished: Path) -> None:
    said = in_process("logs", folder=finished)
    assert said.returncode == 0
    assert "its log is empty; its last heartbeat, " in said.stdout
    assert ": done, " in said.stdout


def test_logs_have_the_lines_of_the_worker_that_is_named(own: Path) -> None:
    (log,) = (own / "runs").glob("*/logs/*.log")
    log.write_text("one\ntwo \x1b[31mred\nno end")
    said = in_process("logs", "--worker", "w0", "-f", folder=own)
    assert said.stdout == "one\ntwo \\x1b[31mred\nno end\n"


def test_logs_of_an_unknown_worker_name_those_that_are_there(finished: Path) -> None:
    said = in_process("logs", "--worker", "w77", folder=finished)
    assert said.returncode == 1
    assert "-w0" in said.stderr


def test_status_and_report_by_the_output_path_need_no_ledger_and_write_nothing(
    finished: Path, tmp_path: Path
) -> None:
    output = finished / "out"
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    seen = in_process("status", output, "--json", folder=tmp_path)
    assert seen.returncode == 0
    body = json.loads(seen.stdout)
    assert (body["state"], body["shards"], body["shards_done"]) == ("DONE", 1, 1)
    assert "by the output path alone" in seen.stderr
    report = in_process("report", output, "--html", tmp_path / "r.html", "--json", folder=tmp_path)
    assert json.loads(report.stdout)["work"]["documents"] == 5
    assert (tmp_path / "r.html").exists()
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
    assert not (tmp_path / "runs").exists()


def unfinished(folder: Path) -> Path:
    """The receipt of the one shard of this copy, put aside: the run looks as it does before its first worker is up."""
    shutil.rmtree(next((folder / "out" / "_embedfleet").glob("*/workers")))
    (receipt,) = (folder / "out" / "_embedfleet").glob("*/receipts/*/*.json")
    return receipt.rename(folder / receipt.name)


def test_an_output_path_does_not_say_that_no_launcher_is_at_work(own: Path, tmp_path: Path) -> None:
    """It said "stopped" and "nothing works on it: resume" while the launcher waited for its first machine."""
    unfinished(own)
    seen = in_process("status", own / "out", folder=tmp_path)
    assert seen.stdout.splitlines()[0].endswith(": not finished, 0 %, 0 of 1 shard")
    assert "whether a launcher is at work shows where it was launched" in seen.stdout.replace("\n", " ")
    assert "resume" not in seen.stdout
    body = json.loads(in_process("status", own / "out", "--json", folder=tmp_path).stdout)
    assert body["launcher_known"] is False


def test_state_that_a_pilot_wrote_says_how_old_it_is(own: Path, tmp_path: Path) -> None:
    unfinished(own)
    output, store = own / "out", FolderStore(own / "out")
    (run,) = runs_of(store)
    with Ledger.open(tmp_path / "pilot.db") as ledger:
        rebuild(ledger, store, str(output), run)
        ledger.runs.set_state(run, RunState.RUNNING, utc())
        send_copy(ledger, store, run)
    copy = output / pilot_ledger_key(run)
    written = copy.stat().st_mtime - 47
    os.utime(copy, (written, written))
    seen = in_process("status", output, folder=tmp_path)
    assert re.search(r"\nits pilot drives it; .* as it wrote them (4[789]|5\d) s ago\n", seen.stdout)
    assert "its pilot" not in seen.stderr
    pilot = json.loads(in_process("status", output, "--json", folder=tmp_path).stdout)["pilot"]
    assert pilot["drives"] is True
    assert 47 <= pilot["age_seconds"] < 60
    page = tmp_path / "r.html"
    assert "as it wrote them" in in_process("report", output, "--html", page, folder=tmp_path).stderr


def test_watching_an_output_path_goes_on_until_the_run_is_done(own: Path, tmp_path: Path) -> None:
    aside = unfinished(own)
    receipts = next((own / "out" / "_embedfleet").glob("*/receipts/*"))
    command = [*COMMAND, "status", str(own / "out"), "--watch", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["state"] == "STOPPED"
        aside.rename(receipts / aside.name)
        last = [json.loads(line) for line in watching.stdout][-1]
        assert (watching.wait(), last["state"], last["shards_done"]) == (0, "DONE", 1)


def test_an_output_without_runs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out" / "_embedfleet").mkdir(parents=True)
    said = in_process("status", "out", folder=tmp_path)
    assert said.returncode == 1
    assert "no run under" in said.stderr
