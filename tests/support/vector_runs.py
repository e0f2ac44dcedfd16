"""Runs of the hash model whose vectors are read: of each dtype, and an incremental one."""

from pathlib import Path
from typing import Any

from launcher.output.dataset import write_dataset
from tasks.stores.folder import FolderStore
from tests.support.cli_runs import embedfleet, write_job
from tests.support.runs import corpus, launch, receipts_of, write_jsonl
from tests.support.workers import make_worker


def run_of_dtype(folder: Path, dtype: str, run: str = "run-1", **changes: Any) -> str:
    """A finished run of 3 files of 10 rows with its dataset; returns the output path."""
    (folder / "in").mkdir(exist_ok=True)
    corpus(folder / "in", 3, 10)
    return run_over_corpus(folder, run, dtype=dtype, **changes)


def run_over_corpus(folder: Path, run: str, **changes: Any) -> str:
    """A finished run over the files that are there, with its dataset; returns the output path."""
    store = FolderStore(folder / "out")
    header = launch(store, folder / "in", 3, run=run, **changes)
    make_worker(store, header, folder / f"scratch-{run}").run()
    write_dataset(store, header, receipts_of(store, header))
    return str(folder / "out")


def grow(folder: Path, name: str, rows: int) -> None:
    """A file of the corpus with so many rows."""
    (folder / "in").mkdir(exist_ok=True)
    write_jsonl(
        folder / "in" / f"{name}.jsonl",
        ({"id": f"{name}-{n}", "text": f"words of {name} number {n}", "title": f"T{n}"} for n in range(rows)),
    )


def incremental_run(folder: Path, **changes: str) -> list[str]:
    """Two runs of one job: the second embeds only the new file. Returns all ids in the order of the corpus."""
    write_job(folder, local="{workers: 1}", **changes)
    for name, rows in (("a", 7), ("b", 5)):
        grow(folder, name, rows)
        done = embedfleet("launch", "job.yaml", "--on", "local", "--probe", 0, folder=folder)
        assert done.returncode == 0, done.stderr
    loser = next((folder / "out" / "data").iterdir())  # a file that no manifest lists
    (loser.parent / "0123456789abcdef-feedfeedfeed.parquet").write_bytes(loser.read_bytes())
    return [f"a-{n}" for n in range(7)] + [f"b-{n}" for n in range(5)]
