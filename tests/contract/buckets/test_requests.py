"""The contract of a bucket: how many requests a call is, and of how many bytes."""

import os
from pathlib import Path

import pytest

from tasks.stores.base import Body, Store
from tasks.stores.range_reader import BLOCK_BYTES
from tests.contract.buckets.faulty_buckets import CALLS
from tests.support.objectserver import Running


def test_now_is_the_stores_clock(store: Store, server: Running) -> None:
    before = store.now()
    server.admin.set(skew=7_200)
    store.put("k", b"1")
    assert 7_190 < (store.now() - before).total_seconds() < 7_260
    assert 7_190 < (store.list("k")[0].modified - before).total_seconds() < 7_260


def test_now_after_a_recent_answer_costs_no_request(store: Store, server: Running) -> None:
    store.put("k", b"1")
    store.now()
    assert server.admin.requests().by_kind == {"put": 1}


def test_the_right_bytes_come_from_a_store_that_ignores_ranges(store: Store, server: Running) -> None:
    body = os.urandom(BLOCK_BYTES + 1_000)
    store.put("k", body)
    server.admin.set(ranges=False)
    stream = store.get("k", span=(BLOCK_BYTES, BLOCK_BYTES + 10))
    assert stream is not None
    with stream:
        assert stream.read(10) == body[BLOCK_BYTES : BLOCK_BYTES + 10]
        stream.seek(5)
        assert stream.read() == body[5:]


# --- what is asked of the store


@pytest.mark.parametrize("call", ["create", "put", "list", "get"])
def test_a_call_is_one_request(store: Store, server: Running, call: str) -> None:
    CALLS[call](store)
    assert server.admin.requests().by_kind == {call: 1}


def test_a_span_moves_its_own_bytes_alone(store: Store, server: Running) -> None:
    store.put("k", b"x" * 1_000_000)
    before = server.admin.requests()
    stream = store.get("k", span=(500_000, 600_000))
    assert stream is not None
    with stream:
        stream.read(100_000)
    moved = server.admin.requests().minus(before)
    assert moved.by_kind == {"get": 1}
    assert moved.bytes_out == 100_000


def test_keys_that_leave_the_root_never_reach_the_store(
    store: Store, server: Running, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"loot")
    bodies: list[Body] = [b"loot", tmp_path / "file"]
    for key in ("../thief", "a/../../thief", "/etc/thief", "a\x00", "a\nb", "\x1b]0;"):
        for body in bodies:
            with pytest.raises(ValueError, match="not a key"):
                store.create(key, body)
            with pytest.raises(ValueError, match="not a key"):
                store.put(key, body)
        with pytest.raises(ValueError, match="not a key"):
            store.list(key)
    for key in ("../thief", "a/../../thief", "/etc/thief", "a\x00"):
        with pytest.raises(ValueError, match="not a key"):
            store.get(key)
    assert server.admin.requests().total == 0
