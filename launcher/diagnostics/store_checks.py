"""Trying a store as a run would use it, one thing after the other, for `embedfleet doctor`.

Everything is tried for real, on two small objects, which stay: nothing in this program deletes from a store. What is
found is told as values; how they are shown is somebody else's matter.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO, Literal
from uuid import uuid4

from tasks.protocol.keys import DOCTOR_PROBE_KEY, RUNS_PREFIX
from tasks.stores.base import PAGE, Denied, Refused, Store, Unknown, Unreachable, Unsure, create_once, read
from tasks.stores.folder import Folder
from tasks.stores.open import open_store
from tasks.stores.range_reader import Ranged

Verdict = Literal["ok", "warn", "fail"]

KEY = DOCTOR_PROBE_KEY
NEW = f"{KEY}-new"
SIZE = 2**16  # bytes of the object: enough to tell a range of it from the whole
RANGE = (1_000, 1_016)
LATE = 10  # listings that may pass until a write shows
PAUSE = 0.5  # seconds between two of them
SLOW = 0.5  # seconds a request; four of them a shard are still nothing, but it is no store nearby
SKEW = 30.0  # seconds; leases go by the store's clock alone, but credentials and logs go by ours
AT_ONCE = "choose an output path on a store whose listings show every write at once"
ANOTHER = "choose an output path on a store with conditional writes: a local folder, S3 or GCS"


@dataclass(frozen=True, slots=True)
class Finding:
    """`seen` is what was found, with its numbers; `hint` what to do about it, None where nothing is to be done."""

    name: str
    verdict: Verdict
    seen: str
    hint: str | None = None


def examine(
    url: str,
    opened: Callable[[str], Store] = open_store,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Callable[[float], None] = time.sleep,
) -> list[Finding]:
    """What a run would find at this output path. Ends at what makes the rest pointless."""
    try:
        store = opened(url)
    except Refused as error:
        return [_failed("address", error)]
    visit = Visit(store, clock, wait)
    for name, look in LOOKS:
        try:
            visit.found.append(Finding(name, *look(visit)))
        except Refused as error:
            failed = _failed(name, error)
            visit.found.append(failed)
            visit.over = failed.name in ESSENTIAL
        if visit.over:
            break
    if visit.body:
        left = (
            f"{KEY} and {NEW.rpartition('/')[2]} stay, {SIZE // 2**10} KiB: nothing here deletes from a store"
        )
        visit.found.append(Finding("left behind", "ok", left))
    return visit.found


@dataclass
class Visit:
    """To one store, and what was found so far."""

    store: Store
    clock: Callable[[], datetime]
    wait: Callable[[float], None]
    found: list[Finding] = field(default_factory=list[Finding])
    body: bytes = b""  # of our object, as it should be now
    over: bool = False


Told = tuple[Verdict, str, str | None]


def _reach(visit: Visit) -> Told:
    """The first answer at all, and how long the next ones take."""
    visit.store.now()
    taken: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        read(visit.store, KEY)
        taken.append(time.perf_counter() - start)
    seconds = statistics.median(taken)
    told = f"answers, {seconds * 1_000:,.0f} ms a request"
    if seconds > SLOW:
        return "warn", told, "choose a store in the region of the machines, or look from there"
    return "ok", told, None


def _credentials(visit: Visit) -> Told:
    """It has just answered."""
    return "ok", "needs none" if isinstance(visit.store, Folder) else "accepted", None


def _list(visit: Visit) -> Told:
    count = len(visit.store.list(RUNS_PREFIX))
    return (
        "ok",
        f"may list ({count:,} objects under {RUNS_PREFIX}{', or more' if count >= PAGE else ''})",
        None,
    )


def _write(visit: Visit) -> Told:
    """Whatever is there, a put must change it."""
    for _ in range(2):  # the second over the first: on GCS another right than writing
        visit.body = _fresh()
        visit.store.put(KEY, visit.body)
    found = read(visit.store, KEY)
    if found == visit.body:
        return "ok", f"may write, read and overwrite ({KEY})", None
    visit.over = True
    held = "nothing" if found is None else "something else"
    return "fail", f"{KEY} was written, and {held} was read from it", "choose an output path on another store"


def _create_only(visit: Visit) -> Told:
    """Our object is there: to create it must be refused, and must not touch it. To create another must do."""
    taken = False
    with suppress(Unsure):
        taken = visit.store.create(KEY, _fresh())
    if taken or read(visit.store, KEY) != visit.body:
        visit.over = True
        return (
            "fail",
            "create-only is ignored: the store overwrote what was to be created only if absent",
            ANOTHER,
        )
    if read(visit.store, NEW) is None and not create_once(visit.store, NEW, uuid4().hex.encode()):
        visit.over = True
        return "fail", "create-only is wrong: the store refused to create what is not there", ANOTHER
    return "ok", "create-only is honoured: what is there stays", None


def _listed(visit: Visit) -> Told:
    """A write must show in the next listing, with its new size."""
    visit.body = _fresh()[: SIZE - 7]
    visit.store.put(KEY, visit.body)
    for number in range(LATE):
        if number:
            visit.wait(PAUSE)
        if any(entry.key == KEY and entry.size == len(visit.body) for entry in visit.store.list(KEY)):
            if not number:
                return "ok", "a write shows in the next listing", None
            return "fail", f"a write showed in listing {number + 1}, {number * PAUSE:g} s later", AT_ONCE
    return "fail", f"a write did not show in {LATE} listings, for {(LATE - 1) * PAUSE:g} s", AT_ONCE


def _clock(visit: Visit) -> Told:
    """How far this machine's clock is from the store's, which tells whole seconds."""
    before = visit.clock()
    theirs = visit.store.now()
    ours = before + (visit.clock() - before) / 2
    seconds = (ours - theirs).total_seconds()
    told = (
        f"this machine's clock is {abs(seconds):,.1f} s {'ahead of' if seconds > 0 else 'behind'} the store's"
    )
    if abs(seconds) > SKEW:
        return (
            "warn",
            told,
            "set the clock (timedatectl set-ntp true): a store refuses what seems signed at another time",
        )
    return "ok", told, None


def _ranges(visit: Visit) -> Told:
    """Shards are slices of files: they must come without the rest."""
    start, end = RANGE
    stream = visit.store.get(KEY, span=RANGE)
    if stream is None:
        return (
            "fail",
            f"{KEY} is gone, although nobody deletes it",
            "see whether something cleans the bucket up",
        )
    with stream:
        part, brought = stream.read(end - start), _brought(stream)
    if part != visit.body[start:end]:
        return "fail", f"bytes {start:,} to {end:,} are not those of the object", "choose another store"
    if brought is not None and brought >= len(visit.body):
        told = f"ranges are ignored: {brought:,} bytes came for {end - start}"
        return "warn", told, "give the corpus as small files: every shard reads the whole of its file here"
    return "ok", f"reads ranges ({end - start} bytes of {len(visit.body):,})", None


LOOKS: tuple[tuple[str, Callable[[Visit], Told]], ...] = (
    ("reach", _reach),
    ("credentials", _credentials),
    ("list", _list),
    ("write", _write),
    ("create-only", _create_only),
    ("listing", _listed),
    ("clock", _clock),
    ("ranges", _ranges),
)
ESSENTIAL = {"reach", "credentials", "list", "write"}  # without these the rest says nothing


def _failed(name: str, error: Refused) -> Finding:
    """Some refusals say by themselves what is wrong, whatever was tried."""
    if isinstance(error, Unreachable):
        name = "reach"
    elif isinstance(error, Unknown):
        name = "credentials"
    elif isinstance(error, Denied) and name == "reach":
        name = "list"  # by which it was tried
    return Finding(name, "fail", str(error), error.hint)


def _fresh() -> bytes:
    """A body that is nobody else's."""
    return (uuid4().hex.encode() * (SIZE // 32))[:SIZE]


def _brought(stream: BinaryIO) -> int | None:
    """How much the store sent for a stream, where that is known."""
    raw: object = getattr(stream, "raw", stream)
    return raw.brought if isinstance(raw, Ranged) else None
