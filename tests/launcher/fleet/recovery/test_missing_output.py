"""An output that is gone, as a whole or in part, is noticed by every command and embedded again."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from launcher.errors import ConfirmationNeeded
from launcher.ledger.ledger import Ledger
from tests.support.cli_runs import in_process, records, write_job
from tests.support.runs import column, write_jsonl

FILES, DOCUMENTS = 3, 500


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run of one shard a file, in a folder that keeps its path."""

    folder: Path

    def command(self, *words: object) -> "subprocess.CompletedProcess[str]":
        return in_process(*words, folder=self.folder)

    @property
    def data(self) -> list[Path]:
        return sorted((self.folder / "out" / "data").glob("*.parquet"))

    @property
    def of_run(self) -> Path:
        return next((self.folder / "out" / "_embedfleet").iterdir())

    def listed(self) -> int:
        """Rows of the files that a reader reads."""
        files: list[str] = column(self.of_run / "dataset.parquet", "file")
        return sum(pq.read_metadata(self.folder / "out" / name).num_rows for name in files)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("gone") / "work"
    (folder / "in").mkdir(parents=True)
    for name in range(FILES):
        write_jsonl(folder / "in" / f"{name}.jsonl", records(str(name), [60] * DOCUMENTS, name))
    write_job(folder, local="{workers: 1, usd_per_hour: 36}")
    planned = in_process(
        "plan", "job.yaml", "--on", "local", "--probe", "0.1", "-o", "plan.json", folder=folder
    )
    assert planned.returncode == 0, planned.stderr
    done = in_process("launch", "plan.json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert len(Finished(folder).data) >= FILES
    return folder, shutil.copytree(folder, folder.with_name("copy"))


@pytest.fixture
def run(original: tuple[Path, Path]) -> Finished:
    folder, copy = original
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    return Finished(folder)


def everything(run: Finished) -> None:
    shutil.rmtree(run.folder / "out")


def all_vectors(run: Finished) -> None:
    shutil.rmtree(run.folder / "out" / "data")


def one_file(run: Finished) -> None:
    run.data[1].unlink()


def end_of_a_file(run: Finished) -> None:
    os.truncate(run.data[1], 1_000)


def all_but_the_vectors(run: Finished) -> None:
    shutil.rmtree(run.of_run)


def receipts(run: Finished) -> None:
    shutil.rmtree(run.of_run / "receipts")


def header(run: Finished) -> None:
    (run.of_run / "manifest" / "run.json").unlink()


RESUME, LAUNCH = ("resume",), ("launch", "plan.json")
CASES = [
    pytest.param(everything, LAUNCH),
    pytest.param(one_file, RESUME),
    pytest.param(end_of_a_file, LAUNCH),
    *(
        pytest.param(lose, command, marks=pytest.mark.slow)
        for lose, command in (
            (everything, RESUME),
            (one_file, LAUNCH),
            (all_vectors, RESUME),
            (end_of_a_file, RESUME),
            (all_vectors, LAUNCH),
            (all_but_the_vectors, RESUME),
            (receipts, RESUME),
            (header, LAUNCH),
        )
    ),
]


@pytest.mark.parametrize(("lose", "command"), CASES)
def test_what_is_gone_is_embedded_again(
    run: Finished, lose: Callable[[Finished], None], command: tuple[str, ...]
) -> None:
    lose(run)
    for words in (("status",), ("verify", "--no-embed")):
        said = run.command(*words)
        assert said.returncode == 1, said.stdout
        assert "resume" in said.stderr.splitlines()[-1]
    assert "the output is gone or incomplete" in run.command("report").stderr
    done = run.command(*command)
    assert done.returncode == 0, done.stderr
    assert "what is missing is embedded again" in done.stderr
    verified = run.command("verify")
    assert verified.returncode == 0, verified.stderr
    assert run.listed() == FILES * DOCUMENTS
    assert run.command("status").returncode == 0
    assert "nothing to do" in run.command("resume").stderr


@pytest.mark.slow
def test_only_what_is_gone_is_embedded_again(run: Finished) -> None:
    before = set(run.data)
    one_file(run)
    kept = {path: path.stat().st_mtime_ns for path in run.data}
    run.command("resume")
    assert {path: path.stat().st_mtime_ns for path in run.data if path in before} == kept
    assert len(run.data) == len(before)


def test_money_spent_before_stays_as_lost_work(run: Finished) -> None:
    def spend() -> dict[str, str]:
        return json.loads(run.command("report", "--json").stdout)["spend"]

    before = spend()
    everything(run)
    assert run.command("resume").returncode == 0
    after = spend()
    assert Decimal(after["lost"]) >= Decimal(before["lost"]) + Decimal(before["useful"]) * Decimal("0.99")
    assert Decimal(after["total"]) > Decimal(before["total"])
    with Ledger.open(run.folder / "runs" / "ledger.db") as ledger:
        name = ledger.runs.find().id
        assert ledger.shards.progress(name).documents == FILES * DOCUMENTS
        assert "output gone" in [event.kind for event in ledger.runs.events(name)]


@pytest.mark.slow
def test_a_run_that_loses_its_output_twice_is_embedded_a_third_time(run: Finished) -> None:
    for _ in range(2):
        one_file(run)
        assert run.command("resume").returncode == 0
    everything(run)
    assert run.command("resume").returncode == 0
    assert run.command("verify", "--no-embed").returncode == 0


@pytest.mark.parametrize("lose", [one_file, end_of_a_file])
def test_plan_takes_files_whose_vectors_are_gone_for_new(
    run: Finished, lose: Callable[[Finished], None]
) -> None:
    lose(run)
    done = run.command("plan", "job.yaml", "--on", "local", "--probe", "0.1", "--json")
    assert "1 shard of run" in done.stderr
    assert json.loads(done.stdout)["profile"]["documents"] == DOCUMENTS


@pytest.mark.slow
def test_another_laptop_learns_what_was_put_back(run: Finished) -> None:
    shutil.copytree(run.folder / "runs", run.folder / "other")
    one_file(run)
    assert run.command("resume").returncode == 0
    there = run.command("verify", "--no-embed", "--runs", "other")
    assert there.returncode == 0, there.stderr
    again = run.command("resume", "--runs", "other")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stderr


@pytest.mark.slow
def test_rebuilt_ledger_of_an_incomplete_output_says_so(run: Finished) -> None:
    one_file(run)
    done = run.command("ledger", "rebuild", "out", "--runs", "other")
    assert "is incomplete: 1 of 6 files are missing" in done.stderr
    assert run.command("resume", "--runs", "other").returncode == 0
    assert run.command("verify", "--no-embed", "--runs", "other").returncode == 0


def test_corpus_that_changed_since_is_refused_and_named(run: Finished) -> None:
    everything(run)
    write_jsonl(run.folder / "in" / "0.jsonl", records("other", [60] * DOCUMENTS, 9))
    done = run.command("resume")
    assert done.returncode == 1
    assert "changed after the plan was made" in done.stderr


def unreachable(run: Finished) -> tuple[str, ...]:
    """A folder of another machine."""
    (run.folder / "in").rename(run.folder / "elsewhere")
    return ("resume",)


def too_dear(_run: Finished) -> tuple[str, ...]:
    return ("resume", "--max-cost", "0.0001")


def too_dear_to_launch(_run: Finished) -> tuple[str, ...]:
    return ("launch", "plan.json", "--max-cost", "0.0001")


@pytest.mark.parametrize(
    ("refuse", "reason", "status"),
    [
        (unreachable, "there is no such folder on this machine", 1),
        (too_dear, "and --max-cost is $0.0001", ConfirmationNeeded.code),
        pytest.param(
            too_dear_to_launch,
            "and --max-cost is $0.0001",
            ConfirmationNeeded.code,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_is_refused_puts_nothing_back(
    run: Finished, refuse: Callable[[Finished], tuple[str, ...]], reason: str, status: int
) -> None:
    def in_ledger() -> tuple[str, int, list[str]]:
        with Ledger.open(run.folder / "runs" / "ledger.db") as ledger:
            found = ledger.runs.find()
            kinds = [event.kind for event in ledger.runs.events(found.id)]
            return found.state, ledger.shards.progress(found.id).documents, kinds

    before, marks = in_ledger(), sorted(run.of_run.rglob("*"))
    one_file(run)
    refused = run.command(*refuse(run))
    assert refused.returncode == status, refused.stderr
    assert "what is missing is embedded again" in refused.stderr
    assert reason in refused.stderr
    assert (in_ledger(), sorted(run.of_run.rglob("*"))) == (before, marks)
