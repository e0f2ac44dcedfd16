"""Injected faults, and counts of requests. Both are read and written as JSON."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

Conditions = Literal["heed", "ignore", "refuse", "lie"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Happens to requests of the kinds `on` whose key holds `key`, but for the first `skip`; `times` of them at most.

    It may delay (`seconds`, and up to `spread` more), answer `status` with `code`, or `drop` the connection: either
    instead of the deed, or `after` it was done. `cut` lets so many bytes of the answer's body through before it drops.
    `drip` sends the answer, its head too, byte by byte with so many seconds in between.
    """

    on: str = "*"  # kinds with commas between, such as "create,put"
    key: str = ""  # a regular expression, searched for
    status: int | None = None
    code: str = ""
    drop: bool = False
    after: bool = False
    cut: int | None = None
    drip: float | None = None
    seconds: float = 0.0
    spread: float = 0.0
    rate: float = 1.0
    times: int | None = None
    skip: int = 0

    def fits(self, kind: str, key: str) -> bool:
        return (self.on == "*" or kind in self.on.split(",")) and re.search(self.key, key) is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The effect of the faults on one request."""

    seconds: float = 0.0
    fault: Fault | None = None


@dataclass
class Faults:
    """The active faults and the random generator: the same seed and requests give the same faults."""

    on: list[Fault] = field(default_factory=list[Fault])
    seen: Counter[int] = field(default_factory=Counter[int])
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    def set(self, faults: Iterable[Fault], seed: int = 0) -> None:
        self.on = list(faults)
        self.seen = Counter()
        self.dice = random.Random(seed)

    def strike(self, kind: str, key: str) -> Outcome:
        seconds = 0.0
        for number, fault in enumerate(self.on):
            if not fault.fits(kind, key) or self.dice.random() >= fault.rate:
                continue
            self.seen[number] += 1
            turn = self.seen[number] - fault.skip
            if turn <= 0 or (fault.times is not None and turn > fault.times):
                continue
            seconds += fault.seconds + self.dice.uniform(0, fault.spread)
            if fault.status or fault.drop or fault.cut is not None or fault.drip is not None:
                return Outcome(seconds, fault)
        return Outcome(seconds)


@dataclass
class Settings:
    """What kind of store this is. Changed by name, over the admin address or in the process."""

    date: bool = True
    conditions: Conditions = (
        "heed"  # create-only: as asked, overwritten, 501, or refused and overwritten all the same
    )
    region: str = ""  # of the buckets; requests signed for another get a redirect. Empty: any
    tell_region: bool = True
    late: bool = False  # listings are empty
    endless: bool = False  # each page of a listing says that another follows, and gives the same
    ranges: bool = True
    skew: float = 0.0  # seconds by which its clock runs ahead


@dataclass(frozen=True)
class Requests:
    """Counts so far: requests by kind, and bytes of bodies in and out."""

    by_kind: dict[str, int] = field(default_factory=dict[str, int])
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def total(self) -> int:
        return sum(self.by_kind.values())

    def minus(self, before: Self) -> "Requests":
        kinds = {k: n - before.by_kind.get(k, 0) for k, n in self.by_kind.items()}
        return Requests(
            {k: n for k, n in kinds.items() if n},
            self.bytes_in - before.bytes_in,
            self.bytes_out - before.bytes_out,
        )

    @classmethod
    def of(cls, address: str) -> "Requests":
        """The counts of the server at this address. This request is not counted."""
        from tests.support.objectserver.admin import Admin

        return Admin(address).requests()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Requests":
        return cls(dict(body["by_kind"]), body["bytes_in"], body["bytes_out"])
