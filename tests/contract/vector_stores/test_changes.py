"""A collection gets the difference of two runs, or another run takes its place."""

from contextlib import closing
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.loading.vector_store import Key, VectorStore
from launcher.sinks.targets import Target
from tests.support.stores.loaded_rows import OTHER_WEIGHTS, Grown, assert_holds
from tests.support.vector_datasets import dataset_of


def test_difference_of_two_runs_changes_those_keys_alone(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    grown = Grown(tmp_path)
    load(grown.first, target, store)
    with pytest.raises(Problem, match="holds run run-1, and not run-2") as refused:
        load(grown.second, target, store)
    assert "--since run-1" in refused.value.hint
    done = load(grown.second, target, store, LoadOptions(since="run-1"))
    assert (done.files_written, done.rows_written, done.rows_deleted) == (2, 39, 21)
    assert_holds(store, grown.second)
    assert store.fetch([Key("b7", 0), Key("c1", 0)]) == {}
    assert load(grown.second, target, store, LoadOptions(since="run-1")).action == "nothing"


def test_difference_goes_back_and_forth(store: VectorStore, target: Target, tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    load(grown.first, target, store)
    for _ in range(2):
        load(grown.second, target, store, LoadOptions(since="run-1"))
        assert_holds(store, grown.second)
        load(grown.first, target, store, LoadOptions(since="run-2"))
        assert_holds(store, grown.first)


def test_difference_that_failed_goes_on(store: VectorStore, target: Target, tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    load(grown.first, target, store)

    def fail(_keys: object) -> int:
        raise Problem("the line broke", hint="again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "delete", fail)
        with pytest.raises(Problem, match="the line broke"):
            load(grown.second, target, store, LoadOptions(since="run-1"))
    with pytest.raises(Problem, match="between run run-1 and run run-2"):
        load(grown.first, target, store)
    load(grown.second, target, store, LoadOptions(since="run-1"))
    assert_holds(store, grown.second)


def test_replacement_takes_the_place_when_it_is_whole(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    first = dataset_of(tmp_path / "one", 2, 10)
    second = dataset_of(tmp_path / "two", 3, 12, run="run-2", model_fingerprint=OTHER_WEIGHTS)
    load(first, target, store)

    def fail(*_: object) -> None:
        raise Problem("the line broke", hint="again")

    with closing(connect(target)) as own, pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "seal", fail)
        with pytest.raises(Problem, match="the line broke"):
            load(second, target, own, LoadOptions(replace=True))
    with closing(connect(target)) as reader:
        assert_holds(reader, first)
    with closing(connect(target)) as own:
        done = load(second, target, own, LoadOptions(replace=True))
        assert (done.action, done.files_written) == ("replace", 0)
    with closing(connect(target)) as reader:
        assert_holds(reader, second)


def test_replacement_may_have_other_dimensions_columns_and_type(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    first = dataset_of(tmp_path / "one", 1, 10, keep=("title",))
    dimensions = 32 if target.kind == "pinecone" else 64  # whose index is the user's
    second = dataset_of(tmp_path / "two", 2, 10, dimensions, "binary", run="run-2", keep=("lang", "year"))
    load(first, target, store)
    with closing(connect(target)) as own:
        done = load(second, target, own, LoadOptions(replace=True))
        assert (done.action, done.files_written) == ("replace", 2)
    with closing(connect(target)) as reader:
        assert_holds(reader, second)
        assert check_store(second, target, reader).faults == ()


def test_replacement_may_have_no_row(store: VectorStore, target: Target, tmp_path: Path) -> None:
    load(dataset_of(tmp_path / "one", 1, 10), target, store)
    empty = dataset_of(tmp_path / "two", 1, 0, run="run-2")
    with closing(connect(target)) as own:
        assert load(empty, target, own, LoadOptions(replace=True)).action == "replace"
        found = check_store(empty, target, own)
        assert (found.rows, found.faults, found.recall_at_10) == (0, (), None)
