"""The manifest: a header means that every shard is there, and nothing changes it afterwards."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.keys import manifest_header_key, manifest_slab_key
from tasks.protocol.manifest import (
    Header,
    OtherManifest,
    RunNotFound,
    all_shards,
    read_header,
    read_slab,
    slab_count,
    write,
)
from tasks.protocol.shard import SLAB, Shard
from tasks.stores.base import Body, read
from tasks.stores.memory import MemoryStore
from tests.support.runs import header_of, shards_of

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
headers = st.builds(
    Header,
    run=st.just("run-1"),
    corpus=words,
    text=words,
    id=st.none() | words,
    model=words,
    engine=words,
    prompt=words,
    tokens=st.none() | st.integers(1, 10**6),
    overlap=st.none() | st.integers(0, 10**6),
    dtype=st.sampled_from(["float32", "float16"]),
    dimensions=st.none() | st.integers(1, 10**5),
    ttl=st.floats(0.1, 10**6),
    shards=st.just(0),
    query_prompt=st.none() | words,
    normalized=st.booleans(),
    csv=st.none()
    | st.builds(
        CsvFormat,
        delimiter=st.none() | st.sampled_from([";", "\t"]),
        quote=st.none() | st.just(""),
        header=st.booleans() | st.just(("id", "text")),
        encoding=st.none() | st.just("utf-16"),
    ),
)


@given(headers)
def test_a_header_comes_back_as_it_was_written(header: Header) -> None:
    store = MemoryStore()
    write(store, header, [])
    assert read_header(store, "run-1") == header


@pytest.mark.parametrize(
    ("count", "pages"), [(0, 0), (1, 1), (SLAB, 1), (SLAB + 1, 2), (2 * SLAB, 2), (2 * SLAB + 7, 3)]
)
def test_shards_come_back_in_order_over_all_slabs(count: int, pages: int) -> None:
    store, shards = MemoryStore(), shards_of(count)
    header = header_of("corpus", count)
    write(store, header, shards)
    assert slab_count(header) == pages
    assert list(all_shards(store, header)) == shards


def test_a_slab_holds_its_shards() -> None:
    store, shards = MemoryStore(), shards_of(SLAB + 3)
    write(store, header_of("corpus", len(shards)), shards)
    assert read_slab(store, "run-1", 1) == shards[SLAB:]
    assert {shard.slab for shard in read_slab(store, "run-1", 1)} == {"00001"}


def test_shards_are_taken_from_an_iterator_a_slab_at_a_time() -> None:
    store, seen = MemoryStore(), list[int]()

    def counted() -> Iterator[Shard]:
        for shard in shards_of(2 * SLAB):
            seen.append(len(store.blobs))
            yield shard

    write(store, header_of("corpus", 2 * SLAB), counted())
    assert seen == [0] * SLAB + [1] * SLAB


def test_a_header_appears_only_when_every_slab_is_there() -> None:
    order: list[str] = []

    class Watched(MemoryStore):
        def create(self, key: str, body: Body) -> bool:
            order.append(key)
            return super().create(key, body)

    write(Watched(), header_of("corpus", SLAB + 1), shards_of(SLAB + 1))
    assert order == [
        manifest_slab_key("run-1", 0),
        manifest_slab_key("run-1", 1),
        manifest_header_key("run-1"),
    ]


def test_too_few_shards_leave_no_header() -> None:
    store = MemoryStore()
    with pytest.raises(ValueError, match="2 shards, but the header says 3"):
        write(store, header_of("corpus", 3), shards_of(2))
    assert read(store, manifest_header_key("run-1")) is None


def test_shards_out_of_order_are_refused() -> None:
    one, two = shards_of(2)
    with pytest.raises(ValueError, match=f"shard {two.id} has position 1, not 0"):
        write(MemoryStore(), header_of("corpus", 2), [two, one])


def test_the_same_manifest_may_be_written_twice() -> None:
    store, header, shards = MemoryStore(), header_of("corpus", 3), shards_of(3)
    write(store, header, shards)
    before = dict(store.blobs)
    write(store, header, shards)
    assert store.blobs == before


def test_a_manifest_that_was_left_half_written_is_completed() -> None:
    store, header, shards = MemoryStore(), header_of("corpus", SLAB + 1), shards_of(SLAB + 1)
    with pytest.raises(ValueError, match="but the header says"):
        write(store, header, shards[:SLAB])
    write(store, header, shards)
    assert list(all_shards(store, read_header(store, "run-1"))) == shards


def test_another_header_is_refused() -> None:
    store, header, shards = MemoryStore(), header_of("corpus", 3), shards_of(3)
    write(store, header, shards)
    with pytest.raises(OtherManifest, match="run 'run-1' has another manifest already"):
        write(store, replace(header, tokens=128), shards)
    assert read_header(store, "run-1") == header


def test_other_shards_are_refused_and_change_nothing() -> None:
    store, header, shards = MemoryStore(), header_of("corpus", 3), shards_of(3)
    write(store, header, shards)
    others = [replace(shard, bytes=2_000) for shard in shards]
    with pytest.raises(OtherManifest, match="run 'run-1' has another manifest already"):
        write(store, header, others)
    assert list(all_shards(store, header)) == shards


def test_runs_do_not_share_a_manifest() -> None:
    store, shards = MemoryStore(), shards_of(2)
    write(store, header_of("corpus", 2), shards)
    write(store, header_of("elsewhere", 1, run="run-2"), shards[:1])
    assert read_header(store, "run-1").corpus == "corpus"


def test_an_unknown_run_is_not_found() -> None:
    with pytest.raises(RunNotFound, match="no run 'run-9' under this output path") as problem:
        read_header(MemoryStore(), "run-9")
    assert problem.value.hint == "see which runs it holds under _embedfleet/"


def test_a_run_of_another_version_is_not_found() -> None:
    store = MemoryStore()
    store.put(manifest_header_key("run-1"), b'{"schema": "embedfleet/manifest/0"}')
    with pytest.raises(RunNotFound, match="another version"):
        read_header(store, "run-1")


def test_a_run_with_a_missing_slab_is_not_found() -> None:
    with pytest.raises(RunNotFound, match="slab 4 of run 'run-1' is missing"):
        read_slab(MemoryStore(), "run-1", 4)


def test_a_header_from_before_there_was_a_format_of_tables_is_read() -> None:
    store = MemoryStore()
    write(store, header_of("corpus", 0), [])
    key = manifest_header_key(header_of("corpus", 0).run)
    body = read(store, key)
    assert body is not None
    old = json.loads(body)
    assert "csv" not in old  # a job that does not use it writes what the version before wrote
    older = MemoryStore()
    older.create(key, json.dumps(old).encode())
    assert read_header(older, header_of("corpus", 0).run) == header_of("corpus", 0)
