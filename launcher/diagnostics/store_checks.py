"""Check an output store for everything that a run needs of it: access, conditional writes, listings, clock, ranges.

Each check does the real operation on two small objects of doctor's own, which are deleted afterwards, with the folders
that they needed. Where deleting is not allowed, which no run needs, the last check names what stays.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from launcher.diagnostics.checks import Check, Verdict
from launcher.format import plural
from tasks.protocol.keys import DOCTOR_PROBE_KEY, RUNS_PREFIX
from tasks.stores.base import (
    PAGE_SIZE,
    Eraser,
    OutcomeUnknown,
    PermissionDenied,
    Store,
    StoreError,
    StoreUnreachable,
    Unauthenticated,
    create_once,
    probe,
    read,
)
from tasks.stores.folder import FolderStore
from tasks.stores.open import open_store
from tasks.stores.range_reader import RangeReader

KEY = DOCTOR_PROBE_KEY
NEW_KEY = f"{KEY}-new"
OBJECT_BYTES = 2**16  # large enough to tell a range of it from the whole
RANGE_BYTES = (1_000, 1_016)
MAX_LISTINGS = 10  # that a write may take to show
LISTING_PAUSE_SECONDS = 0.5  # between two listings
SLOW_SECONDS = 0.5  # a request; a shard needs four, which is little, but the store is not in this region
MAX_SKEW_SECONDS = 30.0  # leases use the store's clock alone, but credentials and logs use ours
NEEDS_LISTINGS = "choose an output path on a store whose listings show every write at once"
NEEDS_CONDITIONS = "choose an output path on a store with conditional writes: a local folder, S3 or GCS"


def check_store(
    url: str,
    opened: Callable[[str], Store] = open_store,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Callable[[float], None] = time.sleep,
) -> list[Check]:
    """Run every check of the store at `url`; stop early when a failure makes the rest pointless."""
    try:
        store = opened(url)
    except StoreError as error:
        return [_failed("address", error)]
    absent = _absent_folders(store)
    checks = StoreProbe(store, clock, wait)
    for name, check in STORE_CHECKS:
        try:
            checks.found.append(Check(name, *check(checks)))
        except StoreError as error:
            failed = _failed(name, error)
            checks.found.append(failed)
            checks.stop = failed.name in ESSENTIAL
        if checks.stop:
            break
    if checks.body:
        checks.found.append(_cleaned_up(store))
    _remove_empty(absent)
    return checks.found


def check_writable(url: str, run: str) -> str | None:
    """Check that an output may be written as a run writes it; leave nothing.

    Returns: the key of an object that could not be deleted, always the same of one run; None: nothing is left.

    Raises:
        StoreError: it may not be written, or the store does not honour create-only writes.
    """
    store, key = open_store(url), f"{KEY}-{run}"
    absent = _absent_folders(store)
    try:
        probe(store, key)
    finally:
        erased = _erased(store, key)
        _remove_empty(absent)
    return None if erased else key


def _absent_folders(store: Store) -> list[Path]:
    """The folders that the checks will create, innermost first; none in a bucket."""
    if not isinstance(store, FolderStore):
        return []
    inner = (store.root / KEY).parent
    return [folder for folder in (inner, *inner.parents) if not folder.exists()]


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove the folders that a check created, innermost first."""
    for folder in folders:
        with suppress(OSError):  # a run may have begun to write there
            folder.rmdir()


def _erased(store: Store, *keys: str) -> bool:
    """Delete objects; whether that was possible."""
    try:
        if isinstance(store, Eraser):
            for key in keys:
                store.erase(key)
            return True
    except (StoreError, OutcomeUnknown):
        pass
    return False


def _cleaned_up(store: Store) -> Check:
    """Delete the objects of the checks; whether that was possible."""
    if _erased(store, KEY, NEW_KEY):
        return Check("left behind", "ok", "nothing")
    stays = f"{KEY} and {NEW_KEY.rpartition('/')[2]} stay, {OBJECT_BYTES // 2**10} KiB"
    return Check("left behind", "ok", f"{stays}: they may not be deleted with these credentials")


@dataclass
class StoreProbe:
    """The store, and the results so far."""

    store: Store
    clock: Callable[[], datetime]
    wait: Callable[[float], None]
    found: list[Check] = field(default_factory=list[Check])
    body: bytes = b""  # what our object should contain now
    stop: bool = False  # no further check makes sense


CheckOutcome = tuple[Verdict, str, str | None]


def _reach(probe: StoreProbe) -> CheckOutcome:
    """Whether the store answers, and the median time of a request."""
    probe.store.now()
    taken: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        read(probe.store, KEY)
        taken.append(time.perf_counter() - start)
    seconds = statistics.median(taken)
    seen = f"answers, {seconds * 1_000:,.0f} ms a request"
    if seconds > SLOW_SECONDS:
        return "warn", seen, "choose a store in the region of the machines, or run doctor from there"
    return "ok", seen, None


def _credentials(probe: StoreProbe) -> CheckOutcome:
    """Whether the credentials are accepted; `_reach` has just had an answer."""
    return "ok", "needs none" if isinstance(probe.store, FolderStore) else "accepted", None


def _list(probe: StoreProbe) -> CheckOutcome:
    """Whether keys may be listed."""
    count = len(probe.store.list(RUNS_PREFIX))
    return (
        "ok",
        f"may list ({plural(count, 'object')} under {RUNS_PREFIX}{', or more' if count >= PAGE_SIZE else ''})",
        None,
    )


def _write(probe: StoreProbe) -> CheckOutcome:
    """Whether an object can be written, overwritten and read back."""
    for _ in range(2):  # twice: on GCS overwriting needs another permission than writing
        probe.body = _fresh()
        probe.store.put(KEY, probe.body)
    found = read(probe.store, KEY)
    if found == probe.body:
        return "ok", f"may write, read and overwrite ({KEY})", None
    probe.stop = True
    held = "nothing" if found is None else "something else"
    return "fail", f"{KEY} was written, and {held} was read from it", "choose an output path on another store"


def _create_only(probe: StoreProbe) -> CheckOutcome:
    """Whether creating an object that exists is refused and leaves it alone, and creating a new one succeeds."""
    taken = False
    with suppress(OutcomeUnknown):
        taken = probe.store.create(KEY, _fresh())
    if taken or read(probe.store, KEY) != probe.body:
        probe.stop = True
        return (
            "fail",
            "create-only is ignored: the store overwrote what was to be created only if absent",
            NEEDS_CONDITIONS,
        )
    if read(probe.store, NEW_KEY) is None and not create_once(probe.store, NEW_KEY, uuid4().hex.encode()):
        probe.stop = True
        return "fail", "create-only is wrong: the store refused to create what is not there", NEEDS_CONDITIONS
    return "ok", "create-only is honoured: what is there stays", None


def _listed(probe: StoreProbe) -> CheckOutcome:
    """Whether a write shows in the next listing, with its new size."""
    probe.body = _fresh()[: OBJECT_BYTES - 7]
    probe.store.put(KEY, probe.body)
    for number in range(MAX_LISTINGS):
        if number:
            probe.wait(LISTING_PAUSE_SECONDS)
        if any(entry.key == KEY and entry.size == len(probe.body) for entry in probe.store.list(KEY)):
            if not number:
                return "ok", "a write shows in the next listing", None
            return (
                "fail",
                f"a write showed in listing {number + 1}, {number * LISTING_PAUSE_SECONDS:g} s later",
                NEEDS_LISTINGS,
            )
    return (
        "fail",
        f"a write did not show in {MAX_LISTINGS} listings, for {(MAX_LISTINGS - 1) * LISTING_PAUSE_SECONDS:g} s",
        NEEDS_LISTINGS,
    )


def _clock(probe: StoreProbe) -> CheckOutcome:
    """How far this machine's clock is from the store's, which has a resolution of whole seconds."""
    before = probe.clock()
    theirs = probe.store.now()
    ours = before + (probe.clock() - before) / 2
    seconds = (ours - theirs).total_seconds()
    seen = (
        f"this machine's clock is {abs(seconds):,.1f} s {'ahead of' if seconds > 0 else 'behind'} the store's"
    )
    if abs(seconds) > MAX_SKEW_SECONDS:
        return (
            "warn",
            seen,
            "set the clock (timedatectl set-ntp true): a store refuses what seems signed at another time",
        )
    return "ok", seen, None


def _ranges(probe: StoreProbe) -> CheckOutcome:
    """Whether a range of an object can be read without the rest: shards are slices of files."""
    start, end = RANGE_BYTES
    stream = probe.store.get(KEY, span=RANGE_BYTES)
    if stream is None:
        return (
            "fail",
            f"{KEY} is gone, although embedfleet deletes nothing",
            "check the bucket's lifecycle rules, and what else deletes from it",
        )
    with stream:
        part, sent = stream.read(end - start), _bytes_sent(stream)
    if part != probe.body[start:end]:
        return "fail", f"bytes {start:,} to {end:,} are not those of the object", "choose another store"
    if sent is not None and sent >= len(probe.body):
        seen = f"ranges are ignored: {plural(sent, 'byte')} came for {end - start}"
        return "warn", seen, "give the corpus as small files: every shard reads the whole of its file here"
    return "ok", f"reads ranges ({plural(end - start, 'byte')} of {len(probe.body):,})", None


STORE_CHECKS: tuple[tuple[str, Callable[[StoreProbe], CheckOutcome]], ...] = (
    ("reach", _reach),
    ("credentials", _credentials),
    ("list", _list),
    ("write", _write),
    ("create-only", _create_only),
    ("listing", _listed),
    ("clock", _clock),
    ("ranges", _ranges),
)
ESSENTIAL = {"reach", "credentials", "list", "write"}  # without these the other checks say nothing


def _failed(name: str, error: StoreError) -> Check:
    """The check that an error belongs to: some errors say themselves what is wrong, whichever check met them."""
    if isinstance(error, StoreUnreachable):
        name = "reach"
    elif isinstance(error, Unauthenticated):
        name = "credentials"
    elif isinstance(error, PermissionDenied) and name == "reach":
        name = "list"  # the request that _reach makes
    return Check(name, "fail", str(error), error.hint)


def _fresh() -> bytes:
    """Random bytes, so that a read shows whose write it sees."""
    return (uuid4().hex.encode() * (OBJECT_BYTES // 32))[:OBJECT_BYTES]


def _bytes_sent(stream: BinaryIO) -> int | None:
    """How many bytes the store sent for a stream; None where that is unknown."""
    raw: object = getattr(stream, "raw", stream)
    return raw.bytes_received if isinstance(raw, RangeReader) else None
