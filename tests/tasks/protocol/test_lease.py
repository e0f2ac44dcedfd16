"""Leases: who may work on a shard, by the store's clock alone."""

from datetime import timedelta

import pytest

from tasks.protocol import keys
from tasks.protocol.keys import receipt_key
from tasks.protocol.lease import Lease, Survey, claim, give_back, holder, renew, survey
from tasks.protocol.shard import Shard
from tasks.stores.base import create_once, read
from tasks.stores.memory import MemoryStore
from tests.support.runs import NOON, Clock, shards_of

TTL = timedelta(seconds=30)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


def take(store: MemoryStore, shard: Shard, generation: int = 1, worker: str = "ann") -> Lease:
    found = claim(store, "run-1", shard, generation, worker, NOON)
    assert found is not None
    return found


def next_generation(store: MemoryStore, shard: Shard) -> int | None:
    return survey(store, "run-1", shard.slab).next_generation(shard.id, TTL)


SHARD, OTHER = shards_of(2)


def test_a_fresh_shard_is_claimed_with_generation_1(store: MemoryStore) -> None:
    assert next_generation(store, SHARD) == 1


def test_a_held_shard_is_not_claimed(store: MemoryStore) -> None:
    take(store, SHARD)
    assert next_generation(store, SHARD) is None


def test_a_lease_on_one_shard_does_not_affect_another(store: MemoryStore) -> None:
    take(store, SHARD)
    assert next_generation(store, OTHER) == 1


def test_a_lease_holds_through_its_time_and_the_second_of_grace(store: MemoryStore, clock: Clock) -> None:
    take(store, SHARD)
    clock.pass_seconds(31)
    assert next_generation(store, SHARD) is None


def test_a_lease_expires_after_its_time_and_the_second_of_grace(store: MemoryStore, clock: Clock) -> None:
    take(store, SHARD)
    clock.pass_seconds(31.001)
    assert next_generation(store, SHARD) == 2


def test_clock_skew_of_a_worker_does_not_affect_expiry(store: MemoryStore) -> None:
    claim(store, "run-1", SHARD, 1, "ann", NOON - timedelta(days=365))
    assert next_generation(store, SHARD) is None


def test_a_renewed_lease_holds_from_its_renewal(store: MemoryStore, clock: Clock) -> None:
    held = take(store, SHARD)
    clock.pass_seconds(25)
    assert renew(store, held)
    clock.pass_seconds(25)
    assert next_generation(store, SHARD) is None


def test_a_lease_that_was_given_back_is_free_at_once(store: MemoryStore) -> None:
    give_back(store, take(store, SHARD))
    assert next_generation(store, SHARD) == 2


def test_a_lease_that_was_given_back_has_no_bytes(store: MemoryStore) -> None:
    held = take(store, SHARD)
    give_back(store, held)
    assert [entry.size for entry in store.list(held.key)] == [0]


def test_a_done_shard_is_never_claimed_again(store: MemoryStore, clock: Clock) -> None:
    take(store, SHARD)
    store.create(receipt_key("run-1", SHARD.slab, SHARD.id), b"{}")
    clock.pass_seconds(1_000)
    assert next_generation(store, SHARD) is None


def test_the_newest_generation_decides(store: MemoryStore, clock: Clock) -> None:
    take(store, SHARD)
    clock.pass_seconds(60)
    take(store, SHARD, 2, "bob")
    assert next_generation(store, SHARD) is None


def test_generations_are_counted_beyond_their_padding() -> None:
    store = MemoryStore(Clock())
    for generation in (999_999, 1_000_000):
        give_back(store, take(store, SHARD, generation))
    assert next_generation(store, SHARD) == 1_000_001


def test_a_survey_of_an_empty_slab_is_empty(store: MemoryStore) -> None:
    assert survey(store, "run-1", "00000") == Survey(frozenset(), {}, NOON)


def test_a_survey_sees_more_leases_than_a_page_holds(store: MemoryStore) -> None:
    shards = shards_of(700)
    for shard in shards:
        give_back(store, take(store, shard))
        take(store, shard, 2, "bob")
    newest = survey(store, "run-1", "00000").newest
    assert {name: generation for name, (generation, _) in newest.items()} == {s.id: 2 for s in shards}


def test_a_survey_does_not_see_another_run(store: MemoryStore) -> None:
    claim(store, "run-10", SHARD, 1, "ann", NOON)
    assert next_generation(store, SHARD) == 1


def test_one_of_two_claims_on_a_generation_wins(store: MemoryStore) -> None:
    take(store, SHARD)
    assert claim(store, "run-1", SHARD, 1, "bob", NOON) is None


def test_a_worker_cannot_claim_a_lease_twice(store: MemoryStore) -> None:
    take(store, SHARD)
    assert claim(store, "run-1", SHARD, 1, "ann", NOON) is None


def test_a_claim_leaves_the_older_generations_in_place(store: MemoryStore, clock: Clock) -> None:
    first = take(store, SHARD)
    clock.pass_seconds(60)
    second = take(store, SHARD, 2, "bob")
    prefix = f"{keys.leases_prefix('run-1', SHARD.slab)}{SHARD.id}/"
    assert [entry.key for entry in store.list(prefix)] == [first.key, second.key]


def test_a_renewal_says_that_the_lease_is_ours(store: MemoryStore) -> None:
    assert renew(store, take(store, SHARD))


def test_a_renewal_says_that_the_lease_was_taken_over(store: MemoryStore, clock: Clock) -> None:
    zombie = take(store, SHARD)
    clock.pass_seconds(60)
    take(store, SHARD, 2, "bob")
    assert not renew(store, zombie)


def test_a_zombies_renewal_does_not_affect_the_successors_lease(store: MemoryStore, clock: Clock) -> None:
    zombie = take(store, SHARD)
    clock.pass_seconds(60)
    take(store, SHARD, 2, "bob")
    clock.pass_seconds(60)
    renew(store, zombie)
    assert next_generation(store, SHARD) == 3


def test_a_zombie_that_gives_back_does_not_free_the_successors_shard(
    store: MemoryStore, clock: Clock
) -> None:
    zombie = take(store, SHARD)
    clock.pass_seconds(60)
    take(store, SHARD, 2, "bob")
    give_back(store, zombie)
    assert next_generation(store, SHARD) is None


def test_a_zombie_cannot_create_the_receipt_after_its_successor(store: MemoryStore) -> None:
    receipt = receipt_key("run-1", SHARD.slab, SHARD.id)
    assert create_once(store, receipt, b"bob's")
    assert not create_once(store, receipt, b"ann's")
    assert read(store, receipt) == b"bob's"


def test_a_successor_cannot_create_the_receipt_after_a_zombie(store: MemoryStore, clock: Clock) -> None:
    zombie = take(store, SHARD)
    clock.pass_seconds(60)
    successor = take(store, SHARD, 2, "bob")
    receipt = receipt_key("run-1", SHARD.slab, SHARD.id)
    assert create_once(store, receipt, zombie.body)
    assert not create_once(store, receipt, successor.body)


def test_the_holder_of_a_lease_is_in_it(store: MemoryStore) -> None:
    assert holder(store, take(store, SHARD).key) == ("ann", NOON)


def test_a_lease_that_was_given_back_has_no_holder(store: MemoryStore) -> None:
    held = take(store, SHARD)
    give_back(store, held)
    assert holder(store, held.key) is None


def test_foreign_files_among_leases_and_receipts_are_ignored() -> None:
    store = MemoryStore()
    shard = shards_of(1)[0]
    store.put(f"_embedfleet/run-1/receipts/{shard.slab}/.nfs0001", b"x")
    store.put(f"_embedfleet/run-1/receipts/{shard.slab}/{shard.id} (copy).json", b"x")
    store.put(f"_embedfleet/run-1/leases/{shard.slab}/{shard.id}/Icon", b"x")
    seen = survey(store, "run-1", shard.slab)
    assert not seen.done
    assert seen.next_generation(shard.id, timedelta(seconds=30)) == 1
