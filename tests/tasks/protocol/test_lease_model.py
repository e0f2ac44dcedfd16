"""A model of leases, receipts and parts against the implementation: workers interleaved step by step, crashes, and time.

Each step is one that a worker takes with the store in between: survey, claim, work a while, renew, sign for a part,
sign for the whole, give back. The model knows only what must hold whatever the order: a shard is signed for once, what
its receipt names is each row once and in order, and a worker that was overtaken while it slept changes nothing.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from tasks.clock import utc
from tasks.protocol import keys, receipt
from tasks.protocol.keys import receipt_key
from tasks.protocol.lease import MAX_CRASHES, Lease, Survey, claim, release, renew, survey
from tasks.protocol.receipt import PartReceipt, Receipt, ReceiptFile
from tasks.protocol.shard import Shard
from tasks.stores.base import Body, OutcomeUnknown, create_once, read
from tasks.stores.memory import MemoryStore
from tasks.worker.writing.commit import Committer
from tests.support.runs import NOON, Clock, shards_of

TTL = timedelta(seconds=30)
ROWS = 6  # of each shard
SHARDS = shards_of(3)


class Lossy(MemoryStore):
    """A store whose creates lose their replies as the plan says, before or after the write."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.plan: list[bool] = []  # of the next creates: lost before (False) or after (True) it was done

    def create(self, key: str, body: Body) -> bool:
        if not self.plan:
            return super().create(key, body)
        if self.plan.pop():
            super().create(key, body)
        raise OutcomeUnknown("the answer was lost")


@dataclass
class Hand:
    """A worker with a shard in hand: where it began, and how many rows it has done of its own."""

    name: str
    shard: Shard
    lease: Lease
    begin: PartReceipt | None
    rows: int = 0
    files: int = 0

    @property
    def done(self) -> int:
        return (self.begin.done if self.begin else 0) + self.rows


@dataclass
class Written:
    """The rows of a shard under a key; stands for the Parquet files."""

    rows: dict[str, range] = field(default_factory=dict[str, range])


class Leases(RuleBasedStateMachine):
    hands = Bundle("hands")
    surveys = Bundle("surveys")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = Lossy(self.clock)
        self.written = Written()
        self.signed: dict[str, bytes] = {}  # by shard, as it was first seen
        self.wins: dict[str, int] = {}  # how many believe that they were first
        self.names = 0

    # --- the world

    @initialize()
    def begin(self) -> None:
        self.wins = {shard.id: 0 for shard in SHARDS}

    @rule(seconds=st.sampled_from([0.5, 10, 32, 100]))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_seconds(seconds)

    @rule(lost=st.lists(st.booleans(), min_size=1, max_size=3))
    def answers_are_lost(self, lost: list[bool]) -> None:
        self.store.plan = lost

    # --- what workers do

    @rule(target=surveys)
    def look(self) -> Survey:
        """A survey that a worker may act on much later."""
        return survey(self.store, "run-1", "00000")

    @rule(target=hands, seen=surveys, number=st.integers(0, len(SHARDS) - 1))
    def take(self, seen: Survey, number: int) -> Hand | None:
        shard = SHARDS[number]
        generation = seen.next_generation(shard.id, TTL)
        if generation is None:
            return None
        self.names += 1
        name = f"w{self.names}"
        crashes = seen.crashes.get(shard.id, 0)
        found = claim(self.store, "run-1", shard, generation, name, NOON, crashes)
        if found is None:
            return None
        return Hand(name, shard, found, self.signer(name).last_part(shard, found))

    @rule(hand=hands, rows=st.integers(1, 3))
    def work(self, hand: Hand | None, rows: int) -> None:
        if hand:
            hand.rows = min(ROWS, hand.done + rows) - (hand.begin.done if hand.begin else 0)

    @rule(hand=hands)
    def keep(self, hand: Hand | None) -> None:
        """A renewal fails exactly when there is a later generation."""
        if hand:
            later = read(
                self.store, keys.lease_key("run-1", "00000", hand.shard.id, hand.lease.generation + 1)
            )
            assert renew(self.store, hand.lease) is (later is None)

    @rule(hand=consumes(hands))
    def part_and_go(self, hand: Hand | None) -> None:
        """The worker is asked to end: it writes a part receipt and gives its lease back, whoever holds it."""
        if not hand:
            return
        if hand.rows:
            key = keys.part_key("run-1", "00000", hand.shard.id, hand.done, hand.lease.nonce[:12])
            self.store.put(key, receipt.dump_part(self.part(hand)))
        release(self.store, hand.lease.key)

    @rule(hand=consumes(hands))
    def die(self, hand: Hand | None) -> None:
        """The worker dies and writes nothing."""

    @rule(hand=consumes(hands))
    def die_of_it(self, hand: Hand | None) -> None:
        """The worker dies, and its supervisor marks the lease as crashed."""
        if hand:
            release(self.store, hand.lease.key, died_at="0123abcd")

    @rule(hand=consumes(hands))
    def sign(self, hand: Hand | None) -> None:
        """The worker finishes, however late and whoever holds the shard: the first receipt counts."""
        if not hand or (hand.done < ROWS and hand.lease.crashes < MAX_CRASHES):
            return
        before = read(self.store, receipt_key("run-1", "00000", hand.shard.id))
        body = receipt.dump(self.whole(hand))
        ours = create_once(self.store, receipt_key("run-1", "00000", hand.shard.id), body)
        assert ours is (before is None)
        self.wins[hand.shard.id] += ours

    # --- what must hold

    @invariant()
    def a_shard_is_signed_for_once_and_for_ever(self) -> None:
        for shard in SHARDS:
            body = read(self.store, receipt_key("run-1", "00000", shard.id))
            assert self.wins.get(shard.id, 0) == (body is not None)
            if body is not None:
                assert self.signed.setdefault(shard.id, body) == body

    @invariant()
    def what_a_receipt_names_is_each_row_once_and_in_order(self) -> None:
        for body in self.signed.values():
            done = receipt.load(body)
            if done.fault is None:
                rows = [n for key, _ in done.files for n in self.written.rows[key]]
                assert rows == list(range(ROWS))

    @invariant()
    def every_part_is_a_right_beginning(self) -> None:
        for entry in self.store.list(keys.parts_prefix("run-1")):
            part = receipt.load_part(read(self.store, entry.key) or b"")
            rows = [n for file in part.files for n in self.written.rows[file.key]]
            assert rows == list(range(part.done))

    @invariant()
    def a_shard_that_is_done_is_nobodys_to_claim(self) -> None:
        seen = survey(self.store, "run-1", "00000")
        for shard in self.signed:
            assert seen.next_generation(shard, TTL) is None

    @precondition(lambda self: len(self.signed) < len(SHARDS))
    @invariant()
    def no_shard_is_held_for_ever(self) -> None:
        """When no worker renews any more, every shard without a receipt can be claimed."""
        later = survey(self.store, "run-1", "00000")
        later = Survey(later.done, later.newest, later.now + 2 * TTL, later.crashes)
        for shard in SHARDS:
            assert (later.next_generation(shard.id, TTL) is None) is (shard.id in self.signed)

    # --- in the words of the product

    def signer(self, name: str) -> Committer:
        return Committer(self.store, "run-1", name)

    def file(self, hand: Hand) -> ReceiptFile:
        key = f"data/{hand.shard.id}-{hand.lease.nonce[:12]}.parquet"
        start = hand.done - hand.rows
        self.written.rows[key] = range(start, hand.done)
        return ReceiptFile(key, "aa", 1, hand.rows, hand.rows, None, hand.name, NOON, NOON)

    def part(self, hand: Hand) -> PartReceipt:
        files = (*(hand.begin.files if hand.begin else ()), self.file(hand))
        counts = (hand.done, hand.done, hand.done, 0, 0, 0)
        return PartReceipt("run-1", hand.shard.id, hand.lease.generation, hand.done, *counts, files)

    def whole(self, hand: Hand) -> Receipt:
        deadly = hand.lease.crashes >= MAX_CRASHES
        file = None if deadly or not hand.rows else self.file(hand)
        return Receipt(
            run="run-1", shard=hand.shard.id, position=hand.shard.position, worker=hand.name,
            generation=hand.lease.generation, nonce=hand.lease.nonce, key=file and file.key,
            digest=file and file.digest, output_bytes=1, input_bytes=1, documents=ROWS, chunks=ROWS, tokens=ROWS,
            tokens_cut=0, failed_rows=0, quarantine=None, started=utc(), finished=utc(),
            fault="set aside" if deadly else None,
            earlier=() if deadly or not hand.begin else hand.begin.files,
        )  # fmt: skip


Leases.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLeases = Leases.TestCase
