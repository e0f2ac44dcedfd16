"""Weaviate under faults of the wire, on our fake of it: each row is there once, and what cannot be is said."""

import json
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from launcher.cli.main import main
from launcher.errors import Problem
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.loading.stores.common import backpressure
from launcher.loading.vector_store import Key, VectorStore
from launcher.sinks.targets import Target, parse_target
from launcher.vectors.read_dataset import open_dataset
from tests.support import json_server
from tests.support.faults import Fault
from tests.support.stores.vector_stores import VectorStores
from tests.support.stores.weaviate_engine import POISON, SLOW, STUCK
from tests.support.vector_datasets import dataset_of, unit_vectors, write_dataset_of, write_vectors

pytestmark = pytest.mark.e2e


@pytest.fixture
def target(stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setattr(backpressure, "FIRST_WAIT", 0.01)
    return parse_target(stores.address("weaviate", tmp_path))


@pytest.fixture
def store(target: Target) -> Iterator[VectorStore]:
    with closing(connect(target)) as found:
        yield found


FAULTS: dict[str, list[Fault]] = {
    "busy": ["busy"] * 5,
    "unavailable": ["unavailable"] * 3,
    "lost": ["lost"] * 3,
    "half of a batch": ["partial"] * 5,
    "all of them": ["lost", "busy", "partial", "unavailable", "partial", "busy"],
}


@pytest.mark.parametrize("name", FAULTS)
def test_rows_are_there_once_after_faults(
    name: str, store: VectorStore, target: Target, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 4, 50)
    server = f"http://{target.host}:{target.port}"
    json_server.order(server, *FAULTS[name])
    done = load(dataset, target, store)
    assert json_server.orders_left(server) == 0
    assert (done.rows_written, done.rows_refused, store.count()) == (200, 0, 200)
    assert done.notes[0].startswith("never run against a Weaviate server")
    assert load(dataset, target, store).action == "nothing"


def test_refused_row_is_named_and_the_status_is_6(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_vectors(tmp_path, "a", ["a", POISON, "b"], unit_vectors(3, 32, 1))
    write_dataset_of(tmp_path, [file])
    assert main(["load", str(tmp_path), "--to", target.shown, "--json"]) == 6
    done = json.loads(capsys.readouterr().out)
    assert (done["rows_written"], done["rows_refused"]) == (2, 1)
    assert done["refused"] == [f"{POISON}:0: invalid text property 'document_id': the text is poison"]


def test_row_that_stands_alone_in_its_batch_is_refused(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    files = [write_vectors(tmp_path, n, [n], unit_vectors(1, 32, 1)) for n in ("a", POISON)]
    write_dataset_of(tmp_path, files)
    done = load(open_dataset(str(tmp_path)), target, store)
    assert (done.rows_written, done.rows_refused, store.count()) == (1, 1, 1)


def test_row_that_changes_is_replaced_whole(store: VectorStore, target: Target, tmp_path: Path) -> None:
    """A kept value that is gone does not stay behind: a client would find it."""
    first = write_vectors(tmp_path, "a", ["x"], unit_vectors(1, 32, 1), keep=("title",))
    write_dataset_of(tmp_path, [first], keep=("title",))
    load(open_dataset(str(tmp_path)), target, store)
    second = write_vectors(tmp_path, "b", ["x"], unit_vectors(1, 32, 2), keep=("title",))
    write_dataset_of(tmp_path, [second], keep=("title",), run="run-2")
    done = load(open_dataset(str(tmp_path), "run-2"), target, store, LoadOptions(since="run-1"))
    assert (done.rows_written, done.rows_deleted, store.count()) == (1, 0, 1)
    assert store.fetch([Key("x", 0)])[Key("x", 0)].tobytes() == unit_vectors(1, 32, 2)[0].tobytes()


def test_load_ends_when_no_vector_waits_for_the_index(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", ["x", SLOW], unit_vectors(2, 32, 1))])
    assert load(open_dataset(str(tmp_path)), target, store).rows_written == 2


def test_index_that_does_not_go_on_is_given_up(
    store: VectorStore, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launcher.loading.stores.weaviate_collections.PATIENCE", 1.0)
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", ["x", STUCK], unit_vectors(2, 32, 1))])
    with pytest.raises(Problem, match="index has not gone on for 1 seconds; 1 vector waits"):
        load(open_dataset(str(tmp_path)), target, store)


@pytest.mark.parametrize("column", ["Title", "two words"])
def test_column_that_can_be_no_property_is_refused(
    column: str, store: VectorStore, target: Target, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 1, 5, keep=(column,))
    with pytest.raises(Problem, match=f"the kept column '{column}'") as refused:
        load(dataset, target, store)
    assert "--keep" in refused.value.hint


def test_collection_of_others_is_left_alone(store: VectorStore, target: Target, tmp_path: Path) -> None:
    weaviate: Any = import_module("weaviate")
    grpc_port = int(target.options["grpc"])
    other = weaviate.connect_to_local(target.host, target.port, grpc_port, skip_init_checks=True)
    with closing(other):
        other.collections.create(target.collection)
        with pytest.raises(Problem, match="embedfleet did not make it"):
            load(dataset_of(tmp_path, 1, 5), target, store)


def test_server_that_is_not_there_is_named() -> None:
    pytest.importorskip("weaviate", reason="no client of Weaviate here: make e2e-load installs it")
    with pytest.raises(Problem, match="Weaviate does not do what it is asked"):
        connect(parse_target("weaviate://127.0.0.1:9/docs"))


def test_second_port_that_is_wrong_is_named(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    weaviate_client: Any = import_module("launcher.loading.stores.weaviate_client")
    impatient = weaviate_client.TIMEOUT.model_copy(update={"init": 1})
    monkeypatch.setattr(weaviate_client, "TIMEOUT", impatient)
    wrong = parse_target(f"weaviate://{target.host}:{target.port}/docs?grpc=9")
    with pytest.raises(Problem, match=r"gRPC cannot be reached at 127\.0\.0\.1:9") as refused:
        connect(wrong)
    assert "?grpc=PORT" in refused.value.hint
