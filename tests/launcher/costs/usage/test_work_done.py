"""Receipts in columns say the same as the receipts."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.usage.attribution import to_microseconds
from launcher.costs.usage.work_done import ShardEnd, fold, moment, work_of
from tasks.protocol.receipt import Receipt
from tests.support.machine_lives import at, receipt

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 12)), max_size=12)


@given(SPANS)
def test_merged_spans_cover_the_same_moments(spans: list[tuple[int, int]]) -> None:
    receipts = [receipt(f"s{n}", start, start + length) for n, (start, length) in enumerate(spans)]
    work = fold(receipts)
    merged = work.merged(np.arange(len(work)), "useful")
    assert merged == sorted(merged)
    covered = {
        second
        for since, until, _ in merged
        for second in range(-5, 60)
        if since <= to_microseconds(at(second)) < until
    }
    assert covered == {second for start, length in spans for second in range(start, start + length)}
    forward = [(since, until) for since, until, _ in merged if until >= since]
    assert all(until < since for (_, until), (since, _) in pairwise(forward))


def test_receipts_come_in_the_order_of_their_shards() -> None:
    receipts = [replace(receipt(f"s{n}", n, n + 1), position=n) for n in (2, 0, 1)]
    assert list(work_of(receipts).position) == [0, 1, 2]


def test_ids_of_shards_keep_their_letters() -> None:
    names = ["a", "", "é-ü", "0123456789abcdef"]
    work = fold(receipt(name, 1, 2) for name in names)
    assert [work.id(place) for place in range(len(work))] == names


def test_only_shards_that_are_asked_for_are_named() -> None:
    work = fold([receipt("a", 10, 20), receipt("b", 20, 30, worker="w1", generation=3)])
    assert work.of_shards({"b", "c"}) == {"b": ShardEnd("w1", 3, at(30))}


def test_work_of_one_worker_is_moved_and_of_others_is_not() -> None:
    work = fold([receipt("a", 10, 20), receipt("b", 20, 30, worker="w1")]).moved({"w1": timedelta(seconds=5)})
    assert [moment(int(one)) for one in work.finished] == [at(20), at(35)]


def test_receipts_take_about_100_bytes_each() -> None:
    count = 20_000

    def receipts() -> Iterator[Receipt]:
        for n in range(count):
            yield replace(receipt(f"{n:016x}", n, n + 1), position=n)

    fold(receipts())  # what is imported and cached by then does not count
    tracemalloc.start()
    work = fold(receipts())
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(work) == count
    assert size < 120 * count
    assert peak < 250 * count
