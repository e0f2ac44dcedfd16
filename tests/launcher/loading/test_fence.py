"""A loader whose load is over while it was away: what it writes afterwards, and what it says."""

from dataclasses import replace

import numpy as np
import pytest

from launcher.errors import Problem
from launcher.loading.contents import Contents
from launcher.loading.stores.common.backpressure import Rejected
from launcher.loading.stores.common.fence import LOOK_SECONDS, Fence
from launcher.loading.vector_store import RefusedRow, Rows

MINE = Contents(run="run-1", collection="c", load="l", model="m", dimensions=2, dtype="float32")
OVER = replace(MINE, complete=True)
LATER = replace(OVER, following="run-2", load="another")
ROWS = Rows(["a", "b"], [0, 0], np.zeros((2, 2), np.float32), {})


class Store:
    """A store of one record, whose clock stands until it is moved."""

    def __init__(self) -> None:
        self.now: Contents | None = MINE
        self.seconds = 0.0
        self.looks = 0
        self.written: list[Rows] = []
        self.fence = Fence(MINE, self.look, "docs", lambda: self.seconds)

    def look(self) -> Contents | None:
        self.looks += 1
        return self.now

    def write(self, rows: Rows) -> None:
        self.written.append(rows)


def test_record_is_not_read_again_at_once() -> None:
    store = Store()
    send = store.fence.request(store.write)
    send(ROWS)
    store.seconds += LOOK_SECONDS - 0.1
    send(ROWS)
    assert (len(store.written), store.looks) == (2, 0)


def test_record_is_read_again_after_a_while() -> None:
    store = Store()
    store.seconds += LOOK_SECONDS
    send = store.fence.request(store.write)
    send(ROWS)
    send(ROWS)
    assert (len(store.written), store.looks) == (2, 1)


def test_nothing_is_written_where_a_later_load_began() -> None:
    store = Store()
    store.seconds, store.now = LOOK_SECONDS, LATER
    with pytest.raises(Problem, match=r"docs holds run run-2 by a load that began later.*of run run-1"):
        store.fence.request(store.write)(ROWS)
    with pytest.raises(Problem, match="began later"):
        store.fence.check_delete()
    assert store.written == []


def test_nothing_is_written_where_another_loader_ended_the_load() -> None:
    store = Store()
    store.seconds, store.now = LOOK_SECONDS, OVER
    assert store.fence.request(store.write)(ROWS) is None
    assert store.written == []


def test_rows_that_were_under_way_are_named() -> None:
    store = Store()

    def frozen(rows: Rows) -> None:
        store.write(rows)
        store.seconds, store.now = LOOK_SECONDS, LATER

    with pytest.raises(Problem, match=r"but for what was being written: 2 rows, 'a' to 'b'") as told:
        store.fence.request(frozen)(ROWS)
    assert "--replace" in told.value.hint


def test_store_that_refuses_is_asked_why() -> None:
    store = Store()

    def refuses(_rows: Rows) -> None:
        raise Rejected("no such collection")

    send = store.fence.refused_late(refuses)
    with pytest.raises(Rejected):  # the load goes on: the rows are at fault
        send(ROWS)
    store.now = OVER
    assert send(ROWS) is None
    store.now = LATER
    with pytest.raises(Problem, match="began later"):
        send(ROWS)
    store.now = None
    with pytest.raises(Problem, match="docs is gone"):
        send(ROWS)


def test_refused_rows_of_a_load_that_is_over_are_none() -> None:
    """A server may say of each row that its collection is gone."""
    store = Store()
    send = store.fence.refused_late(lambda _rows: [RefusedRow("a", 0, "class not found")])
    assert send(ROWS)
    store.now = LATER
    with pytest.raises(Problem, match="began later"):
        send(ROWS)
