"""A run by the command line as users and scripts see it: what is printed where, and each exit status."""

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.cli_runs import (
    COMMAND,
    corpus,
    embedfleet,
    environment,
    in_process,
    problem,
    records,
    write_job,
    write_plan,
)
from tests.support.runs import write_jsonl

Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True, eq=False)
class Done:
    """A corpus that was planned, launched and looked at."""

    folder: Path
    run: str
    planned: Result
    launched: Result

    @cache  # noqa: B019 - the same question twice is asked once
    def __call__(self, *words: object, **env: str) -> Result:
        return in_process(*words, folder=self.folder, **env)


def run_to_end(folder: Path) -> Done:
    planned = in_process("plan", write_job(folder), "--json", "--probe", 0, "-o", "plan.json", folder=folder)
    launched = embedfleet("launch", "plan.json", folder=folder)
    return Done(folder, json.loads(planned.stdout)["run"], planned, launched)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = corpus(tmp_path_factory.mktemp("done"))
    (folder / "in" / "notes.xlsx").touch()
    return run_to_end(folder)


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = corpus(tmp_path_factory.mktemp("spoiled"))
    (folder / "in" / "b.jsonl").write_text('{"id": "x"}\n{broken\n{"id": "y", "text": "good"}\n')
    return run_to_end(folder)


def test_plan_prints_json_alone(done: Done) -> None:
    assert done.planned.returncode == 0
    body = json.loads(done.planned.stdout)
    assert body["schema"] == "embedfleet/plan/2"
    assert (body["profile"]["documents"], body["profile"]["tokens"]) == (60, 60 * 302)


def test_plan_prints_messages_to_stderr(done: Done) -> None:
    assert "sampling 1 file\n" in done.planned.stderr
    assert "1 file left out: 1 .xlsx (notes.xlsx)" in done.planned.stderr
    assert "plan written to plan.json" in done.planned.stderr


def test_written_plan_equals_the_printed_one(done: Done) -> None:
    assert json.loads((done.folder / "plan.json").read_text()) == json.loads(done.planned.stdout)


def test_plan_prints_a_table(done: Done) -> None:
    result = done("plan", "job.yaml", "--probe", 0)
    assert result.returncode == 0
    assert "60 documents" in result.stdout
    assert "this machine" in result.stdout
    assert "dollars: ?" in result.stdout  # what an hour of it costs is not known


def test_launch_ends_with_the_report(done: Done) -> None:
    assert done.launched.returncode == 0
    assert done.run in done.launched.stdout
    assert f"report: runs/{done.run}/report.html" in done.launched.stderr


def test_launch_writes_plan_report_and_page(done: Done) -> None:
    folder = done.folder / "runs" / done.run
    assert json.loads((folder / "plan.json").read_text())["digest"]
    assert json.loads((folder / "report.json").read_text())["work"]["documents"] == 60
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_launch_of_a_finished_run_does_nothing_and_says_how_to_begin_anew(done: Done) -> None:
    result = done("launch", "plan.json")
    assert result.returncode == 0
    assert f"run {done.run} is finished: nothing to do; for new and changed files plan" in result.stderr
    assert "to embed all of it again set another output.path" in result.stderr
    assert "going on" not in result.stderr


def test_launch_of_a_finished_job_does_nothing(done: Done) -> None:
    result = done("launch", "job.yaml", "--probe", 0)
    assert result.returncode == 0
    assert f"run {done.run} is finished: nothing to do" in result.stderr


def test_resume_of_a_finished_run_does_nothing(done: Done) -> None:
    result = done("resume", done.run[:-3])
    assert result.returncode == 0
    assert f"run {done.run} is finished: nothing to do" in result.stderr


def test_status_prints_json(done: Done) -> None:
    result = done("status", "--json")
    body = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    assert (body["schema"], body["run"], body["state"]) == ("embedfleet/status/1", done.run, "DONE")
    assert body["shards_done"] == body["shards"] > 0
    assert (body["documents"], body["tokens"], body["usd"]) == (60, 60 * 302, None)
    assert {w["state"] for w in body["workers"]} == {"STOPPED"}


def test_status_prints_text(done: Done) -> None:
    result = done("status")
    assert result.stdout.startswith(f"{done.run}: done, ")
    assert "60 documents" in result.stdout


def test_watch_of_a_finished_run_ends_at_once(done: Done) -> None:
    lines = done("status", "--watch", "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["DONE"]


def test_report_prints_json(done: Done) -> None:
    result = done("report", "--json")
    body = json.loads(result.stdout)
    assert {"total", "useful", "lost", "cold_start", "waiting", "idle", "teardown"} <= body["spend"].keys()
    assert body["work"]["documents"] == 60
    assert body["work"]["failed_rows"] == 0
    assert {"plan", "actual", "unknown"} <= body.keys()


def test_report_writes_the_page_to_the_file_named(done: Done, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "report.html"
    assert done("report", "--html", page).returncode == 0
    assert done.run in page.read_text()


def test_unwritable_page_is_an_error(done: Done) -> None:
    result = done("report", "--html", "/proc/no/report.html")
    assert result.returncode == 1
    assert problem(result)[0].startswith("Error: cannot write /proc/no/report.html: ")


def test_verify_of_a_good_run_finds_no_fault(done: Done) -> None:
    result = done("verify", "--json")
    body = json.loads(result.stdout)
    assert result.returncode == 0
    assert (body["schema"], body["faults"]) == ("embedfleet/verify/1", [])
    assert (body["documents"], body["rows"], body["resampled"]) == (60, 60, 60)
    assert body["worst_cosine"] > 0.9999


def test_verify_prints_text(done: Done) -> None:
    result = done("verify", "--no-embed")
    assert result.stdout.startswith(f"{done.run}: verified\n")
    assert "no row was embedded again" in result.stdout


def test_output_to_a_pipe_has_no_colours(done: Done) -> None:
    assert "\x1b" not in done("status").stdout + done.launched.stdout


def test_no_color_goes_before_force_color(done: Done) -> None:
    words = ("verify", "--no-embed")
    forced = {"FORCE_COLOR": "1", "TERM": "xterm"}  # a dumb terminal has no colours
    coloured = embedfleet(*words, folder=done.folder, **forced).stdout
    plain = embedfleet(*words, folder=done.folder, **forced, NO_COLOR="1").stdout
    assert "\x1b[1;32m" in coloured
    assert "32m" not in plain


def test_closed_pipe_is_no_error(done: Done) -> None:
    command = [*COMMAND, "plan", "job.yaml", "--json", "--probe", "0"]
    with subprocess.Popen(
        command, cwd=done.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        said = child.stderr.read().decode()
    assert "Traceback" not in said
    assert "Error" not in said
    assert child.returncode == 0


def test_runs_folder_comes_from_the_environment(done: Done) -> None:
    elsewhere = done.folder / "runs"
    result = in_process("status", "--json", folder=Path("/"), EMBEDFLEET_RUNS=str(elsewhere))
    assert json.loads(result.stdout)["run"] == done.run


def test_unknown_run_has_the_known_runs_as_hint(done: Done) -> None:
    result = done("status", "smal-0")
    assert result.returncode == 1
    assert problem(result) == ["Error: no run of 1 begins with 'smal-0'", f"Try: name one of: {done.run}"]


@pytest.mark.parametrize("command", ["status", "resume"])
def test_without_a_ledger_there_is_a_hint(tmp_path: Path, command: str) -> None:
    result = in_process(command, folder=tmp_path)
    assert result.returncode == 1
    assert problem(result) == [
        f"Error: no runs are kept in {tmp_path / 'runs'}",
        "Try: go to the folder you launched from, or name its runs with --runs",
    ]


# --- bad rows


def test_bad_rows_give_exit_status_6(spoiled: Done) -> None:
    assert spoiled.launched.returncode == 6
    assert spoiled.launched.stderr.splitlines()[-2:] == [
        "Error: 2 rows could not be embedded; 61 documents were",
        f"Try: embedfleet report {spoiled.run} --json, or the page, lists them with file, position and reason",
    ]


def test_plan_counts_bad_rows(spoiled: Done) -> None:
    assert json.loads(spoiled.planned.stdout)["profile"]["bad_rows"] == 2


def test_bad_rows_are_reported_with_file_position_and_reason(spoiled: Done) -> None:
    first, second = json.loads(spoiled("report", "--json").stdout)["failures"]
    assert first == {
        "file": "b.jsonl",
        "position": 0,
        "reason": "no text: 'text' is missing or null; the line has 'id'",
        "document": "x",
        "rows": 1,
    }
    assert (second["file"], second["position"]) == ("b.jsonl", 12)
    assert second["reason"].startswith("broken JSON line: ")


def test_verify_does_not_count_bad_rows_as_faults(spoiled: Done) -> None:
    assert spoiled("verify", "--no-embed").returncode == 0


def test_relaunch_of_a_run_with_bad_rows_gives_exit_status_6(spoiled: Done) -> None:
    assert spoiled("launch", "plan.json").returncode == 6


# --- what a launch refuses


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """A folder with a job and its plan."""
    write_plan(write_job(corpus(tmp_path, 5, 10)))
    return tmp_path


def test_edited_plan_is_refused(planned: Path) -> None:
    path = planned / "plan.json"
    path.write_text(path.read_text().replace('"workers": 2', '"workers": 64'))
    result = in_process("launch", "plan.json", folder=planned)
    assert result.returncode == 1
    assert problem(result)[0] == (
        "Error: plan.json: the plan was changed after it was made: its digest does not fit"
    )


def test_plan_that_is_no_json_is_refused(planned: Path) -> None:
    (planned / "plan.json").write_text('{"schema": ')
    result = in_process("launch", "plan.json", folder=planned)
    assert result.returncode == 1
    assert problem(result)[0].startswith("Error: plan.json: the plan is not JSON: ")


def test_changed_corpus_is_refused_without_refresh(planned: Path) -> None:
    assert in_process("launch", "plan.json", folder=planned).returncode == 0
    write_jsonl(planned / "in" / "b.jsonl", records("e", [10] * 3))
    result = in_process("launch", "plan.json", folder=planned)
    assert result.returncode == 1
    assert problem(result) == [
        f"Error: the corpus at {planned / 'in'} changed after the plan was made",
        "Try: plan again, or launch with --refresh",
    ]
    refreshed = in_process("launch", "plan.json", "--refresh", "--probe", 0, folder=planned)
    assert refreshed.returncode == 0
    # of 8: what the first run holds is not embedded again
    assert json.loads(in_process("status", "--json", folder=planned).stdout)["documents"] == 3


def test_unwritable_output_is_an_error(planned: Path) -> None:
    (planned / "out").touch()
    result = in_process("launch", "plan.json", folder=planned)
    assert result.returncode == 1
    assert problem(result)[0] == f"Error: cannot write to {planned / 'out'}: Not a directory"
    assert "a file is where a folder should be" in problem(result)[1]


def test_dry_run_refuses_an_unwritable_output_as_launch_does(planned: Path) -> None:
    (planned / "out").touch()
    result = in_process("launch", "plan.json", "--dry-run", folder=planned)
    assert result.returncode == 1
    assert problem(result) == problem(in_process("launch", "plan.json", folder=planned))


def test_dry_run_leaves_nothing(planned: Path) -> None:
    before = sorted(planned.rglob("*"))
    assert in_process("launch", "plan.json", "--dry-run", folder=planned).returncode == 0
    assert sorted(planned.rglob("*")) == before
    (planned / "out").mkdir()  # what was there stays
    assert in_process("launch", "plan.json", "--dry-run", folder=planned).returncode == 0
    assert list((planned / "out").iterdir()) == []
