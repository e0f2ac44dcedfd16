"""Leases in hand are renewed until they are dropped, and a lost one is known."""

import time
from collections.abc import Callable, Iterator

import pytest

from tasks.errors import Problem
from tasks.protocol import lease
from tasks.protocol.lease import Lease, claim
from tasks.protocol.shard import Shard
from tasks.stores.base import Body, OutcomeUnknown, StoreError, read
from tasks.stores.memory import MemoryStore
from tasks.worker.leases.lease_renewal import LeaseRenewer
from tests.support.runs import NOON, Clock

SHARD = Shard("0" * 16, 0, (), 0)
PATIENCE = 20.0


def wait_until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class Trouble(MemoryStore):
    """A store that answers a number of writes with an error."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []
        self.puts = 0

    def put(self, key: str, body: Body) -> None:
        self.puts += 1
        if self.errors:
            raise self.errors.pop(0)
        super().put(key, body)


@pytest.fixture
def store() -> Trouble:
    return Trouble()


@pytest.fixture
def keeper(store: Trouble) -> Iterator[LeaseRenewer]:
    keeper = LeaseRenewer(store, 0.06, Clock())
    yield keeper
    keeper.stop()


def claimed(store: MemoryStore, generation: int = 1, worker: str = "ann") -> Lease:
    found = claim(store, "run-1", SHARD, generation, worker, NOON)
    assert found
    return found


def test_held_lease_is_renewed_repeatedly(store: Trouble, keeper: LeaseRenewer) -> None:
    keeper.hold(claimed(store))
    keeper.start()
    wait_until(lambda: store.puts >= 3)
    assert keeper.holds(keeper.leases[0])


def test_lease_with_a_newer_generation_is_lost(store: Trouble, keeper: LeaseRenewer) -> None:
    mine = claimed(store)
    keeper.hold(mine)
    claimed(store, 2, "bob")
    keeper.start()
    wait_until(lambda: not keeper.holds(mine))
    assert keeper.broken is None


def test_lost_lease_is_neither_renewed_nor_released(store: Trouble, keeper: LeaseRenewer) -> None:
    mine = claimed(store)
    keeper.hold(mine)
    claimed(store, 2, "bob")
    keeper.start()
    wait_until(lambda: not keeper.holds(mine))
    before = store.puts
    keeper.give_back(mine)
    time.sleep(0.1)
    assert store.puts == before
    assert len(keeper.returned) == 1


def test_released_lease_is_not_renewed(store: Trouble, keeper: LeaseRenewer) -> None:
    mine = claimed(store)
    keeper.hold(mine)
    keeper.start()
    wait_until(lambda: store.puts)
    keeper.give_back(mine)
    before = store.puts
    time.sleep(0.1)
    assert (read(store, mine.key), store.puts) == (b"", before)


def test_dropped_lease_is_recorded_with_its_time(store: Trouble, keeper: LeaseRenewer) -> None:
    mine = claimed(store)
    keeper.hold(mine)
    keeper.drop_unfinished(mine)
    assert keeper.returned == [("00000", SHARD.id, 1, NOON, NOON)]
    assert keeper.leases == []


def test_lost_reply_keeps_the_lease(store: Trouble, keeper: LeaseRenewer) -> None:
    store.errors = [OutcomeUnknown(), OutcomeUnknown()]
    keeper.hold(claimed(store))
    keeper.start()
    wait_until(lambda: store.puts >= 4)
    assert keeper.broken is None
    assert keeper.holds(keeper.leases[0])


@pytest.mark.parametrize("error", [StoreError("denied", hint="ask"), OSError("no such device")])
def test_permanent_store_failure_is_reported(store: Trouble, keeper: LeaseRenewer, error: Exception) -> None:
    store.errors = [error]
    keeper.hold(claimed(store))
    keeper.start()
    wait_until(lambda: keeper.broken)
    assert isinstance(keeper.broken, Problem)


def test_empty_lease_object_is_free(store: Trouble, keeper: LeaseRenewer) -> None:
    mine = claimed(store)
    keeper.hold(mine)
    keeper.give_back(mine)
    assert lease.survey(store, "run-1", "00000").next_generation(SHARD.id, NOON - NOON) == 2
