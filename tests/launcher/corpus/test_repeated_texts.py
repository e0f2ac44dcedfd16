"""The repeats run as a launch writes it: the texts, once each, and nothing that a worker could not read as it is."""

import json
from pathlib import Path

import numpy as np
import pytest

from launcher.corpus import repeated_texts
from launcher.corpus.files.listing import find_files
from launcher.corpus.repeated_texts import CorpusTexts, write_repeats_run
from launcher.errors import Problem
from tasks.formats.rows import Document
from tasks.protocol import manifest
from tasks.protocol.keys import repeats_run, repeats_texts_key, repeats_texts_prefix
from tasks.protocol.runs import runs_of
from tasks.stores.base import list_all, read
from tasks.stores.folder import FolderStore
from tasks.worker.reading.input_rows import rows_of
from tests.support.cli_runs import in_process, records, write_job
from tests.support.repeated_corpus import COLUMNS, SIZE
from tests.support.runs import column, header_of, write_jsonl


def write(root: Path, store: FolderStore, say: list[str] | None = None) -> tuple[bool, str | None]:
    lines = [] if say is None else say
    texts = CorpusTexts(find_files(str(root), root), COLUMNS, lines.append)
    return write_repeats_run(store, header_of(root, 1), str(store.root), texts, SIZE)


def copied(store: FolderStore) -> list[str]:
    """The texts that a worker reads of the repeats run."""
    header = manifest.read_header(store, repeats_run("run-1"))
    rows = [row for shard in manifest.all_shards(store, header) for row in rows_of(header, store, shard)]
    assert all(isinstance(row, Document) for row in rows)
    return [row.text for row in rows if isinstance(row, Document)]


def corpus(root: Path, *files: list[str]) -> None:
    root.mkdir()
    for number, texts in enumerate(files):
        write_jsonl(
            root / f"{number}.jsonl", ({"id": f"{number}-{n}", "text": t} for n, t in enumerate(texts))
        )


def test_each_text_that_repeats_is_there_once_as_it_was(tmp_path: Path) -> None:
    odd = ["a\nb\tc", 'quotes " and \\', "ünï 漢字 🙂", "\u2028 line", "  spaces  ", "nul \0 inside"]
    corpus(tmp_path / "in", [*odd, "once"], ["once more", *odd, *odd])
    store = FolderStore(tmp_path / "out")
    there, line = write(tmp_path / "in", store)
    assert there
    assert line
    assert "6 texts" in line
    assert copied(store) == odd


def test_texts_that_a_line_cannot_hold_are_left_to_their_shards(tmp_path: Path) -> None:
    corpus(
        tmp_path / "in", ["  ", "half \ud800 pair", "x" * (repeated_texts.MOST_TEXT_BYTES + 1), "fine"] * 2
    )
    store = FolderStore(tmp_path / "out")
    assert write(tmp_path / "in", store)[0]
    assert copied(store) == ["fine"]


def test_nothing_is_written_where_nothing_repeats(tmp_path: Path) -> None:
    corpus(tmp_path / "in", ["a", "b"], ["c"])
    store = FolderStore(tmp_path / "out")
    assert write(tmp_path / "in", store) == (False, "no text of the corpus repeats")
    assert not list(list_all(store, ""))


def test_a_launch_that_was_killed_writes_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated_texts, "MOST_SHARD_BYTES", 64)
    corpus(tmp_path / "in", [f"text {n}" for n in range(40)] * 2)
    store = FolderStore(tmp_path / "out")
    write(tmp_path / "in", store)
    before = {entry.key: read(store, entry.key) for entry in list_all(store, "_embedfleet/run-1.repeats/")}
    header = next(key for key in before if key.endswith("run.json"))
    store.erase(header)
    store.erase(repeats_texts_key("run-1", 3))  # killed between two files: the fourth gets another version
    (store.root / repeats_texts_key("run-1", 3)).parent.mkdir(exist_ok=True)
    for key in [key for key in before if "/manifest/" in key and key != header]:
        store.erase(key)
    write(tmp_path / "in", store)
    texts = {entry.key: read(store, entry.key) for entry in list_all(store, repeats_texts_prefix("run-1"))}
    assert len(texts) > 3
    assert texts == {key: body for key, body in before.items() if "/texts/" in key}
    assert copied(store) == [f"text {n}" for n in range(40)]
    said: list[str] = []
    assert write(tmp_path / "in", store, said) == (True, None)
    assert not said  # the corpus is not read again


def test_texts_of_another_corpus_are_refused(tmp_path: Path) -> None:
    corpus(tmp_path / "in", ["a text"] * 2)
    store = FolderStore(tmp_path / "out")
    store.put(repeats_texts_key("run-1", 0), b'{"text": "other"}\n')
    with pytest.raises(Problem, match="holds other texts"):
        write(tmp_path / "in", store)


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_texts, "SAY_SECONDS", 0.0)
    corpus(tmp_path / "in", ["a text"], ["a text"], ["a text"])
    said: list[str] = []
    write(tmp_path / "in", FolderStore(tmp_path / "out"), said)
    assert said[0] == "reading all 3 files twice for texts that repeat (deduplicate: corpus)"
    assert any(line.startswith("counting texts: 33.3 % of the corpus") and "left" in line for line in said)


def test_a_launched_run_is_exact_and_says_what_it_saved(tmp_path: Path) -> None:
    found: dict[str, dict[str, np.ndarray]] = {}
    for mode in ("window", "corpus"):
        folder = tmp_path / mode
        (folder / "in").mkdir(parents=True)
        rows = records("r", [30] * 90)
        for name in "abc":
            write_jsonl(
                folder / "in" / f"{name}.jsonl", [row | {"id": f"{name}-{row['id']}"} for row in rows]
            )
        write_job(folder, local="{workers: 1, usd_per_hour: 0.36}", deduplicate=mode)
        done = in_process("launch", "job.yaml", "--on", "local", "--probe", "0", folder=folder)
        assert done.returncode == 0, done.stderr
        assert in_process("verify", folder=folder).returncode == 0
        (dataset,) = (folder / "out" / "_embedfleet").glob("*/dataset.parquet")
        files = [folder / "out" / str(name) for name in column(dataset, "file")]
        found[mode] = {
            name: np.asarray(vector)
            for file in files
            for name, vector in zip(column(file, "id"), column(file, "vector"), strict=True)
        }
    assert found["corpus"].keys() == found["window"].keys()
    assert all(np.array_equal(vector, found["window"][name]) for name, vector in found["corpus"].items())
    store = FolderStore(folder / "out")
    assert len(list(runs_of(store))) == 1
    report = json.loads(in_process("report", "--json", folder=folder).stdout)
    work = report["work"]
    assert work["repeats"]["vectors"] == 90
    assert work["repeats"]["tokens"] == work["tokens_embedded"] == work["tokens"] // 3
    assert work["documents"] == 270
    assert float(work["usd_saved"]) > 0
    assert "before the shards" in " ".join(in_process("report", folder=folder).stdout.split())
    done = in_process("finish", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert not list(list_all(store, repeats_texts_prefix(next(runs_of(store)))))
    assert in_process("verify", folder=folder).returncode == 0
