"""Prefetch: files are opened in order, a few at a time, none stays open, and errors come in their turn."""

import threading
import time
from io import BytesIO
from typing import BinaryIO

import pytest

from tasks.formats.prefetch import prefetch
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged, Span
from tasks.stores.memory import MemoryStore


class Far(MemoryStore):
    """A slow store that counts its waiting callers and its open streams."""

    def __init__(self) -> None:
        super().__init__()
        self.now_waiting = self.most_waiting = 0
        self.streams: list[BytesIO] = []
        self.counting = threading.Lock()

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        with self.counting:
            self.now_waiting += 1
            self.most_waiting = max(self.most_waiting, self.now_waiting)
        time.sleep(0.02)
        with self.counting:
            self.now_waiting -= 1
        stream = super().get(key, version, span)
        if isinstance(stream, BytesIO):
            self.streams.append(stream)
        return stream


def filled(count: int) -> tuple[Far, list[Slice]]:
    store = Far()
    for n in range(count):
        store.put(f"{n:03d}.jsonl", str(n).encode())
    return store, [Slice(key, store.versions[key], "jsonl") for key in sorted(store.blobs)]


def contents(store: Far, slices: list[Slice]) -> list[bytes]:
    out: list[bytes] = []
    for _, opened in prefetch(store, slices, 4):
        stream = opened()
        assert stream
        with stream:
            out.append(stream.read())
    return out


def test_files_come_in_order() -> None:
    store, slices = filled(20)
    assert contents(store, slices) == [str(n).encode() for n in range(20)]


def test_a_few_are_opened_at_a_time_and_no_more() -> None:
    store, slices = filled(20)
    contents(store, slices)
    assert 1 < store.most_waiting <= 4


def test_whoever_stops_early_leaves_nothing_open() -> None:
    store, slices = filled(20)
    walk = prefetch(store, slices, 4)
    _, opened = next(walk)
    first = opened()
    walk.close()
    assert [stream.closed for stream in store.streams if stream is not first] == [True] * (
        len(store.streams) - 1
    )


def test_a_file_that_changed_is_told_when_its_turn_comes() -> None:
    store, slices = filled(6)
    store.put("003.jsonl", b"other")
    walk = prefetch(store, slices, 4)
    assert [next(walk)[0].path for _ in range(3)] == ["000.jsonl", "001.jsonl", "002.jsonl"]
    _, opened = next(walk)
    with pytest.raises(ObjectChanged, match=r"003\.jsonl changed"):
        opened()


def test_a_file_is_opened_once_for_neighbouring_slices() -> None:
    store, (one, other) = filled(2)
    halves = [Slice(one.path, one.version, "jsonl", 0, 1), Slice(one.path, one.version, "jsonl", 1, 2)]
    found = list(prefetch(store, [*halves, other], 4))
    assert [opened() is None for _, opened in found] == [False, True, False]


def test_one_file_alone_is_left_to_the_reader() -> None:
    store, slices = filled(1)
    ((piece, opened),) = prefetch(store, slices)
    assert (piece, opened()) == (slices[0], None)
    assert store.streams == []
