"""The walk over the shards: every one once, few questions, and none left behind."""

from collections import Counter

import pytest

from tasks.protocol import manifest
from tasks.protocol.keys import receipt_key
from tasks.protocol.lease import Lease, claim
from tasks.protocol.retry import Retry, put_back
from tasks.protocol.shard import Shard
from tasks.stores.base import Body, Entry, create_once
from tasks.stores.memory import MemoryStore
from tasks.worker.leases import claims as walk
from tasks.worker.leases.claims import ShardClaims
from tasks.worker.leases.lease_renewal import LeaseRenewer
from tests.support.runs import NOON, Clock, header_of, shards_of


class Counted(MemoryStore):
    """Counts the calls that a bucket would bill."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.calls = Counter[str]()

    def create(self, key: str, body: Body) -> bool:
        self.calls["create"] += 1
        return super().create(key, body)

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        self.calls["list"] += 1
        return super().list(prefix, after)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Counted:
    return Counted(clock)


def launched(store: MemoryStore, count: int) -> manifest.Header:
    header = header_of("corpus", count)
    manifest.write(store, header, shards_of(count))
    return header


def walker(store: MemoryStore, header: manifest.Header, name: str = "ann", offset: int = 0) -> ShardClaims:
    return ShardClaims(
        store=store, header=header, name=name, offset=offset, leases=LeaseRenewer(store, header.ttl)
    )


def sign(store: MemoryStore, claims: ShardClaims, shard: Shard, lease: Lease) -> None:
    assert create_once(store, receipt_key("run-1", shard.slab, shard.id), lease.nonce.encode())
    claims.mark_done(shard)
    claims.leases.drop(lease)


def test_a_shard_that_was_put_back_is_claimed_without_waiting_for_its_old_lease(store: Counted) -> None:
    header = launched(store, 1)
    first = walker(store, header)
    found = first.next()
    assert found
    shard, lease = found
    sign(store, first, shard, lease)
    put_back(store, "run-1", shard.slab, shard.id, Retry(1, lease.generation), "nonce", "tried again")
    again = walker(store, header, "bob").next()
    assert again
    assert (again[1].generation, again[1].retry) == (2, 1)
    assert walker(store, header, "cid").next() == ()  # the new lease counts


def all_of(store: MemoryStore, claims: ShardClaims) -> list[int]:
    """Positions in the order of the walk, each signed for at once."""
    out: list[int] = []
    while found := claims.next():
        sign(store, claims, *found)
        out.append(found[0].position)
    assert found is None
    return out


def test_walk_begins_at_its_offset_and_wraps_around(store: Counted) -> None:
    assert all_of(store, walker(store, launched(store, 5), offset=3)) == [3, 4, 0, 1, 2]


def test_walk_visits_every_slab(store: Counted) -> None:
    assert all_of(store, walker(store, launched(store, 2_005), offset=1_500)) == [
        *range(1_500, 2_005),
        *range(1_500),
    ]


def test_uncontended_shard_costs_one_claim_and_few_listings(store: Counted) -> None:
    header = launched(store, 200)
    store.calls.clear()
    claims = walker(store, header)
    for _ in range(200):
        assert claims.next()
    assert store.calls == {"create": 200, "list": 2}


def test_stale_listing_is_not_used(store: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "SURVEY_SECONDS", 0.0)
    claims = walker(store, launched(store, 3))
    claims.next()
    before = store.calls["list"]
    monkeypatch.setattr(walk, "SURVEY_PAUSE_SECONDS", 0.0)
    claims.next()
    assert store.calls["list"] == before + 2


def test_shard_claimed_by_another_worker_is_skipped(store: Counted) -> None:
    header = launched(store, 3)
    ann, bob = walker(store, header), walker(store, header, "bob")
    first, second, third = ann.next(), bob.next(), ann.next()
    assert first
    assert second
    assert third
    assert [found[0].position for found in (first, second, third)] == [0, 1, 2]


def test_next_is_empty_while_others_hold_the_rest(store: Counted) -> None:
    header = launched(store, 1)
    assert walker(store, header, "bob").next()
    assert walker(store, header).next() == ()


def test_next_asked_again_at_once_sends_no_request(store: Counted) -> None:
    header = launched(store, 1)
    walker(store, header, "bob").next()
    ann = walker(store, header)
    ann.next()
    before = store.calls.total()
    assert ann.next() == ()
    assert store.calls.total() == before


def test_expired_lease_is_taken_over(store: Counted, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    header = launched(store, 1)
    walker(store, header, "bob").next()
    monkeypatch.setattr(walk, "SURVEY_PAUSE_SECONDS", 0.0)
    ann = walker(store, header)
    assert ann.next() == ()
    clock.pass_seconds(header.ttl + 2)
    found = ann.next()
    assert found
    assert found[1].generation == 2


def test_released_lease_is_claimed_with_the_next_generation(store: Counted) -> None:
    header = launched(store, 1)
    bob = walker(store, header, "bob")
    found = bob.next()
    assert found
    bob.leases.give_back(found[1])
    again = walker(store, header).next()
    assert again
    assert again[1].generation == 2


def test_end_is_known_without_a_request_after_own_commits(store: Counted) -> None:
    claims = walker(store, launched(store, 3))
    for _ in range(3):
        found = claims.next()
        assert found
        sign(store, claims, *found)
    before = store.calls.total()
    assert claims.next() is None
    assert store.calls.total() == before


def test_claimed_shard_is_renewed(store: Counted) -> None:
    claims = walker(store, launched(store, 1))
    found = claims.next()
    assert found
    assert claims.leases.holds(found[1])


def test_shard_with_a_valid_lease_is_not_claimed(store: Counted) -> None:
    header = launched(store, 2)
    assert claim(store, "run-1", shards_of(2)[0], 1, "bob", NOON)
    store.calls.clear()
    found = walker(store, header).next()
    assert found
    assert (found[0].position, store.calls["create"]) == (1, 1)
