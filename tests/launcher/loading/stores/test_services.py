"""Services, on servers of ours that fail as they are told: rows come once, and limits are said before a write."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from launcher.errors import Problem, Usage
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.loading.preview import preview
from launcher.loading.stores.common import backpressure, reads
from launcher.loading.stores.common.row_names import name_of_key, uuid_of_key
from launcher.loading.vector_store import Key, Rows, Schema, VectorStore
from launcher.sinks.targets import Target, parse_target
from launcher.vectors.read_dataset import open_dataset
from tests.support import json_server
from tests.support.faults import Fault
from tests.support.stores.vector_stores import SERVICES, VectorStores
from tests.support.vector_datasets import dataset_of, unit_vectors, write_dataset_of, write_vectors


@pytest.fixture(params=list(SERVICES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def target(kind: str, stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    for name, value in stores.environment(kind).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(backpressure, "FIRST_WAIT", 0.01)
    return parse_target(stores.address(kind, tmp_path))


@pytest.fixture
def store(target: Target) -> Iterator[VectorStore]:
    with closing(connect(target)) as found:
        yield found


FAULTS: tuple[tuple[Fault, ...], ...] = (
    ("busy", "busy", "busy", "busy", "busy"),
    ("unavailable", "unavailable", "unavailable", "unavailable", "unavailable"),
    ("lost", "lost", "lost"),
    ("partial", "partial", "partial", "partial", "partial"),
    ("lost", "busy", "partial", "lost", "unavailable"),
)


@pytest.mark.parametrize("faults", FAULTS, ids=["busy", "unavailable", "lost", "partial", "mixed"])
def test_rows_come_once_whatever_the_service_does(
    faults: tuple[Fault, ...],
    kind: str,
    store: VectorStore,
    target: Target,
    stores: VectorStores,
    tmp_path: Path,
) -> None:
    dataset = dataset_of(tmp_path, 6, 40)
    address = stores.service(kind)
    json_server.order(address, *faults)
    for _ in range(len(faults)):
        try:
            load(dataset, target, store, LoadOptions(parallel=1))
        except Problem:  # the client gave up: the same command goes on
            continue
        break
    assert json_server.orders_left(address) == 0
    assert store.count() == dataset.rows == 240
    wanted = {
        Key(f"{n}-{row}", 0): vector for n in range(6) for row, vector in enumerate(unit_vectors(40, 32, n))
    }
    found = store.fetch(list(wanted))
    assert all(found[key].tobytes() == vector.tobytes() for key, vector in wanted.items())


def test_ids_of_any_text_are_kept(store: VectorStore, target: Target, tmp_path: Path) -> None:
    ids = ["plain", "größer", "日本", "x" * 900, "a:b:c", "with space", "é" * 700]
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", ids, unit_vectors(len(ids), 32, 1))])
    dataset = open_dataset(str(tmp_path))
    load(dataset, target, store)
    assert set(store.fetch([Key(one, 0) for one in ids])) == {Key(one, 0) for one in ids}
    vector = unit_vectors(len(ids), 32, 1)[2]
    assert store.search(vector, 1, exact=False) == [Key("日本", 0)]
    assert store.delete([Key("日本", 0), Key("absent", 0)]) == 1
    assert store.count() == len(ids) - 1


def test_too_many_dimensions_are_refused_before_anything_is_written(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", ["x"], np.eye(1, 20_001, dtype=np.float32))])
    with pytest.raises(Problem, match=r"\d dimensions"):
        preview(open_dataset(str(tmp_path)), target, store, LoadOptions())
    with pytest.raises(Problem, match=r"\d dimensions"):
        load(open_dataset(str(tmp_path)), target, store)
    assert store.contents() is None


def test_row_that_is_too_long_is_refused_before_anything_is_written(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    ids = ["short", "9" * 50_000]
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", ids, unit_vectors(2, 32, 1))])
    with pytest.raises(Problem, match=r"takes [\d,]+ bytes") as refused:
        load(open_dataset(str(tmp_path)), target, store)
    assert "shorten corpus.id" in refused.value.hint  # no column is the reason
    assert store.contents() is None


def test_replacement_is_read_under_its_own_name_and_the_one_before_the_last_is_dropped(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    runs = [dataset_of(tmp_path / str(n), 1, 10, run=f"run-{n}") for n in range(3)]
    first = load(runs[0], target, store)
    assert (first.read_as, first.kept_as) == (target.collection, None)
    with closing(connect(target)) as own:
        second = load(runs[1], target, own, LoadOptions(replace=True))
    assert second.kept_as == target.collection
    with closing(connect(target)) as own:
        third = load(runs[2], target, own, LoadOptions(replace=True))
        assert third.kept_as == second.read_as != third.read_as
        keeper: Any = own
        there = [keeper.exists(name) for name in (first.read_as, second.read_as, third.read_as)]
        assert there == [False, True, True]
    with closing(connect(target)) as own:
        fourth = load(runs[0], target, own, LoadOptions(replace=True))
    assert fourth.read_as not in (None, third.read_as)


def test_collection_of_others_is_left_alone(store: VectorStore, target: Target, tmp_path: Path) -> None:
    """Rows under the name of the address that no record of ours knows."""
    dataset = dataset_of(tmp_path, 1, 10)
    load(dataset, target, store)
    keeper: Any = store
    keeper.write_record(target.collection, '{"schema": "embedfleet/register/1"}')
    with closing(connect(target)) as other, pytest.raises(Problem, match="did not make it"):
        load(dataset, target, other)


def test_record_that_another_loader_writes_over_is_not_waited_for(
    store: VectorStore, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pinecone's reads lag behind: a loader waits for its record, and may see that of another."""
    monkeypatch.setattr(reads, "PATIENCE", 10.0)
    if target.kind != "pinecone":
        pytest.skip("its reads do not lag")
    first: Any = store
    with closing(connect(target)) as other:
        second: Any = other
        shown = first.read_record

        def overwritten(name: str) -> str | None:
            found = shown(name)
            if found is None:
                second._index.upsert(
                    vectors=[{"id": name, "values": [1.0] * 32, "metadata": {"record": "of the second"}}],
                    namespace="embedfleet-register",
                )
            return found

        first.read_record = overwritten
        first.write_record(target.collection, "of the first")
        assert shown(target.collection) in ("of the first", "of the second")


def test_price_and_source_are_said_before(
    kind: str, store: VectorStore, target: Target, tmp_path: Path
) -> None:
    found = preview(dataset_of(tmp_path, 2, 30), target, store, LoadOptions())
    assert found.service
    assert found.usd is not None
    assert found.usd_per_month is not None
    assert any("prices: " in note and "2026-" in note for note in found.notes)
    assert any("never run against the service" in note for note in found.notes)
    assert ("2,500 vectors a second" in " ".join(found.notes)) == (kind == "s3vectors")


@pytest.mark.parametrize("name", ["s3vectors", "turbopuffer"])
def test_filter_of_a_column_that_is_not_kept_is_refused(
    name: str, stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in stores.environment(name).items():
        monkeypatch.setenv(variable, value)
    target = parse_target(f"{stores.address(name, tmp_path)}?filter=title,lang")
    dataset = dataset_of(tmp_path, 1, 5, keep=("title",))
    with closing(connect(target)) as store, pytest.raises(Problem, match="'lang', which is no kept column"):
        load(dataset, target, store)


def test_s3_vectors_refuses_metadata_to_filter_by_above_two_kilobytes(
    stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in stores.environment("s3vectors").items():
        monkeypatch.setenv(variable, value)
    address = stores.address("s3vectors", tmp_path)
    rows = Rows(["a"], [0], np.zeros((1, 0), np.float32), {"title": ["t" * 3_000]})
    schema = Schema(32, "float32", ("title",), 1)
    with closing(connect(parse_target(address))) as store:
        limited: Any = store
        limited.check_rows(schema, rows)
    with closing(connect(parse_target(f"{address}?filter=title"))) as filtering:
        limited = filtering
        with pytest.raises(Problem, match="2,000 bytes of metadata to filter by"):
            limited.check_rows(schema, rows)


def test_region_that_is_missing_is_named_as_the_sdk_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    target = parse_target("s3vectors://bucket/docs")
    with pytest.raises(Usage, match="no region is set") as refused:
        connect(target)
    name, value = refused.value.hint.removeprefix("export ").removesuffix(", say").split("=")
    monkeypatch.setenv(name, value)
    connect(target).close()


def test_secret_of_s3_vectors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "value")
    with pytest.raises(Usage, match="has no secret"):
        connect(parse_target("s3vectors://bucket/docs"), "KEY")


@pytest.mark.parametrize(
    ("key", "only_ascii", "fits"),
    [
        (Key("a", 0), True, True),
        (Key("ä", 0), True, False),
        (Key("ä", 0), False, True),
        (Key("x" * 99, 0), False, False),
        (Key("a\0b", 1), False, False),
    ],
)
def test_name_of_a_row_fits_or_is_a_uuid(key: Key, only_ascii: bool, fits: bool) -> None:
    name = name_of_key(key, 100, only_ascii=only_ascii)
    assert name == (f"{key.id}:{key.chunk}" if fits else uuid_of_key(key))
