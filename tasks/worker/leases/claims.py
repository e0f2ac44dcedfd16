"""Choose and claim the next shard: a walk over the slabs from this worker's own offset.

A slab is listed from time to time and not before every claim: a claim on stale knowledge costs one request that
fails, because a lease is created and never overwritten. So an uncontended shard costs a claim, an output and a receipt.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from tasks.clock import utc
from tasks.errors import Problem
from tasks.protocol import documents, manifest
from tasks.protocol.lease import Lease, Survey, claim, survey
from tasks.protocol.retry import NEVER
from tasks.protocol.shard import SLAB, Shard, slab_name
from tasks.stores.base import Store
from tasks.worker.leases.blame import Blame
from tasks.worker.leases.lease_renewal import LeaseRenewer

SURVEY_SECONDS = 30.0  # for which a listing of a slab is used; less where leases are shorter
SURVEY_PAUSE_SECONDS = 1.0  # between two listings of a slab in which nothing was free
PUT_OFF_SECONDS = (
    5.0  # until this worker tries a shard again that it could not read; others may try it at once
)
JUDGED_SECONDS = 15.0  # for which a shard that was left to other places is not judged again


@dataclass(slots=True, kw_only=True)
class ShardClaims:
    """Claims shards for one worker. `offset` is the position at which its walk begins, so that workers seldom collide."""

    store: Store
    header: manifest.Header
    name: str
    offset: int
    leases: LeaseRenewer
    _slab: tuple[int, list[Shard]] | None = None
    _seen: dict[int, tuple[Survey, float]] = field(default_factory=dict[int, tuple[Survey, float]])
    _tried: set[tuple[str, int]] = field(
        default_factory=set[tuple[str, int]]
    )  # shard and generation, whether the claim succeeded or not
    _signed: set[str] = field(default_factory=set[str])  # shards that this worker has committed
    _done: set[int] = field(default_factory=set[int])  # numbers of finished slabs
    _not_before: dict[str, float] = field(default_factory=dict[str, float])  # shards, by the monotonic clock
    _damaged: dict[int, Problem] = field(default_factory=dict[int, Problem])  # slabs that cannot be read

    def next(self) -> tuple[Shard, Lease] | tuple[()] | None:
        """Claim a shard; its lease is renewed from then on. () while others hold the rest, None when all are done.

        Raises:
            Problem: a slab cannot be read, and the shards of all others are done.
        """
        count = manifest.slab_count(self.header)
        first = self.offset // SLAB
        for step in range(count):
            number = (first + step) % count
            if number in self._done or number in self._damaged:
                continue
            found = self._in(number, first)
            if found:
                return found
        if len(self._done) + len(self._damaged) < count:
            return ()
        for problem in self._damaged.values():
            raise problem
        return None

    def mark_done(self, shard: Shard) -> None:
        """This worker has committed the shard, so no listing is needed to know it."""
        self._signed.add(shard.id)

    def put_off(self, shard: Shard, seconds: float = PUT_OFF_SECONDS) -> None:
        """This worker could not read the shard, or is not to judge it: another may, or this one a little later."""
        self._not_before[shard.id] = monotonic() + seconds

    def _in(self, number: int, first: int) -> tuple[Shard, Lease] | None:
        """Claim a shard of this slab, by the cached listing first and by a fresh one if that gives none."""
        try:
            shards = self._shards(number)
        except (documents.BadDocument, manifest.RunNotFound) as problem:
            self._damaged[number] = problem
            return None
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
                if generation is None or (shard.id, generation) in self._tried or self._put_off(shard):
                    continue
                crashes = Blame(self.store, self.header.run).crashes(shard, seen)
                if crashes is None:
                    self.put_off(shard, JUDGED_SECONDS)
                    continue
                self._tried.add((shard.id, generation))
                lease = self._claim(shard, generation, seen, crashes)
                if lease:
                    self.leases.hold(lease)
                    self.offset = shard.position + 1
                    return shard, lease
                if not fresh and monotonic() - self._seen[number][1] > SURVEY_PAUSE_SECONDS:
                    break  # another worker claims here too: list again
        return None

    def _put_off(self, shard: Shard) -> bool:
        return monotonic() < self._not_before.get(shard.id, 0.0)

    def _claim(self, shard: Shard, generation: int, seen: Survey, crashes: int) -> Lease | None:
        """Claim this generation of a shard, with what is known of earlier attempts."""
        return claim(
            self.store,
            self.header.run,
            shard,
            generation,
            self.name,
            utc(),
            crashes,
            unreadable=seen.unreadable.get(shard.id, 0),
            retry=seen.retries.get(shard.id, NEVER).number,
        )

    def _survey(self, number: int, *, fresh: bool) -> Survey | None:
        """The listing of a slab; None where the cached one is too old, or a fresh one would come too soon."""
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
        self._seen = {
            number: (found, monotonic())
        }  # one slab is cached: a walk seldom returns to an earlier one
        return found

    def _shards(self, number: int) -> list[Shard]:
        if self._slab is None or self._slab[0] != number:
            self._slab = (number, manifest.read_slab(self.store, self.header.run, number, self.header.shards))
        return self._slab[1]
