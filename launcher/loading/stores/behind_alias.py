"""Collections behind an alias, as several stores have them.

The name that a target gives is an alias; the collection behind it has another name, and a replacement is another
collection to which the alias moves. Each collection holds a record of what it holds.
"""

from collections.abc import Sequence
from typing import Protocol

from launcher.errors import Problem
from launcher.loading.contents import Contents, check_takes_place, resumed
from launcher.loading.vector_store import Schema


class Collections(Protocol):
    """The collections of a server, as one target sees them. Errors are those of the client."""

    def serving(self) -> str | None:
        """The collection behind the alias; where a collection has the alias's own name, that."""
        ...

    def mine(self) -> Sequence[str]:
        """The collections that were made for this alias."""
        ...

    def record(self, name: str) -> Contents | None:
        """What a collection says that it holds; None: nothing of ours."""
        ...

    def say(self, name: str, contents: Contents) -> None:
        """Change what a collection says."""
        ...

    def create(self, contents: Contents, *, replace: bool) -> str:
        """Make a collection, with its alias unless it replaces another; that of a loader which came first counts."""
        ...

    def move(self, name: str, before: str | None) -> None:
        """Point the alias at a collection, away from another."""
        ...

    def drop(self, name: str) -> None:
        """Delete a collection."""
        ...


def serving(store: Collections, alias: str, noun: str = "collection") -> tuple[str, Contents] | None:
    """The collection behind an alias, and what it says; None: there is none.

    Raises:
        Problem: the name is that of a collection, and no alias of ours.
    """
    real = store.serving()
    if real is None:
        return None
    held = store.record(real)
    if held is None or real == alias:
        raise Problem(
            f"the {noun} {alias} is there, and embedfleet did not make it",
            hint="name another one: rows are not mixed into those of others",
        )
    return real, held


def prepare(store: Collections, contents: Contents, *, replace: bool) -> tuple[str, Contents]:
    """The collection to load into, made or gone on with, and what it says from now on."""
    current = store.serving()
    real = _unfinished(store, contents, current) if replace else current
    if real is None:
        real = store.create(contents, replace=replace)
    have = store.record(real)
    now = contents if have is None else resumed(have, contents)
    if have != now:
        store.say(real, now)
    return real, now


def take_place(store: Collections, name: str, contents: Contents) -> str | None:
    """Say that a collection is complete, and move the alias to it where it replaces another.

    Returns the one that served, which is kept; those before it are dropped.

    Raises:
        Problem: another load has taken that place since this one began.
    """
    before = store.serving()
    if before not in (None, name):
        check_takes_place(store.record(before), contents, before)
    store.say(name, contents)
    if before == name or contents.replaces is None:
        return None
    store.move(name, before)
    for one in store.mine():
        if one not in (name, before):
            store.drop(one)
    return before


def check_schema(schema: Schema, store: str, most_dimensions: int, own_fields: Sequence[str]) -> None:
    """Check that a store has room for these dimensions, and no kept column has the name of a field of ours.

    Raises:
        Problem: it has not, or one has.
    """
    if schema.dimensions > most_dimensions:
        raise Problem(
            f"{store} has {most_dimensions:,} dimensions at most, and these vectors {schema.dimensions:,}",
            hint="embed with output.dimensions, or load into another store",
        )
    clash = [name for name in schema.kept if name in own_fields]
    if clash:
        raise Problem(
            f"the kept column {clash[0]!r} has the name of a field of the collection",
            hint="leave it out: --keep with the other columns, or --keep none",
        )


def _unfinished(store: Collections, contents: Contents, current: str | None) -> str | None:
    """The rest of a replacement by this run; those that were given up are dropped."""
    found: str | None = None
    for name in store.mine():
        held = store.record(name)
        if held is None or held.complete or name == current:
            continue
        if held.run == contents.run:
            found = name
        else:
            store.drop(name)
    return found
