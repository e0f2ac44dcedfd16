"""Which shard is next: a walk over the slabs from an offset of one's own, and the claim.

What is known of a slab is asked for now and then, not before every claim: a claim on old news costs one request that
fails, for a lease is created and never overwritten. So a quiet shard costs a claim, an output and a receipt.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.lease import Lease, Survey, claim, survey
from tasks.protocol.shard import SLAB, Shard, slab_name
from tasks.stores.base import Store
from tasks.worker.lease_renewal import LeaseRenewer

SURVEY_SECONDS = 30.0  # seconds for which a survey is believed; less where leases last less
SURVEY_PAUSE_SECONDS = 1.0  # seconds between two surveys of a slab in which nothing was to be had


@dataclass(slots=True, kw_only=True)
class ShardClaims:
    """`offset` is the position the walk begins at, so that workers seldom meet."""

    store: Store
    header: manifest.Header
    name: str
    offset: int
    leases: LeaseRenewer
    _slab: tuple[int, list[Shard]] | None = None
    _seen: dict[int, tuple[Survey, float]] = field(default_factory=dict[int, tuple[Survey, float]])
    _tried: set[tuple[str, int]] = field(
        default_factory=set[tuple[str, int]]
    )  # shard and generation, ours or not
    _signed: set[str] = field(default_factory=set[str])  # shards that we have done ourselves
    _done: set[int] = field(default_factory=set[int])  # slabs

    def next(self) -> tuple[Shard, Lease] | tuple[()] | None:
        """Claim a shard; its lease is renewed from then on. () while others hold the rest, None when all are done."""
        count = manifest.slab_count(self.header)
        first = self.offset // SLAB
        for step in range(count):
            number = (first + step) % count
            if number in self._done:
                continue
            found = self._in(number, first)
            if found:
                return found
        return None if len(self._done) == count else ()

    def signed(self, shard: Shard) -> None:
        """It has its receipt: that needs no listing to be known."""
        self._signed.add(shard.id)

    def _in(self, number: int, first: int) -> tuple[Shard, Lease] | None:
        """A shard of this slab: by what we know, and where that gives none, by what there is now."""
        shards = self._shards(number)
        turn = self.offset % SLAB if number == first else 0
        walk = shards[turn:] + shards[:turn]
        for fresh in (False, True):
            seen = self._survey(number, fresh=fresh)
            if seen is None:
                continue
            if all(shard.id in seen.done or shard.id in self._signed for shard in shards):
                self._done.add(number)
                return None
            for shard in walk:
                generation = seen.next_generation(shard.id, timedelta(seconds=self.header.ttl))
                if generation is None or (shard.id, generation) in self._tried:
                    continue
                self._tried.add((shard.id, generation))
                crashes = seen.crashes.get(shard.id, 0)
                lease = claim(self.store, self.header.run, shard, generation, self.name, utc(), crashes)
                if lease:
                    self.leases.hold(lease)
                    self.offset = shard.position + 1
                    return shard, lease
                if not fresh and monotonic() - self._seen[number][1] > SURVEY_PAUSE_SECONDS:
                    break  # we meet others: look again
        return None

    def _survey(self, number: int, *, fresh: bool) -> Survey | None:
        """What is known of a slab; None where nothing is that we may believe, or asking again is too soon."""
        known = self._seen.get(number)
        age = monotonic() - known[1] if known else None
        if not fresh:
            return (
                known[0]
                if known and age is not None and age < min(SURVEY_SECONDS, self.header.ttl / 4)
                else None
            )
        if known and age is not None and age < min(SURVEY_PAUSE_SECONDS, self.header.ttl / 4):
            return None
        found = survey(self.store, self.header.run, slab_name(number))
        self._seen = {number: (found, monotonic())}  # of one slab: a walk seldom comes back
        return found

    def _shards(self, number: int) -> list[Shard]:
        if self._slab is None or self._slab[0] != number:
            self._slab = (number, manifest.read_slab(self.store, self.header.run, number))
        return self._slab[1]
