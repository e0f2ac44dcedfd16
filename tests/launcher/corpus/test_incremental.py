"""A corpus that grew: only what is new is embedded, and each document has its vectors once."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.corpus.incremental import unchanged_shards
from tasks.protocol.shard import Shard, Slice, identify
from tests.support.cli_runs import embedfleet, records, write_job
from tests.support.runs import column, write_jsonl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of 40 documents, embedded."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        write_jsonl(tmp_path / "in" / f"{name}.jsonl", records(name, [30] * 40, ord(name)))
    job = write_job(tmp_path)
    done = launch(job)
    assert done["code"] == 0, done["said"]
    return tmp_path


def launch(job: Path) -> dict[str, Any]:
    done = embedfleet("launch", job.name, "--on", "local", "--probe", "0.1", folder=job.parent)
    return {"code": done.returncode, "said": done.stderr}


def plan(folder: Path) -> tuple[dict[str, Any], str]:
    done = embedfleet("plan", "job.yaml", "--on", "local", "--probe", "0.1", "--json", folder=folder)
    return json.loads(done.stdout) if done.stdout.strip() else {}, done.stderr


def newest(folder: Path) -> Path:
    return max((folder / "out" / "_embedfleet").glob("*/dataset.parquet"), key=lambda p: p.stat().st_mtime_ns)


def ids(folder: Path) -> "Counter[str]":
    """The documents of the newest dataset."""
    files = column(newest(folder), "file")
    return Counter(str(name) for file in files for name in column(folder / "out" / file, "id"))


def of(*names: str) -> "Counter[str]":
    return Counter(f"{name}-{n}" for name in names for n in range(40))


def test_a_new_file_is_embedded_alone_and_the_dataset_holds_all(folder: Path) -> None:
    write_jsonl(folder / "in" / "d.jsonl", records("d", [30] * 40, 9))
    body, said = plan(folder)
    assert body["profile"]["documents"] == 40
    assert "3 of 4 files are embedded already" in said
    assert launch(folder / "job.yaml")["code"] == 0
    assert ids(folder) == of("a", "b", "c", "d")
    assert len(list((folder / "out" / "_embedfleet").iterdir())) == 2


def test_a_changed_file_replaces_its_vectors(folder: Path) -> None:
    write_jsonl(folder / "in" / "b.jsonl", records("new", [30] * 40, 9))
    assert launch(folder / "job.yaml")["code"] == 0
    assert ids(folder) == of("a", "new", "c")


def test_a_third_run_goes_on_from_both_before(folder: Path) -> None:
    for number, name in enumerate("de"):
        write_jsonl(folder / "in" / f"{name}.jsonl", records(name, [30] * 40, number))
        assert launch(folder / "job.yaml")["code"] == 0
    body, _ = plan(folder)
    assert body == {}
    assert ids(folder) == of("a", "b", "c", "d", "e")
    assert len(set(column(newest(folder), "run"))) == 3


def test_nothing_new_is_said_and_is_no_error(folder: Path) -> None:
    write_jsonl(folder / "in" / "d.jsonl", records("d", [30] * 40, 9))
    launch(folder / "job.yaml")
    done = launch(folder / "job.yaml")
    assert done["code"] == 0
    assert "nothing is new" in done["said"]


def test_the_same_corpus_again_is_the_same_run(folder: Path) -> None:
    done = launch(folder / "job.yaml")
    assert done["code"] == 0
    assert "is finished: nothing to do" in done["said"]


def test_other_dimensions_are_a_new_run_of_everything_and_the_plan_says_why(folder: Path) -> None:
    write_job(folder, output="{path: out, dimensions: 16}")
    body, said = plan(folder)
    assert body["profile"]["documents"] == 120
    assert "output.dimensions was None, is 16" in " ".join(said.split())


def test_an_increment_verifies(folder: Path) -> None:
    write_jsonl(folder / "in" / "d.jsonl", records("d", [30] * 40, 9))
    launch(folder / "job.yaml")
    assert embedfleet("verify", folder=folder).returncode == 0


# --- which shards count

FILES = "abcdef"


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[tuple[str, Shard]], dict[str, str], set[str]]:
    """Shards of several slices each, over files some of which changed, went or are held elsewhere."""
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
    versions = {f"{name}.jsonl": draw(st.sampled_from(["1", "1", "1", "2"])) for name in FILES}
    now = {name: version for name, version in versions.items() if draw(st.integers(0, 5))}
    return shards, now, draw(st.sets(st.sampled_from([f"{name}.jsonl" for name in FILES]), max_size=1))


@given(corpora())
def test_a_file_counts_as_a_whole_or_not_at_all(
    found: tuple[list[tuple[str, Shard]], dict[str, str], set[str]],
) -> None:
    shards, now, covered = found
    good = unchanged_shards(shards, now, covered)
    held = Counter(piece for _, shard in good for piece in shard.slices)
    files = {piece.path for piece in held}
    assert all(now.get(piece.path) == piece.version and piece.path not in covered for piece in held)
    everything = {piece for _, shard in shards for piece in shard.slices if piece.path in files}
    assert set(held) == everything
    assert set(held.values()) <= {1}
