"""Pinecone's bulk import, on a server of ours that reads the files as the documentation says: one job, whatever fails."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from launcher.errors import Problem, Usage
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.loading.preview import preview
from launcher.loading.vector_store import Key
from launcher.sinks.targets import parse_target
from tasks.stores.base import list_all
from tasks.stores.open import open_store
from tests.support import json_server
from tests.support.buckets import Servers
from tests.support.faults import Fault
from tests.support.stores import pinecone_server
from tests.support.vector_datasets import dataset_of, unit_vectors


class Place:
    """A server of Pinecone that sees a bucket."""

    def __init__(self, server: str, bucket: str) -> None:
        self.server, self.bucket = server, bucket
        self.target = parse_target(f"pinecone://docs-32/papers?import={bucket}/import")


@pytest.fixture
def place(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    pytest.importorskip("pinecone", reason="no client of Pinecone here: make e2e-load installs it")
    from launcher.loading.stores.services import pinecone_import

    monkeypatch.setattr(pinecone_import, "IMPORT_POLL", 0.1)
    bucket = servers.bucket("s3", monkeypatch)  # before the server, which inherits where it is
    with pinecone_server.running_pinecone() as server:
        for name, value in pinecone_server.environment(server).items():
            monkeypatch.setenv(name, value)
        yield Place(server, bucket)


def jobs(store: Any) -> list[Any]:
    return list(store._index.list_imports())


@pytest.mark.parametrize("faults", [(), ("lost",), ("unavailable", "unavailable"), ("partial",)], ids=str)
def test_rows_are_imported_once_whatever_becomes_of_the_answer(
    faults: tuple[Fault, ...], place: Place, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 3, 40, keep=("title",))
    with closing(connect(place.target)) as store:
        own: Any = store
        write_record = own.write_record

        def with_faults(name: str, text: str) -> None:
            write_record(name, text)
            if '"complete":false' in text:
                json_server.order(place.server, *faults)  # the next write is the start of the import

        own.write_record = with_faults
        done = load(dataset, place.target, store)
        assert (done.guarantee, done.rows_written, done.read_as) == ("one commit", 120, "papers")
        assert store.count() == 120
        found = store.fetch([Key("1-7", 0)])
        assert found[Key("1-7", 0)].tobytes() == unit_vectors(40, 32, 1)[7].tobytes()
        finished = [job for job in jobs(store) if job.status == "Completed"]
        assert len(finished) == 1
        assert load(dataset, place.target, store).action == "nothing"
    assert list(list_all(open_store(f"{place.bucket}/import"), "")) == []


def test_load_that_was_killed_behind_the_start_of_the_import_starts_no_second_one(
    place: Place, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 2, 20)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with closing(connect(place.target)) as store:
        own: Any = store
        own._wait_for_job = killed
        with pytest.raises(KeyboardInterrupt):
            load(dataset, place.target, store)
    with closing(connect(place.target)) as store:
        done = load(dataset, place.target, store)
        assert done.files_written == 0
        assert store.count() == 40
        assert len(jobs(store)) == 1


def test_replacement_is_imported_beside_and_a_difference_is_refused(place: Place, tmp_path: Path) -> None:
    first = dataset_of(tmp_path / "one", 1, 10)
    second = dataset_of(tmp_path / "two", 2, 10, run="run-2")
    with closing(connect(place.target)) as store:
        load(first, place.target, store)
    with closing(connect(place.target)) as store:
        done = load(second, place.target, store, LoadOptions(replace=True))
        assert done.kept_as == "papers"
        assert done.read_as is not None
        assert done.read_as.startswith("papers-")
        assert store.count() == 20


def test_import_that_fails_is_said_with_its_reason(place: Place, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 1, 10)
    with closing(connect(place.target)) as store:
        own: Any = store
        original = own.seal

        def with_rows(*words: Any) -> Any:
            row = {"id": "x", "values": [1.0] * 32, "metadata": {"id": "x", "chunk": 0}}
            own._index.upsert(vectors=[row], namespace="papers")  # so that the namespace exists
            return original(*words)

        own.seal = with_rows
        with pytest.raises(Problem, match="the namespace papers exists"):
            load(dataset, place.target, store)


def test_price_of_an_import_is_unknown_and_not_that_of_upserts(place: Place, tmp_path: Path) -> None:
    with closing(connect(place.target)) as store:
        found = preview(dataset_of(tmp_path, 1, 10), place.target, store, LoadOptions())
    assert (found.usd, found.usd_per_month, found.service) == (None, None, True)


def test_import_from_a_folder_is_refused(place: Place) -> None:
    with pytest.raises(Usage, match="names no bucket"):
        connect(parse_target("pinecone://docs-32/papers?import=/tmp/somewhere"))


def test_more_files_than_an_import_takes_are_refused_before_any_is_written(
    place: Place, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 3, 40)
    with closing(connect(place.target)) as store:
        own: Any = store
        own.most_files = 2
        with pytest.raises(Problem, match="has 3 files of vectors, and an import takes 2 at most"):
            load(dataset, place.target, store)
    assert not list(list_all(open_store(place.bucket), ""))
