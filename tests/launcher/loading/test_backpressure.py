"""Requests become smaller and fewer while a store is busy, and grow again; no row is left out or sent twice."""

from threading import Barrier, Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import Problem
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, Throttle, rows_within
from launcher.loading.vector_store import RefusedRow, Rows, refused_rows


def rows_of(count: int) -> Rows:
    ids = [str(n) for n in range(count)]
    return Rows(ids, [0] * count, np.zeros((count, 2), np.float32), {"title": ids})


class Store:
    """A store that is busy as often as it is told, and then takes what it gets."""

    def __init__(self, busy: int = 0, most: int = 10**9) -> None:
        self.busy, self.most = busy, most
        self.sizes: list[int] = []
        self.taken: list[str] = []

    def write(self, rows: Rows) -> None:
        self.sizes.append(len(rows))
        if self.busy or len(rows) > self.most:
            self.busy = max(0, self.busy - 1)
            raise Busy("429")
        assert list(rows.kept["title"]) == list(rows.ids)
        self.taken += rows.ids


def throttle(rows: int = 64, requests: int = 4) -> Throttle:
    return Throttle(Limits(rows, requests), sleep=lambda _seconds: None, clock=lambda: 0.0)


def test_busy_store_gets_half_as_many_rows_then_slowly_more() -> None:
    store, found = Store(busy=2), throttle()
    found.send(rows_of(100), store.write)
    assert store.sizes == [64, 32, 16, 20, 24, 28, 12]
    assert store.taken == [str(n) for n in range(100)]


@given(st.integers(0, 200), st.integers(1, 70), st.integers(0, 9))
def test_every_row_is_taken_once_in_order(count: int, most: int, busy: int) -> None:
    store = Store(busy, most)
    throttle().send(rows_of(count), store.write)
    assert store.taken == [str(n) for n in range(count)]


def test_requests_under_way_are_halved_and_grow_by_one_a_round() -> None:
    store, found = Store(busy=1), throttle(rows=1)
    found.send(rows_of(1), store.write)
    assert found.requests == 2.5
    found.send(rows_of(20), store.write)
    assert found.requests == 4.0


def test_no_more_requests_are_under_way_than_allowed() -> None:
    found = throttle(rows=1, requests=2)
    both, most, now = Barrier(2, timeout=10), list[int](), list[int]()

    def write(_rows: Rows) -> None:
        now.append(1)
        most.append(len(now))
        both.wait()  # two come together, or the test fails
        now.pop()

    threads = [Thread(target=found.send, args=(rows_of(3), write)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert max(most) == 2


def test_store_that_stays_busy_is_a_problem() -> None:
    time = [0.0]

    def sleep(_seconds: float) -> None:
        time[0] += 100

    found = Throttle(Limits(8, 1), sleep=sleep, clock=lambda: time[0])
    with pytest.raises(Problem, match="busy for 600 seconds: 429"):
        found.send(rows_of(1), Store(busy=10**6).write)


def test_waits_are_random_and_bounded() -> None:
    waits: list[float] = []
    found = Throttle(Limits(8, 1), sleep=waits.append, clock=lambda: 0.0)
    found.send(rows_of(1), Store(busy=12).write)
    assert len(waits) == 12
    assert max(waits) <= 30
    assert len(set(waits)) > 6


def test_rows_of_a_request_follow_its_bytes() -> None:
    assert (rows_within(8_000, 100, 50), rows_within(8_000, 1_000, 50), rows_within(10, 1_000, 50)) == (
        50,
        8,
        1,
    )


class Picky:
    """A store that refuses a request with one of these ids, whole or row by row."""

    def __init__(self, *ids: str, alone: bool = False) -> None:
        self.ids, self.alone = ids, alone
        self.taken: list[str] = []

    def write(self, rows: Rows) -> list[RefusedRow]:
        bad = [name for name in rows.ids if name in self.ids]
        if bad and not self.alone:
            raise Rejected("too long")
        self.taken += [name for name in rows.ids if name not in bad]
        return [RefusedRow(name, 0, "too long") for name in bad]


@pytest.mark.parametrize("alone", [False, True])
def test_refused_rows_are_found_and_all_others_are_written(alone: bool) -> None:
    store, found = Picky("3", "64", "99", alone=alone), throttle()
    refused = found.send(rows_of(100), store.write)
    assert [row.id for row in refused] == ["3", "64", "99"]
    assert {row.reason for row in refused} == {"too long"}
    assert store.taken == [str(n) for n in range(100) if n not in (3, 64, 99)]
    result = throttle().send_all([rows_of(100), rows_of(2)], store.write)
    assert refused_rows(result) == refused
    assert throttle().send_all([rows_of(2)], store.write) == {}


def test_store_that_refuses_every_row_ends_the_load() -> None:
    store = Picky(*map(str, range(5_000)))
    with pytest.raises(Problem, match="refused 50 rows, such as 49:0: too long"):
        throttle().send(rows_of(5_000), store.write)
    assert store.taken == []


def test_store_that_refuses_too_many_rows_ends_the_load() -> None:
    store = Picky(*map(str, range(0, 5_000, 2)), alone=True)
    with pytest.raises(Problem, match=r"refused 1,0[0-9]+ rows"):
        throttle().send(rows_of(5_000), store.write)


FULL = (
    "No space left on device (os error 28)",
    "Service internal error: No space left on device: WAL buffer size exceeds available disk space",
    "index [docs] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];",
    "store is read-only due to: disk usage too high. Set disk usage at 90.00%",
    "quota exceeded[reason=disk quota exceeded, please allocate more resources]",
)


@pytest.mark.parametrize("kind", [Busy, Rejected, RuntimeError])
@pytest.mark.parametrize("said", FULL)
def test_full_disk_ends_a_load_at_once_and_refuses_no_row(said: str, kind: type[Exception]) -> None:
    requests: list[int] = []

    def write(rows: Rows) -> None:
        requests.append(len(rows))
        raise kind(said)

    with pytest.raises(Problem, match="no room left on its disk") as told:
        throttle().send(rows_of(10), write)
    assert requests == [10]
    assert "make room there" in told.value.hint
