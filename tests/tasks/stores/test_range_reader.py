"""A stream over an object fetches what is read, no more, and never the same bytes twice."""

import io
import os
from typing import cast

import pytest

from tasks.stores.range_reader import (
    BLOCK_BYTES,
    READ_PAST_BYTES,
    RangeReader,
    RangeResponse,
    open_stream,
    opening_range,
    parse_response,
)

SIZE = 3 * BLOCK_BYTES
BODY = os.urandom(SIZE)


class Store:
    """Serves ranges of BODY and records the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return BODY[start:end]


def stream(store: Store, first: tuple[int, int], end: int | None = None) -> RangeReader:
    return RangeReader(store, RangeResponse(BODY[slice(*first)], first[0], SIZE, "v"), end)


def test_bytes_of_the_opening_request_are_not_fetched_again() -> None:
    store = Store()
    with stream(store, (100, 200)) as file:
        assert file.read(60) == BODY[100:160]
        assert file.read(40) == BODY[160:200]
        file.seek(110)
        assert file.read(5) == BODY[110:115]
    assert store.asked == []


def test_reading_past_the_first_response_fetches_only_the_rest() -> None:
    store = Store()
    with stream(store, (100, 200)) as file:
        assert file.read(150) == BODY[100:250]
    assert store.asked == [(200, 250)]


def test_more_than_a_block_is_fetched_block_by_block() -> None:
    store = Store()
    with stream(store, (0, 0)) as file:
        assert file.read(BLOCK_BYTES + 10) == BODY[: BLOCK_BYTES + 10]
    assert store.asked == [(0, BLOCK_BYTES), (BLOCK_BYTES, BLOCK_BYTES + 10)]


def test_nothing_is_fetched_at_the_end() -> None:
    store = Store()
    with stream(store, (0, 0)) as file:
        file.seek(0, io.SEEK_END)
        assert file.read(10) == b""
        file.seek(SIZE + 100)
        assert file.read() == b""
    assert store.asked == []


def test_a_block_does_not_pass_the_end_of_the_span() -> None:
    store = Store()
    file = cast("io.BufferedReader", open_stream(store, RangeResponse(b"", 0, SIZE, "v"), (0, 1_000)))
    with file:
        assert file.read(500) == BODY[:500]
    assert store.asked == [(0, 1_000)]


def test_little_is_fetched_at_once_behind_the_span() -> None:
    store = Store()
    with open_stream(store, RangeResponse(BODY[:1_000], 0, SIZE, "v"), (0, 1_000)) as file:
        assert file.read(1_000) == BODY[:1_000]
        assert file.read(10) == BODY[1_000:1_010]
    assert store.asked == [(1_000, 1_000 + READ_PAST_BYTES)]


def test_a_request_for_the_end_fetches_no_more_than_it_asks_for() -> None:
    store = Store()
    with open_stream(store, RangeResponse(BODY[-8:], SIZE - 8, SIZE, "v"), (-8, None)) as file:
        assert file.tell() == SIZE - 8
        assert file.read(8) == BODY[-8:]
        file.seek(50)
        assert file.read(10) == BODY[50:60]
    assert store.asked == [(50, 60)]


def test_a_stream_counts_the_bytes_received() -> None:
    with stream(Store(), (0, 100)) as file:
        file.read(150)
        assert file.bytes_received == 150


@pytest.mark.parametrize(
    ("span", "asked"),
    [
        (None, (0, BLOCK_BYTES - 1)),
        ((5, None), (5, BLOCK_BYTES + 4)),
        ((5, 9), (5, 8)),
        ((5, 5), (5, 5)),  # an empty range would fetch the whole object
        ((0, SIZE), (0, BLOCK_BYTES - 1)),
        ((-8, None), (-8, None)),
    ],
)
def test_the_opening_request_is_for_the_span_and_at_most_a_block(
    span: tuple[int, int | None] | None, asked: tuple[int, int | None]
) -> None:
    assert opening_range(span) == asked


def test_a_response_is_described_by_its_content_range() -> None:
    assert parse_response(b"abc", "bytes 5-7/100", "v") == RangeResponse(b"abc", 5, 100, "v")


def test_a_response_without_content_range_is_the_whole_object() -> None:
    assert parse_response(b"abc", None, "v") == RangeResponse(b"abc", 0, 3, "v")


def test_the_range_is_cut_out_of_a_larger_response() -> None:
    assert parse_response(b"0123456789", None, "v").between(3, 5) == b"34"
    assert parse_response(b"3456", "bytes 3-6/10", "v").between(3, 7) == b"3456"
