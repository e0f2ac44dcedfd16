"""A run that is loaded while it goes on: what is committed, what waits, what is told, and how the load ends."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.errors import Problem
from launcher.loading.connect import connect
from launcher.loading.follow import PATIENCE, Follower
from launcher.loading.loader import LoadOptions, load
from launcher.loading.progress.load_status import read_load_status
from launcher.loading.vector_store import Key, VectorStore
from launcher.sinks.targets import Target, parse_target
from launcher.vectors.read_dataset import open_dataset
from tasks.protocol.keys import load_status_key
from tasks.stores.folder import FolderStore
from tests.support.run_going_on import NOON, GoingOn
from tests.support.stores.loaded_rows import assert_holds
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import unit_vectors

ROWS = GoingOn.rows
OTHERS = ("qdrant", "redis", "milvus", "chroma")


def follower(
    going: GoingOn,
    to: Path,
    steps: list[Callable[[], None]],
    opener: Callable[[], VectorStore] | None = None,
    to_store: Target | None = None,
) -> tuple[Follower, list[str]]:
    """A follower that carries out a step of the test instead of each pause, and is not wanted after the last."""
    target, said, clock = to_store or parse_target(str(to)), list[str](), [0.0]

    def pause(seconds: float) -> None:
        clock[0] += seconds
        if steps:
            steps.pop(0)()

    made = Follower(
        going.committed(),
        target,
        opener or (lambda: connect(target)),
        LoadOptions(),
        said.append,
        wanted=lambda: True,
        pause=pause,
        clock=lambda: clock[0],
        now=lambda: NOON,
    )
    return made, said


def rows_of(path: Path) -> list[tuple[str, str]]:
    import lance  # not at collection: tests of the same process fork, and it warns of that

    table: pa.Table = lance.dataset(str(path)).to_table()
    return sorted(zip(map(str, table["id"].to_pylist()), map(str, table["vector"].to_pylist()), strict=True))


def test_shards_are_committed_by_their_receipts_alone(tmp_path: Path) -> None:
    going = GoingOn(tmp_path / "out")
    committed = going.committed()
    committed.read()
    assert committed.files() == []
    going.do(1)
    committed.read()
    assert [file.rows for file in committed.files()] == [ROWS]
    assert committed.ended() is None
    going.do(0)
    going.do(2)
    committed.read()
    assert [Path(file.key).stem for file in committed.files()] == ["run-1-0-0", "run-1-1-0", "run-1-2-0"]
    assert committed.ended() is None  # the dataset is not written yet
    going.end()
    ended = committed.ended()
    assert ended is not None
    assert ended.files == open_dataset(str(tmp_path / "out"), "run-1").files


def test_shard_that_is_put_back_is_committed_no_more(tmp_path: Path) -> None:
    going = GoingOn(tmp_path / "out")
    committed = going.committed()
    going.do(0)
    going.do(1)
    committed.read()
    going.put_back(0)
    committed.read()
    assert [Path(file.key).stem for file in committed.files()] == ["run-1-1-0"]
    going.do(0, retry=1)
    committed.read()
    assert [Path(file.key).stem for file in committed.files()] == ["run-1-0-1", "run-1-1-0"]


def test_run_is_not_ended_by_a_dataset_from_before_a_retry(tmp_path: Path) -> None:
    going = GoingOn(tmp_path / "out", shards=2)
    going.do(0)
    going.do(1)
    going.end()
    going.put_back(1)
    going.do(1, retry=1, seed=9)
    committed = going.committed()
    committed.read()
    assert committed.ended() is None
    going.end()
    assert committed.ended() is not None


def test_shards_are_loaded_as_they_are_done_and_committed_at_the_end(tmp_path: Path) -> None:
    going, to = GoingOn(tmp_path / "out"), tmp_path / "docs.lance"
    loads = tmp_path / "out" / "_embedfleet" / "run-1" / "loads"
    seen: list[int] = []

    def do(position: int) -> Callable[[], None]:
        def step() -> None:
            seen.append(len(list(loads.glob("*/*.json"))))
            going.do(position)

        return step

    made, said = follower(going, to, [do(2), do(0), do(1), going.end])
    found = made.follow()
    assert seen == [0, 1, 2]
    assert found is not None
    assert (found.rows, found.files_written) == (3 * ROWS, 0)  # all were there before the end
    assert len(rows_of(to)) == 3 * ROWS
    status = read_load_status(going.store, "run-1")
    assert status is not None
    assert (status.state, status.rows, status.rows_loaded, status.error) == ("done", 60, 60, None)
    assert said[-1].startswith("loading what is left into")


def test_store_that_is_away_is_told_once_and_asked_again(tmp_path: Path) -> None:
    going, to, away = GoingOn(tmp_path / "out", shards=1), tmp_path / "docs.lance", [True]
    states: list[str | None] = []

    def look() -> None:
        status = read_load_status(going.store, "run-1")
        states.append(status and status.state)

    def opener() -> VectorStore:
        if away[0]:
            raise Problem("the store is away", hint="start it")
        return connect(parse_target(str(to)))

    going.do(0)
    made, said = follower(
        going, to, [look, look, lambda: away.clear() or away.append(False), look, going.end], opener
    )
    assert made.follow() is not None
    assert states == ["away", "away", "waiting"]
    assert said[0] == "the store is away: the load is tried again, first in 2 s; embedding goes on"
    assert said[1].endswith("docs.lance answers again: 20 rows behind")
    assert len(said) == 3
    assert len(rows_of(to)) == ROWS


def test_store_that_stays_away_when_the_run_is_done_ends_the_load(tmp_path: Path) -> None:
    going, tries = GoingOn(tmp_path / "out", shards=1), [0]

    def opener() -> VectorStore:
        tries[0] += 1
        raise Problem("the store is away", hint="start it")

    going.do(0)
    going.end()
    made, _ = follower(going, tmp_path / "docs.lance", [], opener)
    with pytest.raises(Problem, match="the store is away"):
        made.follow()
    assert 4 < tries[0] < PATIENCE
    status = read_load_status(going.store, "run-1")
    assert status is not None
    assert (status.state, status.error, status.hint, status.rows_loaded) == (
        "away",
        "the store is away",
        "start it",
        None,  # it was never asked what it has
    )


def test_collection_of_another_model_is_told_while_the_run_goes_on(tmp_path: Path) -> None:
    going, to = GoingOn(tmp_path / "out", shards=2), tmp_path / "docs.lance"
    other = GoingOn(tmp_path / "other", shards=1, run="run-0", model_fingerprint="sha256:" + "2" * 64)
    other.do(0)
    other.end()
    load(open_dataset(str(tmp_path / "other")), parse_target(str(to)), connect(parse_target(str(to))))
    going.do(0)
    made, said = follower(going, to, [])
    made.wanted = lambda: not said
    assert made.follow() is None
    assert "holds another model" in said[0]
    assert len(rows_of(to)) == ROWS


def test_collection_of_the_run_before_gets_the_difference_at_the_end(tmp_path: Path) -> None:
    to = tmp_path / "docs.lance"
    before = GoingOn(tmp_path / "out", shards=2, run="run-0")
    for position in (0, 1):
        before.do(position)
    before.end()
    load(open_dataset(str(tmp_path / "out"), "run-0"), parse_target(str(to)), connect(parse_target(str(to))))
    going = GoingOn(tmp_path / "out", shards=3, run="run-1")
    for position in (0, 1):
        going.do(position)
    made, _ = follower(going, to, [lambda: going.do(2), going.end])
    found = made.follow()
    assert found is not None
    assert (found.action, found.since, found.rows) == ("change", "run-0", 3 * ROWS)
    assert len(rows_of(to)) == 3 * ROWS


def test_loader_that_is_not_wanted_ends_without_a_word(tmp_path: Path) -> None:
    made, said = follower(GoingOn(tmp_path / "out"), tmp_path / "docs.lance", [])
    made.wanted = lambda: False
    assert made.follow() is None
    assert said == []


def test_complete_collection_of_a_run_that_was_embedded_again_is_refused(tmp_path: Path) -> None:
    going, target = GoingOn(tmp_path / "out", shards=2), parse_target(str(tmp_path / "docs.lance"))
    going.do(0)
    going.do(1)
    going.end()
    load(open_dataset(str(tmp_path / "out")), target, connect(target))
    going.put_back(1)
    going.do(1, retry=1, seed=9)
    going.end()
    dataset = open_dataset(str(tmp_path / "out"))
    with pytest.raises(Problem, match="before shards of it were embedded again: 1 other file"):
        load(dataset, target, connect(target))
    load(dataset, target, connect(target), LoadOptions(replace=True))
    written: Any = pq.ParquetFile(tmp_path / "out" / "data" / "run-1-1-1.parquet")
    table: pa.Table = written.read()
    assert set(zip(table["id"].to_pylist(), map(str, table["vector"].to_pylist()), strict=True)) <= set(
        rows_of(tmp_path / "docs.lance")
    )


def test_damaged_state_of_a_load_is_none(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert read_load_status(store, "run-1") is None
    store.put(load_status_key("run-1"), b'{"state": "loa')
    assert read_load_status(store, "run-1") is None


def test_shard_that_is_embedded_again_while_it_is_loaded_is_there_once(
    tmp_path: Path, stores: VectorStores
) -> None:
    going, target = GoingOn(tmp_path / "out", shards=2), parse_target(stores.address("pgvector", tmp_path))

    def again() -> None:
        going.put_back(0)
        going.do(0, retry=1, seed=9)
        going.do(1)
        going.end()

    going.do(0)
    made, _ = follower(going, tmp_path, [again], lambda: connect(target), target)
    found = made.follow()
    assert found is not None
    store = connect(target)
    assert store.count() == 2 * ROWS
    kept = store.fetch([Key(f"0-{row}", 0) for row in range(ROWS)])
    vectors = unit_vectors(ROWS, GoingOn.dimensions, 9)
    assert [kept[Key(f"0-{row}", 0)].tobytes() for row in range(ROWS)] == [one.tobytes() for one in vectors]
    store.close()


@pytest.mark.parametrize(
    "kind", ["lance", "pgvector", *(pytest.param(k, marks=pytest.mark.e2e) for k in OTHERS)]
)
@pytest.mark.parametrize("without", [0, 3], ids=["whole", "some set aside"])
def test_shard_that_is_embedded_again_after_its_load_is_there_once(
    without: int, kind: str, tmp_path: Path, stores: VectorStores
) -> None:
    """The loader is killed behind each step, and another one goes on."""
    going, target = GoingOn(tmp_path / "out", shards=3), parse_target(stores.address(kind, tmp_path))

    def again() -> None:
        going.put_back(0)
        going.do(0, retry=1, seed=9, without=without)

    for step in (lambda: going.do(0), lambda: going.do(1), again, lambda: going.do(2)):
        step()
        made, _ = follower(going, tmp_path, [], lambda: connect(target), target)
        looks = iter((True, False))
        made.wanted = lambda looks=looks: next(looks)
        assert made.follow() is None  # it has loaded what is there, and is no more
    going.end()
    made, _ = follower(going, tmp_path, [], lambda: connect(target), target)
    found = made.follow()
    assert found is not None
    with closing(connect(target)) as store:
        dataset = open_dataset(str(tmp_path / "out"))
        assert_holds(store, dataset)
        assert load(dataset, target, store).action == "nothing"
    assert found.rows == 3 * ROWS - without
