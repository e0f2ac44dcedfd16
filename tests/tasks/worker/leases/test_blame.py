"""A shard is blamed for crashes at two places, or at the only one that works: a sick GPU sets nothing aside."""

import pytest

from tasks.protocol.keys import heartbeat_key, lease_key
from tasks.protocol.lease import MAX_CRASHES, MAX_UNREADABLE, UNREADABLE, is_free, release, survey
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.crash_marker import this_place
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.retry import Retry, put_back
from tasks.protocol.shard import Shard
from tasks.stores.memory import MemoryStore
from tasks.worker.leases.blame import ALIVE, Blame
from tests.support.runs import NOON, Clock, shards_of

ELSEWHERE = "feedbeef"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def shard() -> Shard:
    return shards_of(1)[0]


def crash(store: MemoryStore, shard: Shard, *places: str) -> None:
    first = len(survey(store, "run-1", shard.slab).newest and store.list("_embedfleet/run-1/leases/")) + 1
    for generation, place in enumerate(places, first):
        release(store, lease_key("run-1", shard.slab, shard.id, generation), died_at=place)


def counted(store: MemoryStore, shard: Shard) -> int | None:
    return Blame(store, "run-1").crashes(shard, survey(store, "run-1", shard.slab))


def alive(store: MemoryStore, place: str, state: str = "working") -> None:
    pulse = Heartbeat(
        run="run-1", worker="bob", host="there", pid=1, started=NOON, at=NOON, state=state, place=place
    )
    store.put(heartbeat_key("run-1", "bob"), heartbeat.dump(pulse))


def test_few_crashes_count_as_they_are(store: MemoryStore, shard: Shard) -> None:
    crash(store, shard, *[this_place()] * (MAX_CRASHES - 1))
    assert counted(store, shard) == MAX_CRASHES - 1


def test_crashes_here_are_left_to_a_worker_elsewhere(store: MemoryStore, shard: Shard) -> None:
    crash(store, shard, *[this_place()] * MAX_CRASHES)
    alive(store, ELSEWHERE)
    assert counted(store, shard) is None


def test_crashes_here_count_where_no_other_place_is_alive(
    store: MemoryStore, shard: Shard, clock: Clock
) -> None:
    crash(store, shard, *[this_place()] * MAX_CRASHES)
    alive(store, this_place())
    assert counted(store, shard) == MAX_CRASHES
    alive(store, ELSEWHERE, "done")
    assert counted(store, shard) == MAX_CRASHES
    alive(store, ELSEWHERE)
    clock.pass_seconds(ALIVE.total_seconds() + 1)
    assert counted(store, shard) == MAX_CRASHES


def test_a_shard_that_crashed_elsewhere_is_tried_here_once(store: MemoryStore, shard: Shard) -> None:
    crash(store, shard, *[ELSEWHERE] * MAX_CRASHES)
    found = counted(store, shard)
    assert found is not None
    assert 0 < found < MAX_CRASHES
    crash(store, shard, this_place())
    assert counted(store, shard) == MAX_CRASHES + 1


def test_crashes_that_a_version_before_wrote_have_no_place_and_count(
    store: MemoryStore, shard: Shard
) -> None:
    crash(store, shard, *[""] * MAX_CRASHES)
    alive(store, ELSEWHERE)
    assert counted(store, shard) == MAX_CRASHES


def test_a_retry_forgets_the_crashes_before_it(store: MemoryStore, shard: Shard) -> None:
    crash(store, shard, *[this_place()] * MAX_CRASHES)
    put_back(store, "run-1", shard.slab, shard.id, Retry(1, MAX_CRASHES), "nonce", "a test")
    assert counted(store, shard) == 0


def test_marks_of_crashes_and_of_unreadable_input_are_told_apart_by_their_size(
    store: MemoryStore, shard: Shard
) -> None:
    crash(store, shard, this_place(), "")
    for generation in range(3, 3 + MAX_UNREADABLE):
        release(store, lease_key("run-1", shard.slab, shard.id, generation), unreadable=True)
    seen = survey(store, "run-1", shard.slab)
    assert (seen.crashes, seen.unreadable) == ({shard.id: 2}, {shard.id: MAX_UNREADABLE})
    assert all(is_free(entry) for entry in store.list("_embedfleet/run-1/leases/"))
    assert len(UNREADABLE) == 2
