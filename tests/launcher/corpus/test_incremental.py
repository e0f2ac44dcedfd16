"""A corpus that grew: only what is new is embedded, and each document has its vectors once."""

import json
import shutil
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.corpus.incremental import unchanged_shards
from tasks.protocol.shard import Kind, Shard, Slice, identify
from tests.support.cli_runs import in_process, records, write_job
from tests.support.runs import column, write_jsonl


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with three files of 40 documents, embedded, and a copy of it."""
    folder = tmp_path_factory.mktemp("incremental") / "work"
    (folder / "in").mkdir(parents=True)
    for name in "abc":
        write_jsonl(folder / "in" / f"{name}.jsonl", records(name, [30] * 40, ord(name)))
    done = launch(write_job(folder))
    assert done["code"] == 0, done["said"]
    return folder, shutil.copytree(folder, folder.with_name("copy"))


@pytest.fixture
def folder(first_run: tuple[Path, Path]) -> Path:
    """The folder of the first run as it was then; it keeps its path, which is in the run's manifest."""
    folder, copy = first_run
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    return folder


def launch(job: Path) -> dict[str, Any]:
    done = in_process("launch", job.name, "--on", "local", "--probe", "0.1", folder=job.parent)
    return {"code": done.returncode, "said": done.stderr}


def plan(folder: Path) -> tuple[dict[str, Any], str]:
    done = in_process("plan", "job.yaml", "--on", "local", "--probe", "0.1", "--json", folder=folder)
    return json.loads(done.stdout) if done.stdout.strip() else {}, done.stderr


def newest(folder: Path) -> Path:
    return max((folder / "out" / "_embedfleet").glob("*/dataset.parquet"), key=lambda p: p.stat().st_mtime_ns)


def ids(folder: Path) -> "Counter[str]":
    """Count the documents of the newest dataset by id."""
    files = column(newest(folder), "file")
    return Counter(str(name) for file in files for name in column(folder / "out" / file, "id"))


def of(*names: str) -> "Counter[str]":
    return Counter(f"{name}-{n}" for name in names for n in range(40))


def test_new_file_is_embedded_alone_and_the_dataset_lists_all(folder: Path) -> None:
    write_jsonl(folder / "in" / "d.jsonl", records("d", [30] * 40, 9))
    body, said = plan(folder)
    assert body["profile"]["documents"] == 40
    assert "3 of 4 files are embedded already" in said
    assert launch(folder / "job.yaml")["code"] == 0
    assert ids(folder) == of("a", "b", "c", "d")
    assert len(list((folder / "out" / "_embedfleet").iterdir())) == 2


def test_changed_file_replaces_its_vectors(folder: Path) -> None:
    write_jsonl(folder / "in" / "b.jsonl", records("new", [30] * 40, 9))
    assert launch(folder / "job.yaml")["code"] == 0
    assert ids(folder) == of("a", "new", "c")


def test_third_run_continues_both_earlier_runs(folder: Path) -> None:
    for number, name in enumerate("de"):
        write_jsonl(folder / "in" / f"{name}.jsonl", records(name, [30] * 40, number))
        assert launch(folder / "job.yaml")["code"] == 0
    body, _ = plan(folder)
    assert body["code"] == 0
    assert body["error"].startswith("nothing is new: ")
    assert ids(folder) == of("a", "b", "c", "d", "e")
    assert len(set(column(newest(folder), "run"))) == 3


def test_nothing_new_is_reported_and_is_no_error(folder: Path) -> None:
    write_jsonl(folder / "in" / "d.jsonl", records("d", [30] * 40, 9))
    launch(folder / "job.yaml")
    done = launch(folder / "job.yaml")
    assert done["code"] == 0
    assert "nothing is new" in done["said"]


def test_same_corpus_again_is_the_same_run(folder: Path) -> None:
    done = launch(folder / "job.yaml")
    assert done["code"] == 0
    assert "is finished: nothing to do" in done["said"]


def test_other_dimensions_embed_everything_and_the_plan_says_why(folder: Path) -> None:
    write_job(folder, output="{path: out, dimensions: 16}")
    body, said = plan(folder)
    assert body["profile"]["documents"] == 120
    assert "output.dimensions was None, is 16" in " ".join(said.split())


def test_vectors_of_another_precision_are_not_taken_over(folder: Path) -> None:
    (header,) = (folder / "out" / "_embedfleet").glob("*/manifest/run.json")
    header.write_text(json.dumps(json.loads(header.read_text()) | {"precision": "fp8"}))
    write_jsonl(folder / "in" / "d.jsonl", records("d", [30] * 40, 9))
    body, said = plan(folder)
    assert body["profile"]["documents"] == 160
    assert "precision was fp8, is None" in " ".join(said.split())


def test_increment_verifies(folder: Path) -> None:
    write_jsonl(folder / "in" / "d.jsonl", records("d", [30] * 40, 9))
    launch(folder / "job.yaml")
    assert in_process("verify", folder=folder).returncode == 0


# --- which shards count

FILES = "abcdef"


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[tuple[str, Shard]], dict[str, tuple[str, Kind]], set[str]]:
    """Shards of several slices each, over files some of which changed, were removed or are covered by another run."""
    pieces = [
        Slice(f"{name}.jsonl", "1", "jsonl", n, n + 1)
        for name in FILES
        for n in range(draw(st.integers(1, 3)))
    ]
    shards: list[tuple[str, Shard]] = []
    while pieces:
        count = draw(st.integers(1, 3))
        mine, pieces = tuple(pieces[:count]), pieces[count:]
        shards.append(("run-1", Shard(identify(mine), len(shards), mine, 1)))
    kinds: tuple[Kind, ...] = ("jsonl", "jsonl", "jsonl", "json")
    versions: dict[str, tuple[str, Kind]] = {
        f"{name}.jsonl": (draw(st.sampled_from(["1", "1", "1", "2"])), draw(st.sampled_from(kinds)))
        for name in FILES
    }
    now = {name: version for name, version in versions.items() if draw(st.integers(0, 5))}
    return shards, now, draw(st.sets(st.sampled_from([f"{name}.jsonl" for name in FILES]), max_size=1))


@given(corpora())
def test_file_counts_with_all_of_its_shards_or_none(
    found: tuple[list[tuple[str, Shard]], dict[str, tuple[str, Kind]], set[str]],
) -> None:
    shards, now, covered = found
    good = unchanged_shards(shards, now, covered)
    held = Counter(piece for _, shard in good for piece in shard.slices)
    files = {piece.path for piece in held}
    assert all(
        now.get(piece.path) == (piece.version, piece.kind) and piece.path not in covered for piece in held
    )
    everything = {piece for _, shard in shards for piece in shard.slices if piece.path in files}
    assert set(held) == everything
    assert set(held.values()) <= {1}


# --- documents that another version of a library reads


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder with a page of HTML and a note, embedded; the manifest says which library read the page."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "page.html").write_text(
        "<title>Page</title><p>a paragraph of a page</p>", encoding="utf-8"
    )
    (tmp_path / "in" / "note.md").write_text("# Note\n\nplain text", encoding="utf-8")
    job = write_job(tmp_path, corpus="{path: in}")
    done = launch(job)
    assert done["code"] == 0, done["said"]
    return tmp_path


def header_file(folder: Path) -> Path:
    return next((folder / "out" / "_embedfleet").glob("*/manifest/run.json"))


def test_the_reader_is_in_the_manifest_and_the_report(pages: Path) -> None:
    version = metadata.version("selectolax")
    assert json.loads(header_file(pages).read_text())["readers"] == {"selectolax": version}
    report = json.loads(in_process("report", "--json", folder=pages).stdout)
    assert report["facts"]["versions"]["selectolax"] == version
    assert "pypdfium2" not in report["facts"]["versions"]  # nothing of this corpus is read by it


def test_an_increment_says_that_another_version_read_the_documents(pages: Path) -> None:
    path = header_file(pages)
    (pages / "in" / "new.md").write_text("another note", encoding="utf-8")
    assert "read its documents by" not in plan(pages)[1]
    path.write_text(path.read_text().replace(metadata.version("selectolax"), "0.0.1"))
    body, said = plan(pages)
    assert body["profile"]["documents"] == 1  # its vectors are used
    assert f"read its documents by selectolax 0.0.1 (now {metadata.version('selectolax')})" in said


def test_records_have_no_reader(folder: Path) -> None:
    assert "readers" not in json.loads(header_file(folder).read_text())
