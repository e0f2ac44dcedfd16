"""Lance: two loaders that begin at once, of which the store lets both make the dataset; its index."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.contents import encode
from launcher.loading.loader import load
from launcher.loading.stores.lance import HELD, Lance
from launcher.sinks.targets import Target, parse_target
from tests.support.vector_datasets import dataset_of


def lance_at(target: Target) -> Lance:
    found = connect(target)
    assert isinstance(found, Lance)
    return found


@pytest.mark.parametrize("done", [False, True], ids=["under way", "done"])
def test_a_loader_ends_whose_dataset_was_made_again_by_another(
    done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = parse_target(f"lance://{tmp_path}/docs.lance")
    dataset = dataset_of(tmp_path, 3, 30)
    with closing(lance_at(target)) as mine, closing(lance_at(target)) as other:
        seal = mine.seal

        def beside(contents: Any, receipts: Any) -> str | None:
            made = replace(contents, collection="other", load="other", complete=False, rows=None)
            with_record(other, made)
            if done:
                load(dataset, target, other)
            return seal(contents, receipts)

        monkeypatch.setattr(mine, "seal", beside)
        load(dataset, target, mine)
        assert mine.count() == 90
        held = mine.contents()
    assert held is not None
    assert (held.complete, held.run) == (True, "run-1")
    assert (held.collection == "other") == done


def with_record(store: Lance, contents: Any) -> None:
    """Let the dataset say that another load is under way."""
    there = store._there()  # pyright: ignore[reportPrivateUsage] # as another loader's create leaves it
    there.update_schema_metadata({HELD: encode(contents)})


def test_index_of_many_rows_finds_the_nearest(tmp_path: Path) -> None:
    dataset, target = dataset_of(tmp_path / "out", 2, 3_000), parse_target(str(tmp_path / "docs.lance"))
    with closing(connect(target)) as store:
        assert load(dataset, target, store).index.startswith("IVF_HNSW_SQ")
        found = check_store(dataset, target, store)
    assert (found.faults, found.exact_recall_at_10) == ((), 1.0)
    assert found.recall_at_10 is not None
    assert found.recall_at_10 >= 0.95
