"""Several loaders of one collection, at once and late: each row comes once, and no later load is undone."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from launcher.errors import Problem
from launcher.loading.connect import connect
from launcher.loading.documents import LoadDocument
from launcher.loading.loader import LoadOptions, load
from launcher.loading.stores.common import fence
from launcher.loading.stores.common.behind_alias import BehindAlias
from launcher.sinks.targets import Target
from launcher.vectors.read_dataset import Dataset
from tests.contract.vector_stores.conftest import E2E, SEARCH
from tests.support.stores.loaded_rows import Grown, assert_holds
from tests.support.vector_datasets import dataset_of


def test_two_loaders_at_once_load_each_row_once(target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 12, 30)

    def work(_number: int) -> None:
        with closing(connect(target)) as own:
            load(dataset, target, own)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    with closing(connect(target)) as store:
        assert_holds(store, dataset)


def test_loaders_that_share_a_load_write_each_file_once(
    replaced: bool, target: Target, tmp_path: Path
) -> None:
    """As rented loaders do; one that comes late, as after a preemption, has nothing to do."""
    dataset = dataset_of(tmp_path / "now", 12, 30, run="run-2")
    options = LoadOptions(replace=replaced, load=uuid4().hex[:12], parallel=2)

    def work(_number: int) -> LoadDocument:
        with closing(connect(target)) as own:
            return load(dataset, target, own, options)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(work, range(2)))
    assert sum(one.files_written for one in found) == 12
    assert sum(one.rows_written for one in found) == 360
    assert work(3).action == "nothing"
    with closing(connect(target)) as store:
        assert_holds(store, dataset)


def end_and_replace(target: Target, dataset: Dataset, options: LoadOptions, folder: Path) -> Dataset:
    """What happens while a loader is away: another one ends its load, and a later load replaces that."""
    newest = dataset_of(folder / "newest", 2, 9, run="run-3")
    for wanted, how in ((dataset, options), (newest, LoadOptions(replace=True))):
        with closing(connect(target)) as other:
            load(wanted, target, other, how)
    return newest


def test_loader_that_comes_back_after_a_later_load_changes_nothing(
    replaced: bool, target: Target, tmp_path: Path
) -> None:
    """As a rented machine does that was lost, and starts its loader again."""
    dataset = dataset_of(tmp_path / "now", 3, 30, run="run-2")
    options = LoadOptions(replace=True, load=uuid4().hex[:12])
    newest = end_and_replace(target, dataset, options, tmp_path)
    with (
        closing(connect(target)) as late,
        pytest.raises(Problem, match="run run-3 by a load that began later"),
    ):
        load(dataset, target, late, options)
    with closing(connect(target)) as store:
        assert_holds(store, newest)


def test_loader_that_was_held_up_before_the_end_changes_nothing(
    replaced: bool, target: Target, tmp_path: Path
) -> None:
    """Its lease has run out, another loader has ended the load, and a later load has replaced that."""
    dataset = dataset_of(tmp_path / "now", 3, 30, run="run-2")
    newest: list[Dataset] = []
    with closing(connect(target)) as late, pytest.MonkeyPatch.context() as patch:
        seal = late.seal

        def held_up(contents: Any, receipts: Any) -> str | None:
            newest.append(end_and_replace(target, dataset, LoadOptions(replace=replaced), tmp_path))
            return seal(contents, receipts)

        patch.setattr(late, "seal", held_up)
        with pytest.raises(Problem, match="run run-3 by a load that began later"):
            load(dataset, target, late, LoadOptions(replace=replaced))
    with closing(connect(target)) as store:
        assert_holds(store, newest[0])


# Services write a record over another one, without a comparison. PostgreSQL holds a lock from the look to the change.
ALIASES = ("milvus", "qdrant", "redis", "chroma", "weaviate", *SEARCH)
FENCED = ("lance", "lance in s3", *(pytest.param(kind, marks=E2E) for kind in ALIASES))


def load_into(target: Target, dataset: Dataset, options: LoadOptions) -> None:
    with closing(connect(target)) as store:
        load(dataset, target, store, options)


@pytest.mark.parametrize("target", FENCED, indirect=True)
def test_later_load_between_the_look_and_the_change_is_not_undone(target: Target, tmp_path: Path) -> None:
    load_into(target, dataset_of(tmp_path / "before", 1, 7), LoadOptions())
    newest = dataset_of(tmp_path / "newest", 2, 9, run="run-3")
    with closing(connect(target)) as late, pytest.MonkeyPatch.context() as patch:
        where: Any = late if isinstance(late, BehindAlias) else import_module(type(late).__module__)
        name = "move" if isinstance(late, BehindAlias) else "check_takes_place"
        own, seen = getattr(where, name), list[int]()

        def overtaken(*about: Any) -> None:
            seen.append(1)
            if name == "check_takes_place":
                own(*about)
            if len(seen) == 1:
                load_into(target, newest, LoadOptions(replace=True))
            if name == "move":
                own(*about)

        patch.setattr(where, name, overtaken)
        dataset = dataset_of(tmp_path / "now", 3, 30, run="run-2")
        with pytest.raises(Problem, match="run run-3 by a load that began later"):
            load(dataset, target, late, LoadOptions(replace=True))
    with closing(connect(target)) as store:
        assert_holds(store, newest)


# These compare nothing with what is written: a loader looks at the record again where so much time has passed that
# another load may have ended.
TOLD = ("lance", "chroma", "weaviate", "s3vectors", "turbopuffer", "pinecone")


@pytest.mark.parametrize("held", ["first load", "difference", "delete"])
def test_loader_that_was_frozen_brings_back_no_row(
    held: str, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile another loader has ended its load, and a later load has changed rows and deleted some."""
    grown = Grown(tmp_path)
    if target.kind in TOLD:
        monkeypatch.setattr(fence, "LOOK_SECONDS", 0.0)
    mine, how = grown.first, LoadOptions()
    after, then = grown.second, LoadOptions(since="run-1")
    if held != "first load":
        load_into(target, mine, how)
        mine, how, after, then = after, then, mine, LoadOptions(since="run-2")
    with closing(connect(target)) as late, pytest.MonkeyPatch.context() as patch:
        name = "delete" if held == "delete" else "write"
        own, seen = getattr(late, name), list[int]()

        def frozen(*about: Any, **more: Any) -> Any:
            seen.append(1)
            if len(seen) == 1:
                load_into(target, mine, how)
                load_into(target, after, then)
            return own(*about, **more)

        patch.setattr(late, name, frozen)
        with pytest.raises(Problem, match=f"holds run {after.run} by a load that began later"):
            load(mine, target, late, replace(how, parallel=1))
    with closing(connect(target)) as store:
        assert_holds(store, after)
