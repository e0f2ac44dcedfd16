"""The contract of a store: streams, spans, and the version that is read."""

import os

import pytest

from tasks.stores.base import ObjectChanged, Store
from tasks.stores.range_reader import BLOCK_BYTES


def test_get_gives_a_stream_that_seeks(store: Store) -> None:
    store.put("file", b"0123456789")
    stream = store.get("file")
    assert stream is not None
    with stream:
        stream.seek(-3, 2)
        assert stream.read() == b"789"
        stream.seek(2)
        assert stream.read(3) == b"234"


def test_a_stream_survives_a_put(store: Store) -> None:
    store.put("file", b"old" * 10_000)
    stream = store.get("file")
    assert stream is not None
    with stream:
        first = stream.read(3)
        store.put("file", b"new" * 10_000)
        assert first + stream.read() == b"old" * 10_000


SPANS = [
    ((3, 6), 3),
    ((0, None), 0),
    ((4, None), 4),
    ((-4, None), 6),
    ((-40, None), 0),
    ((9, 10), 9),
    ((3, 3), 3),
]


@pytest.mark.parametrize(("span", "start"), SPANS)
def test_a_stream_stands_at_the_start_of_its_span(
    store: Store, span: tuple[int, int | None], start: int
) -> None:
    store.put("file", b"0123456789")
    stream = store.get("file", span=span)
    assert stream is not None
    with stream:
        assert stream.tell() == start
        assert stream.read() == b"0123456789"[start:]  # reading goes on behind the span
        stream.seek(1)
        assert stream.read(2) == b"12"


@pytest.mark.parametrize("span", [(10, 20), (11, None), (30, 31)])
def test_a_span_behind_the_end_is_empty(store: Store, span: tuple[int, int | None]) -> None:
    store.put("file", b"0123456789")
    stream = store.get("file", span=span)
    assert stream is not None
    with stream:
        assert stream.read() == b""
        stream.seek(8)
        assert stream.read() == b"89"


def test_a_large_object_is_read_in_pieces_in_any_order(store: Store) -> None:
    body = os.urandom(2 * BLOCK_BYTES + 1_000)
    store.put("file", body)
    stream = store.get("file", span=(BLOCK_BYTES - 500, BLOCK_BYTES + 500))
    assert stream is not None
    with stream:
        assert stream.read(1_000) == body[BLOCK_BYTES - 500 : BLOCK_BYTES + 500]
        assert stream.seek(-10, 2) == len(body) - 10
        assert stream.read() == body[-10:]
        stream.seek(0)
        assert stream.read() == body


def test_the_version_of_a_listing_is_the_one_that_is_read(store: Store) -> None:
    store.put("file", b"old")
    version = store.list("file")[0].version
    stream = store.get("file", version)
    assert stream is not None
    with stream:
        assert stream.read() == b"old"


def test_another_version_than_asked_for_is_not_read(store: Store) -> None:
    store.put("file", b"old")
    version = store.list("file")[0].version
    store.put("file", b"new!")
    with pytest.raises(ObjectChanged, match=r"file changed after the plan was made") as refusal:
        store.get("file", version)
    assert refusal.value.hint == "plan and launch again: a changed corpus is a new run"


def test_a_version_of_an_object_that_is_gone_reads_as_none(store: Store) -> None:
    store.put("file", b"old")
    version = store.list("file")[0].version
    assert store.get("file2", version) is None


def test_a_version_of_another_kind_of_store_is_not_read(store: Store) -> None:
    store.put("file", b"old")
    with pytest.raises(ObjectChanged):
        store.get("file", "d41d8cd98f00b204e9800998ecf8427e")


def test_two_versions_are_never_read_as_one(store: Store) -> None:
    """A stream goes on with the version that it began with, or says that it cannot."""
    old = b"old" * BLOCK_BYTES
    store.put("file", old)
    stream = store.get("file")
    assert stream is not None
    with stream:
        first = stream.read(3)
        store.put("file", b"new" * BLOCK_BYTES)
        try:
            assert first + stream.read() == old
        except ObjectChanged as error:
            assert "file changed after the plan was made" in str(error)  # noqa: PT017 - either is right
