"""The rows of a collection are of one model and have the same columns."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from launcher.errors import Problem
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.documents import LoadDocument
from launcher.loading.loader import LoadOptions, load
from launcher.loading.vector_store import VectorStore
from launcher.sinks.targets import Target
from tests.support.stores.loaded_rows import OTHER_WEIGHTS, assert_holds
from tests.support.vector_datasets import dataset_of


def broken(*_about: object) -> str | None:
    """What stands for the end of a load that fails."""
    raise Problem("the line broke", hint="again")


@pytest.mark.parametrize(
    "other",
    [
        {"model_fingerprint": OTHER_WEIGHTS},
        {"model_fingerprint": None},
        {"prompt": "passage: "},
        {"precision": "fp8"},
    ],
    ids=["weights", "unknown", "prompt", "precision"],
)
def test_vectors_of_another_model_do_not_come_in(
    other: dict[str, Any], store: VectorStore, target: Target, tmp_path: Path
) -> None:
    load(dataset_of(tmp_path / "one", 1, 10), target, store)
    second = dataset_of(tmp_path / "two", 1, 10, run="run-2", **other)
    for options in (LoadOptions(), LoadOptions(since="run-2")):
        with pytest.raises(Problem, match=r"holds (another model|vectors with other)"):
            load(second, target, store, options)
    assert store.count() == 10


def test_rest_of_a_load_goes_on_with_the_columns_that_it_began_with(
    replaced: bool, store: VectorStore, target: Target, tmp_path: Path
) -> None:
    """Else a part of the rows would lack a column, and nothing would say so."""
    dataset = dataset_of(tmp_path / "now", 3, 10, run="run-2", keep=("title", "lang"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "seal", broken)
        with pytest.raises(Problem, match="the line broke"):
            load(dataset, target, store, LoadOptions(replace=replaced, keep=("lang",)))
    with closing(connect(target)) as own:
        if not replaced:
            with pytest.raises(
                Problem, match="the kept columns lang, and this load has no kept column"
            ) as no:
                load(dataset, target, own, LoadOptions(keep=()))
            assert "--keep lang, as it began" in no.value.hint
        done = load(dataset, target, own, LoadOptions(replace=replaced, keep=("lang",) if replaced else None))
        assert done.files_written == 0
        assert_holds(own, dataset)
        assert own.contents().kept == ("lang",)  # pyright: ignore[reportOptionalMemberAccess]


def test_replacement_with_other_columns_begins_anew(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    """It does not go on with the files of one of the same run, whose rows lack them."""
    dataset = dataset_of(tmp_path / "now", 3, 10, run="run-2", keep=("title", "lang"))
    load(dataset_of(tmp_path / "before", 1, 7), target, store)
    with closing(connect(target)) as first, pytest.MonkeyPatch.context() as patch:
        patch.setattr(first, "seal", broken)
        with pytest.raises(Problem, match="the line broke"):
            load(dataset, target, first, LoadOptions(replace=True, keep=("lang",)))
    with closing(connect(target)) as second:
        done = load(dataset, target, second, LoadOptions(replace=True))
        assert done.files_written == 3
        assert_holds(second, dataset)
        assert second.contents().kept == ("title", "lang")  # pyright: ignore[reportOptionalMemberAccess]


def test_difference_comes_with_the_columns_that_are_there(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    first = dataset_of(tmp_path, 2, 10, keep=("title", "lang"))
    load(first, target, store, LoadOptions(keep=("lang",)))
    with pytest.raises(Problem, match="the kept columns lang, and this load has the kept columns title"):
        load(first, target, store, LoadOptions(keep=("title",)))
    second = dataset_of(tmp_path, 3, 10, run="run-2", keep=("title", "lang"))
    done = load(second, target, store, LoadOptions(since="run-1"))
    assert (done.action, done.files_written) == ("change", 1)
    assert_holds(store, second)
    without = dataset_of(tmp_path, 4, 10, run="run-3")
    with pytest.raises(Problem, match="the kept columns lang, and this load has no kept column") as no:
        load(without, target, store, LoadOptions(since="run-2"))
    assert "--replace" in no.value.hint
    assert store.count() == 30


# Of columns that some store has itself, cannot search by, cuts or does not take.
NAMES = ("ctid", "_distance", "$meta", "a.b", "x" * 80)


@pytest.mark.parametrize("name", NAMES)
def test_kept_column_is_there_or_refused_before_anything_is_made(
    name: str, store: VectorStore, target: Target, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 1, 12, keep=(name,))
    done: LoadDocument | None = None
    refused: Problem | None = None
    try:
        done = load(dataset, target, store)
    except Problem as error:
        refused = error
    if refused is not None:
        assert name in str(refused)
        assert "--keep" in refused.hint
        with closing(connect(target)) as other:
            assert other.contents() is None
    if done is not None:
        assert done.refused == ()
        assert check_store(dataset, target, store).faults == ()
        again = load(dataset, target, store)
        assert again.action == "nothing"
