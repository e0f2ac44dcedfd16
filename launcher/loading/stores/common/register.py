"""Which collection a name stands for, in a store without aliases: a record beside the collections.

The first load makes a collection of the name itself. `--replace` fills another one, NAME-<id>, and then the record says
that this one serves: clients of such a store need its name. The record is one small document a name, written
whole, so that a replacement takes its place in one step. It is written before the collection is made: whatever is killed
in between, the record names all that may be there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from launcher.errors import Problem
from launcher.loading.contents import (
    Contents,
    check_goes_on,
    check_takes_place,
    is_beside,
    is_rest_of,
    resumed,
)
from launcher.loading.stores.common.backpressure import Write
from launcher.loading.stores.common.fence import Fence

SCHEMA = "embedfleet/register/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The collections that were made for one name."""

    schema: str = SCHEMA
    serving: str | None = None
    collections: Mapping[str, Contents] = field(default_factory=dict[str, Contents])


@dataclass(frozen=True, slots=True)
class Step:
    """A record as it is to be written, the collection that it is about, and those that are to be dropped."""

    record: Record
    collection: str
    contents: Contents
    dropped: tuple[str, ...] = ()
    before: str | None = None  # the collection that served until now, and is kept


class Keeper(Protocol):
    """Where a register's records lie, and the collections that they name."""

    def read_record(self, name: str) -> bytes | str | None:
        """The record of a name; None: there is none."""
        ...

    def write_record(self, name: str, text: str) -> None:
        """Write the record of a name, over the one before."""
        ...

    def exists(self, collection: str) -> bool:
        """Whether there is such a collection; a namespace without rows is none."""
        ...

    def drop(self, collection: str) -> None:
        """Drop a collection with its rows; one that is gone is no error."""
        ...


def encode(record: Record) -> str:
    """The record as it is written into the store."""
    return msgspec.json.encode(record).decode()


def decode(text: str | bytes) -> Record | None:
    """What was written; None: it is nothing of ours."""
    try:
        found = msgspec.json.decode(text, type=Record)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if found.schema == SCHEMA else None


def serving(record: Record) -> Contents | None:
    """What the collection holds that serves."""
    return None if record.serving is None else record.collections.get(record.serving)


def begin(record: Record, name: str, contents: Contents, *, replace_it: bool) -> Step:
    """The record when a load begins, or goes on. `record` holds no collection that is gone."""
    held = serving(record)
    if not replace_it:
        if held is not None and record.serving is not None:
            check_goes_on(held, contents, record.serving)
            now = resumed(held, contents)
            return Step(_with(record, record.serving, now), record.serving, now)
        fresh = _unused(record, name, contents)
        return Step(replace(_with(record, fresh, contents), serving=fresh), fresh, contents)
    unfinished = {
        one: has for one, has in record.collections.items() if not has.complete and one != record.serving
    }
    mine = [one for one, has in unfinished.items() if is_rest_of(has, contents)]
    target = mine[0] if mine else _unused(record, f"{name}-{contents.collection}", contents)
    now = resumed(unfinished[target], contents) if mine else contents
    given_up = tuple(one for one in unfinished if one != target)
    return Step(_with(_without(record, given_up), target, now), target, now, given_up)


def finish(record: Record, collection: str, contents: Contents) -> Step:
    """The record when a collection is complete: it serves, and the one before it is kept.

    `dropped` are those before that one; a load that replaces nothing drops nothing.

    Raises:
        Problem: another load has taken the place since this one began.
    """
    held = serving(record)
    if record.serving != collection or not is_beside(held, contents):
        check_takes_place(held, contents, record.serving or collection)
    before = record.serving if record.serving != collection else None
    kept = set(record.collections) if before is None else {collection, before}
    dropped = tuple(one for one in record.collections if one not in kept and one != collection)
    done = replace(_with(record, collection, contents), serving=collection)
    return Step(done, collection, contents, dropped, before)


def _unused(record: Record, name: str, contents: Contents) -> str:
    """`name`, unless a collection has it that is kept."""
    return name if name not in record.collections else f"{name}-{contents.collection}"


def _with(record: Record, name: str, contents: Contents) -> Record:
    return replace(record, collections={**record.collections, name: contents})


def _without(record: Record, names: tuple[str, ...]) -> Record:
    return replace(
        record, collections={one: has for one, has in record.collections.items() if one not in names}
    )


class Register:
    """The collections of one name in a store."""

    def __init__(self, name: str, keeper: Keeper) -> None:
        self._name, self._keeper = name, keeper
        self._collection: str | None = None
        self._fence: Fence | None = None

    @property
    def collection(self) -> str:
        """The collection that is loaded, else the one that serves."""
        if self._collection is None:
            self._collection = self.serving()
        return self._collection

    def serving(self) -> str:
        """The collection that clients are to read."""
        return self._read().serving or self._name

    def contents(self) -> Contents | None:
        """What the collection holds that serves; None: there is none.

        Raises:
            Problem: there is one of this name, and no record of ours.
        """
        record = self._read()
        held = serving(record)
        if held is None:
            if self._keeper.exists(self._name) and self._name not in record.collections:
                raise Problem(
                    f"{self._name} is there, and embedfleet did not make it",
                    hint="name another one: rows are not mixed into those of others",
                )
            return None
        if self._lost(record):
            return None
        self._collection = record.serving
        return held

    def prepare(self, contents: Contents, make: Callable[[str], None], *, replace: bool) -> Contents:
        """Write the record, make the collection unless it is there, and drop those that were given up."""
        record = self._read()
        if record.serving is not None and self._lost(record):
            record = Record(collections={k: v for k, v in record.collections.items() if k != record.serving})
        step = begin(record, self._name, contents, replace_it=replace)
        for one in step.dropped:
            self._keeper.drop(one)
        if step.record != record:
            self._keeper.write_record(self._name, encode(step.record))
        make(step.collection)
        self._collection = step.collection
        self._fence = Fence(
            step.contents, lambda: self._read().collections.get(step.collection), step.collection
        )
        return step.contents

    def request(self, write: Write) -> Write:
        """The same request, by a loader whose load is not over."""
        assert self._fence is not None, "prepare comes first"
        return self._fence.request(write)

    def check_delete(self) -> None:
        """Check that rows may be deleted: no later load has begun."""
        if self._fence is not None:
            self._fence.check_delete()

    def seal(self, contents: Contents) -> str | None:
        """Say that the collection is complete and serves; returns the one that served, which is kept."""
        step = finish(self._read(), self.collection, contents)
        self._fence = None
        self._keeper.write_record(self._name, encode(step.record))
        if step.dropped:
            for one in step.dropped:
                self._keeper.drop(one)
            self._keeper.write_record(self._name, encode(_without(step.record, step.dropped)))
        return step.before

    def _lost(self, record: Record) -> bool:
        """Whether the collection that serves was complete, and was dropped by somebody else."""
        held = serving(record)
        complete = held is not None and held.complete and bool(held.rows)
        return complete and not self._keeper.exists(record.serving or "")

    def _read(self) -> Record:
        text = self._keeper.read_record(self._name)
        if text is None:
            return Record()
        found = decode(text)
        if found is None:
            raise Problem(
                f"the record of {self._name} in the store cannot be read",
                hint="a newer embedfleet may have written it: upgrade, or load under another name",
            )
        return found
