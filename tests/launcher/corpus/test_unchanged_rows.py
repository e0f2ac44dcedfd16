"""A file of which a few rows changed: only these are embedded, and every vector is right."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from launcher.corpus.incremental import NewFiles
from launcher.fleet import create_run
from launcher.jobs.job import Job
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.formats.vectors.quantize import dequantize
from tests.support.cli_runs import Launching, in_process, records, wait, write_job
from tests.support.runs import column, write_jsonl

ROWS = 10_000
WORDS = 20
TOKENS = WORDS + 2  # of a text, special tokens included
Row = dict[str, str]


def launch(folder: Path) -> None:
    done = in_process("launch", "job.yaml", "--on", "local", "--probe", "0", folder=folder)
    assert done.returncode == 0, done.stderr


def newest(folder: Path) -> Path:
    """The folder of the run that ended last."""
    found = (folder / "out" / "_embedfleet").glob("*/dataset.parquet")
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent


def embedded(folder: Path) -> int:
    """Tokens that the model read in the newest run."""
    receipts = [json.loads(path.read_bytes()) for path in newest(folder).glob("receipts/*/*.json")]
    return sum(one["tokens"] - one["tokens_repeated"] for one in receipts)


def stored(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The vectors of the newest dataset by id."""
    found: dict[str, NDArray[np.float32]] = {}
    for name in column(newest(folder) / "dataset.parquet", "file"):
        table = pq.read_table(folder / "out" / str(name))
        ids: list[Any] = table.column("id").to_pylist()
        assert not found.keys() & set(ids)
        found |= dict(zip(ids, dequantize(table), strict=True))
    return found


def verified(folder: Path) -> bool:
    return in_process("verify", folder=folder).returncode == 0


def corpus(folder: Path, rows: int = ROWS, **changes: str) -> list[Row]:
    (folder / "in").mkdir(parents=True)
    found = records("r", [WORDS] * rows)
    write_jsonl(folder / "in" / "a.jsonl", found)
    write_job(folder, local="{workers: 1}", **changes)
    return found


@pytest.mark.parametrize(
    "dtype",
    ["int8", *(pytest.param(one, marks=pytest.mark.slow) for one in ("float32", "float16", "binary"))],
)
def test_one_row_of_10000_changed_is_the_only_one_embedded(tmp_path: Path, dtype: str) -> None:
    rows = corpus(tmp_path, output=f"{{path: out, dtype: {dtype}}}")
    launch(tmp_path)
    assert embedded(tmp_path) == ROWS * TOKENS
    before = stored(tmp_path)
    rows[5_000]["text"] = "another text"
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    launch(tmp_path)
    assert embedded(tmp_path) == 4
    after = stored(tmp_path)
    assert after.keys() == before.keys()
    changed = [name for name, vector in after.items() if not np.array_equal(vector, before[name])]
    assert changed == ["r-5000"]
    assert verified(tmp_path)


def test_deleted_and_added_rows_are_those_of_the_file(tmp_path: Path) -> None:
    rows = corpus(tmp_path)
    launch(tmp_path)
    before = stored(tmp_path)
    del rows[7_000]
    del rows[0]
    rows.insert(3_000, {"id": "new", "text": "one two three"})
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    launch(tmp_path)
    after = stored(tmp_path)
    assert after.keys() - before.keys() == {"new"}
    assert before.keys() - after.keys() == {"r-0", "r-7000"}
    assert embedded(tmp_path) == 5
    assert all(np.array_equal(after[name], before[name]) for name in after.keys() & before.keys())
    assert verified(tmp_path)


def test_an_id_that_gets_the_text_of_another_gets_its_vector(tmp_path: Path) -> None:
    rows = corpus(tmp_path, 100)
    launch(tmp_path)
    before = stored(tmp_path)
    rows[1]["text"], rows[2]["text"] = rows[2]["text"], rows[1]["text"]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    launch(tmp_path)
    after = stored(tmp_path)
    assert np.array_equal(after["r-1"], before["r-2"])
    assert np.array_equal(after["r-2"], before["r-1"])
    assert embedded(tmp_path) == 0
    assert verified(tmp_path)


def test_small_files_of_one_shard_do_not_embed_each_other_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    files = {name: records(name, [WORDS] * 40, ord(name)) for name in "abc"}
    for name, rows in files.items():
        write_jsonl(tmp_path / "in" / f"{name}.jsonl", rows)
    write_job(tmp_path)
    launch(tmp_path)
    (tmp_path / "in" / "c.jsonl").unlink()
    files["b"][7]["text"] = "another text"
    write_jsonl(tmp_path / "in" / "b.jsonl", files["b"])
    launch(tmp_path)
    assert embedded(tmp_path) == 4
    assert stored(tmp_path).keys() == {f"{name}-{n}" for name in "ab" for n in range(40)}
    assert verified(tmp_path)


def test_the_plan_says_that_its_tokens_are_the_most(tmp_path: Path) -> None:
    rows = corpus(tmp_path, 100)
    launch(tmp_path)
    rows[1]["text"] = "another text"
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    said = in_process("plan", "job.yaml", "--on", "local", "--probe", "0", folder=tmp_path).stderr
    assert "are not embedded again" in " ".join(said.split())


@pytest.mark.parametrize("change", ["prompt: 'query: '", "truncate: 10"])
def test_what_the_model_reads_beside_the_text_counts(tmp_path: Path, change: str) -> None:
    key, _, value = change.partition(": ")
    rows = corpus(tmp_path, 100)
    launch(tmp_path)
    rows[1]["text"] = "another text"
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    write_job(tmp_path, local="{workers: 1}", **{key: value})
    launch(tmp_path)
    assert embedded(tmp_path) > 99 * 10
    assert verified(tmp_path)


def damage(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0xFF
    path.write_bytes(body)


@pytest.mark.parametrize("harm", [damage, Path.unlink], ids=["damaged", "gone"])
def test_an_earlier_file_that_is_not_as_it_was_is_not_used(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    rows = corpus(tmp_path, 100)
    launch(tmp_path)
    (vectors,) = (tmp_path / "out" / "data").iterdir()
    harm(vectors)
    rows[1]["text"] = "another text"
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    launch(tmp_path)
    assert embedded(tmp_path) == 99 * TOKENS + 4
    assert verified(tmp_path)


@pytest.mark.parametrize(
    ("earlier", "again"),
    [({"hashed": False}, 99 * TOKENS + 4), ({"hash_as_text": False}, 4)],
    ids=["without hashes", "hashes of 16 bytes"],
)
def test_an_output_of_an_earlier_version_is_continued_with_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: dict[str, bool], again: int
) -> None:
    rows = corpus(tmp_path, 100)
    write_jsonl(tmp_path / "in" / "b.jsonl", records("b", [600] * 80))  # a shard of its own
    unchanged_corpus = create_run.unchanged_corpus

    def as_before(plan: SavedPlan, job: Job, base: Path) -> NewFiles:
        return replace(unchanged_corpus(plan, job, base), **earlier)

    with monkeypatch.context() as earlier_version:
        earlier_version.setattr(create_run, "unchanged_corpus", as_before)
        launch(tmp_path)
    rows[1]["text"] = "another text"
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    launch(tmp_path)
    assert embedded(tmp_path) == again
    files = [tmp_path / "out" / str(name) for name in column(newest(tmp_path) / "dataset.parquet", "file")]
    assert len(files) > 1
    assert len({str(pq.read_schema(path).remove_metadata()) for path in files}) == 1
    assert verified(tmp_path)


def test_every_column_but_the_vector_can_be_printed_as_json(tmp_path: Path) -> None:
    corpus(tmp_path, 20)
    launch(tmp_path)
    for path in (tmp_path / "out" / "data").iterdir():
        table = pq.read_table(path).drop_columns(["vector"])
        assert table.num_rows == 20
        for row in table.to_pylist():
            assert json.loads(json.dumps(row)) == row


@pytest.mark.slow
def test_a_run_that_is_killed_half_way_is_resumed(tmp_path: Path) -> None:
    rows = corpus(tmp_path)
    launch(tmp_path)
    before = stored(tmp_path)
    for row in rows[::2]:
        row["text"] += " more"
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    again = Launching(tmp_path, local="{workers: 2}")
    try:
        first = again.start("launch", "plan.json", "--yes", EMBEDFLEET_HASH_SECONDS="0.05")
        wait(lambda: again.done() >= 4)
        workers = again.processes()
        first.kill()
        for worker in workers:
            worker.kill()
        first.wait()
        assert again.done() < 18
        done = again.start("resume", again.run, "--yes")
        assert done.wait(120) == 0, again.said(done)
    finally:
        again.clean()
    after = stored(tmp_path)
    changed = {name for name, vector in after.items() if not np.array_equal(vector, before[name])}
    assert changed == {row["id"] for row in rows[::2]}
    assert embedded(tmp_path) < 0.6 * ROWS * TOKENS
    assert verified(tmp_path)
    assert newest(tmp_path).name == again.run
