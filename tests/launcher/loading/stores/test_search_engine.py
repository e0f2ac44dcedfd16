"""OpenSearch and Elasticsearch under faults of the wire, on our fake of both: each row is there once."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from launcher.cli.main import main
from launcher.errors import Problem
from launcher.loading.connect import connect
from launcher.loading.contents import Contents
from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.loader import LoadOptions, load, schema_of
from launcher.loading.stores.common import backpressure
from launcher.loading.stores.search_engines.search_engine import SearchEngine
from launcher.loading.vector_store import VectorStore
from launcher.sinks.targets import Target, parse_target
from launcher.vectors.read_dataset import Dataset, open_dataset
from tests.support.stores.search_server import Fault, order
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import dataset_of, unit_vectors, write_dataset_of, write_vectors

pytestmark = pytest.mark.e2e
PRODUCTS = ("opensearch", "elasticsearch")


@pytest.fixture(params=PRODUCTS)
def target(request: pytest.FixtureRequest, stores: VectorStores, tmp_path: Path) -> Target:
    return parse_target(stores.address(request.param, tmp_path))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backpressure, "FIRST_WAIT", 0.01)


FAULTS: dict[str, list[Fault]] = {
    "busy": ["busy"] * 3,
    "some rows busy": ["items busy"] * 3,
    "unavailable": ["unavailable"] * 2,
    "answers lost": ["lost"] * 3,
    "delivered twice": ["twice"] * 3,
    "all of them": ["lost", "items busy", "twice", "busy", "unavailable", "lost", "twice", "items busy"],
}


def assert_holds(store: VectorStore, dataset: Dataset) -> None:
    """The store has exactly the rows of the dataset, bit for bit."""
    schema = schema_of(dataset, store, ())
    parts = [rows for file in dataset.files for rows in rows_of(dataset, file, schema)]
    wanted = {
        key: vector.tobytes() for rows in parts for key, vector in zip(rows.keys(), rows.vectors, strict=True)
    }
    assert store.count() == len(wanted) == dataset.rows
    assert {key: vector.tobytes() for key, vector in store.fetch(list(wanted)).items()} == wanted


def test_full_disk_is_said_at_once_and_the_load_goes_on_afterwards(target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 3, 30)
    order(f"{target.host}:{target.port}", "full")
    with (
        closing(connect(target)) as store,
        pytest.raises(Problem, match=r"no room left on its disk: .*flood-stage"),
    ):
        load(dataset, target, store)
    with closing(connect(target)) as store:
        load(dataset, target, store)
        assert_holds(store, dataset)


@pytest.mark.parametrize("name", FAULTS)
def test_rows_are_there_once_after_faults(name: str, target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 6, 40)
    place = f"{target.host}:{target.port}"
    order(place, *FAULTS[name])
    with closing(connect(target)) as store:
        done = load(dataset, target, store)
        assert (done.rows_written, done.rows_refused) == (240, 0)
        assert done.notes[0].startswith("never run against an ")
        assert_holds(store, dataset)
    assert order(place) == []  # each was met


def test_difference_survives_lost_answers(target: Target, tmp_path: Path) -> None:
    first = dataset_of(tmp_path, 3, 20)
    with closing(connect(target)) as store:
        load(first, target, store)
        files = [
            write_vectors(
                tmp_path, "new", [f"n{n}" for n in range(20)], unit_vectors(20, first.dimensions, 5)
            )
        ]
        write_dataset_of(tmp_path, files, run="run-2")
        second = open_dataset(str(tmp_path), "run-2")
        order(f"{target.host}:{target.port}", "lost", "twice", "lost")
        done = load(second, target, store, LoadOptions(since="run-1"))
        assert done.rows_written == 20
        assert_holds(store, second)


def test_refused_rows_end_with_status_6(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ["a", "poison", "b"]
    file = write_vectors(tmp_path, "a", ids, unit_vectors(3, 32, 1), keep=("title",))
    write_dataset_of(tmp_path, [file], keep=("title",))
    assert main(["load", str(tmp_path), "--to", target.shown, "--json"]) == 6
    done = json.loads(capsys.readouterr().out)
    assert (done["rows_written"], done["rows_refused"]) == (2, 1)
    assert done["refused"] == ["poison:0: mapper_parsing_exception: failed to parse: the text is poison"]
    assert main(["load", str(tmp_path), "--to", target.shown]) == 6
    said = capsys.readouterr()
    assert "refused  poison:0" in said.out
    assert "note     never run against an " in said.out


def test_server_that_is_not_there_and_long_ids(target: Target, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be reached"):
        load(
            dataset_of(tmp_path / "x", 1, 5),
            target,
            connect(parse_target(f"{target.kind}://127.0.0.1:9/docs")),
        )
    ids = ["x" * 600, "x" * 601, "é" * 300, "short"]
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", ids, unit_vectors(4, 32, 1))])
    assert main(["load", str(tmp_path), "--to", target.shown, "--verify"]) == 0


def test_rows_whose_index_is_gone_are_no_success(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(tmp_path, 2, 10)
    with closing(connect(target)) as store:
        assert isinstance(store, SearchEngine)
        seal = store.seal

        def dropped(contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
            store.drop(store.mine()[0])
            return seal(contents, receipts)

        monkeypatch.setattr(store, "seal", dropped)
        with pytest.raises(Problem, match="is gone"):
            load(dataset, target, store)
