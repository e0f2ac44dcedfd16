"""Collections behind an alias, as several stores have them.

The name that a target gives is an alias; the collection behind it has another name, and a replacement is another
collection to which the alias moves. Each collection holds a record of what it holds. A load writes by a write alias, an
alias of its own, which is removed when it ends: a loader that was away finds no collection of that name any more.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from launcher.errors import Problem
from launcher.loading.contents import Contents, check_goes_on, check_takes_place, is_rest_of, resumed
from launcher.loading.stores.common.backpressure import Limits, Throttle, Write
from launcher.loading.stores.common.fence import Fence
from launcher.loading.vector_store import Guarantee, LoadedFile, Rows, Schema
from launcher.sinks.index import IndexSpec

if TYPE_CHECKING:
    from collections.abc import Generator


class BehindAlias(ABC):
    """A vector store with aliases: what all of them do alike. A subclass speaks to the server.

    `serving` to `drop` raise the errors of the client, which `problems` makes problems of two lines.
    """

    guarantee: Guarantee = "idempotent"
    noun: ClassVar[str] = "collection"
    compares: ClassVar[bool] = False  # what it writes with the record, by itself

    def __init__(self, name: str) -> None:
        self._name = name  # the alias
        self._real: str | None = None  # the name of the collection behind it, or of the one that is loaded
        self._schema: Schema | None = None
        self._index = IndexSpec()
        self._throttle: Throttle | None = None
        self._fence: Fence | None = None
        self._write_alias: str | None = None  # of the load, while it lasts

    # --- of one server

    @abstractmethod
    def problems(self) -> AbstractContextManager[None]:
        """Errors of the client as problems."""

    @abstractmethod
    def serving(self) -> str | None:
        """The collection behind the alias; where a collection has the alias's own name, that."""

    @abstractmethod
    def mine(self) -> Sequence[str]:
        """The collections that were made for this alias."""

    @abstractmethod
    def record(self, name: str) -> Contents | None:
        """What a collection says that it holds; None: nothing of ours."""

    @abstractmethod
    def say(self, name: str, contents: Contents) -> None:
        """Change what a collection says."""

    @abstractmethod
    def create(self, contents: Contents, *, replace: bool) -> str:
        """Make a collection, with its alias unless it replaces another; that of a loader which came first counts."""

    @abstractmethod
    def move(self, name: str, before: str | None) -> None:
        """Point the alias at a collection, away from another; a store that compares refuses where it is elsewhere."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Delete a collection, which has no write alias any more."""

    def add_write_alias(self, alias: str, name: str) -> bool:
        """Make a name by which a load writes, and which is gone when the load is over; one that is there is left.

        False: the store has none, and what it compares instead is its own matter.
        """
        del alias, name
        return False

    def write_aliases(self, name: str) -> Sequence[str]:
        """The names by which loads write into a collection."""
        del name
        return ()

    def remove_write_alias(self, alias: str, name: str) -> None:
        """Remove the write alias: the server then refuses what is written by it. One that is gone is no error."""
        raise NotImplementedError(f"{type(self).__name__} made {alias} for {name}")

    # --- of a vector store

    def contents(self) -> Contents | None:
        """What the collection behind the alias says.

        Raises:
            Problem: the name is that of a collection, and no alias of ours.
        """
        with self.problems():
            real = self.serving()
            if real is None:
                return None
            held = self.record(real)
            if held is None or real == self._name:
                raise Problem(
                    f"the {self.noun} {self._name} is there, and embedfleet did not make it",
                    hint="name another one: rows are not mixed into those of others",
                )
            self._real = real
            return held

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        """None: the store does not record loaded files, so receipts in the output path count."""
        del contents

    # --- for subclasses

    def begin(
        self, contents: Contents, schema: Schema, index: IndexSpec, limits: Limits, *, replace: bool
    ) -> Contents:
        """Make the collection to load into, or go on with it; returns what it says from now on."""
        self._schema, self._index, self._throttle = schema, index, Throttle(limits)
        with self.problems():
            current = self.serving()
            real = self._unfinished(contents, current) if replace else current
            if real is None:
                real = self.create(contents, replace=replace)
            self._real, self._write_alias = real, None
            have = self.record(real)
            if have is not None and not replace:
                check_goes_on(have, contents, real)
            now = contents if have is None else resumed(have, contents)
            if have != now:
                self.say(real, now)
            self._open(real, now)
            return now

    def _open(self, real: str, now: Contents) -> None:
        """Let this load write, and no other.

        The record is written before write aliases are removed, and read after the own one is made: of two loads at once,
        one finds the other's record, or loses its alias.
        """
        alias = f"{real}__{now.load}"
        self._write_alias = alias if self.add_write_alias(alias, real) else None
        self._fence = Fence(now, lambda: self.record(real), real)
        try:
            self._fence.is_over()
        except Problem:
            if self._write_alias is not None:
                self.remove_write_alias(alias, real)
            raise
        self._close(real, but=alias)

    def _close(self, name: str, but: str | None = None) -> None:
        for alias in self.write_aliases(name):
            if alias != but:
                self.remove_write_alias(alias, name)

    def send(self, batches: Iterable[Rows], request: Write) -> Mapping[str, Any]:
        """Send all rows; returns what `write` does."""
        assert self._throttle is not None, "prepare comes first"
        assert self._fence is not None, "prepare comes first"
        alone = self._write_alias is None and not self.compares
        fenced = self._fence.request(request) if alone else self._fence.refused_late(request)
        with self.problems():
            return self._throttle.send_all(batches, fenced)

    @contextmanager
    def deleting(self) -> "Generator[None]":
        """Errors as problems, while rows are deleted: by no load that is over."""
        with self.problems():
            if self._fence is not None and self._write_alias is None and not self.compares:
                self._fence.check_delete()
            try:
                yield
            except Exception:
                if self._fence is None or not self._fence.is_over():
                    raise

    def written_as(self) -> str:
        """The name by which rows are written and deleted."""
        return self._write_alias or self.collection()

    def collection(self) -> str:
        """The name of the collection that is loaded, else of the one that serves."""
        if self._real is None:
            self._real = self.serving() or self._name
        return self._real

    def holds_bits(self) -> bool:
        """Whether the vectors of the collection are packed bits."""
        if self._schema is not None:
            return self._schema.element == "bits"
        held = self.record(self.collection())
        return held is not None and held.dtype == "binary"

    def take_place(self, name: str, contents: Contents) -> str | None:
        """Say that a collection is complete, and move the alias to it where it replaces another.

        Returns the one that served, which is kept; those that were whole before it are dropped, and no other. A later
        load may end meanwhile: then the store refuses to move the alias, or that load has dropped this collection.

        Raises:
            Problem: another load has taken that place since this one began.
        """
        held = {one: self.record(one) for one in self.mine()}
        before = self.serving()
        if before is not None:
            check_takes_place(self.record(before), contents, before)
        self.say(name, contents)
        self._close(name)
        self._write_alias = self._fence = None
        if before == name or contents.replaces is None:
            return None
        try:
            self.move(name, before)
        except Exception:
            now = self.serving()
            check_takes_place(None if now is None else self.record(now), contents, now or self._name)
            raise
        if self.serving() != name:  # between two requests of this function
            return before
        for one, has in held.items():
            if one not in (name, before) and has is not None and has.complete:
                self._close(one)
                self.drop(one)
        return before

    def _unfinished(self, contents: Contents, current: str | None) -> str | None:
        """The rest of a replacement by this run; those that were given up are dropped."""
        found: str | None = None
        for name in self.mine():
            held = self.record(name)
            if held is None or held.complete or name == current:
                continue
            if is_rest_of(held, contents):
                found = name
            else:
                self._close(name)
                self.drop(name)
        return found
