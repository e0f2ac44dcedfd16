"""Chroma, on its real server: what its contract does not hold, which is renames that are cut off and wrong answers."""

# chromadb is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from contextlib import closing
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.sinks.targets import Target, parse_target
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import dataset_of

pytestmark = pytest.mark.e2e


@pytest.fixture
def target(stores: VectorStores, tmp_path: Path) -> Target:
    return parse_target(stores.address("chroma", tmp_path))


@pytest.mark.parametrize("cut_off", [1, 2], ids=["before the old one lost its name", "between the renames"])
@pytest.mark.parametrize("again", [True, False], ids=["replace", "plain"])
def test_replacement_that_is_cut_off_at_its_renames_is_finished(
    cut_off: int, again: bool, target: Target, tmp_path: Path
) -> None:
    first = dataset_of(tmp_path / "one", 2, 10)
    second = dataset_of(tmp_path / "two", 3, 12, run="run-2")
    from chromadb.api.models.Collection import Collection

    renames = 0

    def modify(self: object, *words: object, **changes: object) -> None:
        nonlocal renames
        renames += "name" in changes
        if renames == cut_off and "name" in changes:
            raise Problem("the loader was killed", hint="again")
        whole(self, *words, **changes)

    with closing(connect(target)) as store:
        load(first, target, store)
    whole = Collection.modify
    with closing(connect(target)) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Collection, "modify", modify)
        with pytest.raises(Problem, match="was killed"):
            load(second, target, store, LoadOptions(replace=True))
    with closing(connect(target)) as store:
        if cut_off == 1 and not again:  # the old one serves still
            assert check_store(first, target, store).faults == ()
            with pytest.raises(Problem, match="holds run run-1, and not run-2"):
                load(second, target, store)
            return
        done = load(second, target, store, LoadOptions(replace=again))
        assert done.files_written == 0
        assert check_store(second, target, store).faults == ()
        assert load(second, target, store).action == "nothing"


def test_server_that_is_not_there_is_named_in_two_lines(tmp_path: Path) -> None:
    pytest.importorskip("chromadb")
    with pytest.raises(Problem, match="Chroma cannot be reached") as refused:
        connect(parse_target("chroma://127.0.0.1:9/docs"))
    assert "see that the server runs" in refused.value.hint


def test_collection_of_others_is_left_alone(target: Target, tmp_path: Path) -> None:
    from launcher.loading.stores.chroma import Chroma

    with closing(connect(target)) as store:
        load(dataset_of(tmp_path, 1, 5), target, store)
        assert isinstance(store, Chroma)
        store._collection().modify(metadata={"mine": "yes"})  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(Problem, match="embedfleet did not make it"):
            store.contents()
