"""The loader of a job's sink beside a launcher: started, started again, told, ended; and `load --follow` as a command."""

import os
import time
from pathlib import Path

import psutil
import pytest

from launcher.cli import sink_loader
from launcher.cli.sink import check_sink, sink_of
from launcher.cli.sink_loader import SinkLoader, not_loaded_too
from launcher.errors import FailedRows, NotLoaded, Usage
from launcher.jobs.job import CorpusSource, Job, JobOutput, JobSink
from launcher.sinks.index import IndexSpec
from tests.support.cli_runs import in_process, write_job
from tests.support.runs import write_jsonl

PATIENCE = 60.0


def job_with(sink: JobSink | None) -> Job:
    return Job("a", CorpusSource("in"), "hash", output=JobOutput("out"), sink=sink)


def small_run(folder: Path, **changes: str) -> str:
    """A finished run of this machine; its name."""
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", ({"id": f"d{n}", "text": f"text {n}"} for n in range(30)))
    write_job(folder, local="{workers: 1}", **changes)
    done = in_process("launch", "job.yaml", "--on", "local", "--offline", "--probe", "0.1", folder=folder)
    assert done.returncode == 0, done.stderr
    return next((folder / "out" / "_embedfleet").iterdir()).name


def test_path_of_a_sink_is_relative_to_the_job_file(tmp_path: Path) -> None:
    assert sink_of(job_with(JobSink("docs.lance")), tmp_path) == JobSink(str(tmp_path / "docs.lance"))
    address = JobSink("milvus://h/docs")
    assert sink_of(job_with(address), tmp_path) == address
    assert sink_of(job_with(None), tmp_path) is None


def test_what_this_machine_lacks_is_told_before_the_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    with pytest.raises(Usage, match="the environment has no NO_SUCH_SECRET"):
        check_sink(job_with(JobSink("docs.lance", secret="$NO_SUCH_SECRET")))
    check_sink(job_with(JobSink("docs.lance")))
    check_sink(job_with(None))


def test_launch_loads_the_run_when_it_is_done_and_resume_finds_it_there(tmp_path: Path) -> None:
    run = small_run(tmp_path, sink="{to: docs.lance}")
    assert (tmp_path / "docs.lance").is_dir()
    again = in_process("resume", run, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "sink: nothing to load" in again.stderr
    assert "loaded into" in in_process("status", folder=tmp_path).stdout


def test_launch_whose_sink_stays_away_is_status_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_run(tmp_path)
    write_job(tmp_path, local="{workers: 1}", sink="{to: /proc/docs.lance, index: none}")
    monkeypatch.setattr(sink_loader, "ENDED_TRIES", 1)
    loader = SinkLoader(JobSink("/proc/docs.lance"), "no-such-run", tmp_path / "runs", lambda _line: None)
    (tmp_path / "runs" / "no-such-run").mkdir()
    problem = loader.finish()
    assert isinstance(problem, NotLoaded)
    assert "its vectors are not all in /proc/docs.lance" in str(problem)
    assert "no-such-run" in str(problem)


def test_loader_that_is_killed_is_started_again(tmp_path: Path) -> None:
    run = small_run(tmp_path, sink="{to: first.lance}")
    dataset = tmp_path / "out" / "_embedfleet" / run / "dataset.parquet"
    dataset.rename(dataset.with_name("aside"))  # so the loader waits for the end of the run
    said: list[str] = []
    sink = JobSink(str(tmp_path / "docs.lance"), index=IndexSpec("none"), keep=(), when="shards")
    loader = SinkLoader(sink, run, tmp_path / "runs", said.append)
    try:
        loader.look()
        first = child()
        first.kill()
        end = time.monotonic() + PATIENCE
        while not [one for one in children() if one.pid != first.pid]:
            assert time.monotonic() < end
            loader.look()
            time.sleep(0.1)
        assert "sink: the loader ended with status -9: started again" in said
        dataset.with_name("aside").rename(dataset)
        assert loader.finish() is None
    finally:
        loader.stop()
    assert (tmp_path / "docs.lance").is_dir()
    assert children() == []


def children() -> list[psutil.Process]:
    found = psutil.Process(os.getpid()).children()
    return [one for one in found if one.status() != psutil.STATUS_ZOMBIE and "--follow" in one.cmdline()]


def child() -> psutil.Process:
    found = children()
    assert len(found) == 1
    return found[0]


def test_sink_without_shards_is_not_loaded_before_the_end(tmp_path: Path) -> None:
    loader = SinkLoader(JobSink("docs.lance"), "run-1", tmp_path, lambda _line: None)
    loader.look()
    SinkLoader(None, "run-1", tmp_path, lambda _line: None).look()
    assert children() == []


def test_failed_rows_go_before_a_failed_load() -> None:
    said: list[str] = []
    rows, load = FailedRows("3 rows", hint="see"), NotLoaded("not there", hint="load")
    with pytest.raises(FailedRows):
        not_loaded_too(rows, load, said.append)
    assert said == ["not there; load"]
    with pytest.raises(NotLoaded):
        not_loaded_too(None, load, said.append)
    not_loaded_too(None, None, said.append)


def test_follow_decides_by_itself_what_it_adds_to(tmp_path: Path) -> None:
    found = in_process("load", "out", "--follow", "--replace", "--to", "a.lance", folder=tmp_path)
    assert found.returncode == 2
    assert "leave --since, --replace and --dry-run out" in found.stderr
    found = in_process("load", str(tmp_path / "no"), "--follow", "--to", "a.lance", folder=tmp_path)
    assert found.returncode == 1, found.stderr
