"""The register of a store without aliases: which collection serves, whatever is killed between two writes."""

import dataclasses

import pytest

from launcher.errors import Problem
from launcher.loading.contents import Contents, completed
from launcher.loading.stores.common.register import Record, Register, decode, encode


def contents(run: str, load: str) -> Contents:
    return Contents(run=run, collection=load, load=load, model="m", dimensions=4, dtype="float32")


class Store:
    """Collections and records in memory; fails before its n-th change."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.collections: set[str] = set()
        self.fail_at: int | None = None
        self.changes = 0

    def change(self) -> None:
        self.changes += 1
        if self.changes == self.fail_at:
            raise KeyboardInterrupt

    def read_record(self, name: str) -> str | None:
        return self.records.get(name)

    def write_record(self, name: str, text: str) -> None:
        self.change()
        self.records[name] = text

    def exists(self, collection: str) -> bool:
        return collection in self.collections

    def drop(self, collection: str) -> None:
        self.change()
        self.collections.discard(collection)

    def make(self, collection: str) -> None:
        self.change()
        self.collections.add(collection)


def load(store: Store, run: str, load_id: str, *, replace: bool = False) -> Register:
    register = Register("docs", store)
    register.seal(completed(begin(store, register, run, load_id, replaces=replace), run, 1))
    return register


def begin(store: Store, register: Register, run: str, load_id: str, *, replaces: bool) -> Contents:
    served = register.contents() if replaces else None
    wanted = dataclasses.replace(contents(run, load_id), replaces=served and served.collection)
    return register.prepare(wanted, store.make, replace=replaces)


def test_first_load_has_the_name_of_the_address() -> None:
    store = Store()
    assert Register("docs", store).contents() is None
    assert load(store, "run-1", "a").collection == "docs"
    found = Register("docs", store).contents()
    assert found is not None
    assert (found.run, found.complete) == ("run-1", True)


def test_replacement_has_its_own_and_two_are_kept() -> None:
    store = Store()
    load(store, "run-1", "a")
    assert load(store, "run-2", "b", replace=True).serving() == "docs-b"
    assert load(store, "run-3", "c", replace=True).serving() == "docs-c"
    assert store.collections == {"docs-b", "docs-c"}
    assert load(store, "run-4", "d", replace=True).serving() == "docs-d"
    assert store.collections == {"docs-c", "docs-d"}


def test_loaders_that_begin_at_once_both_end() -> None:
    """Each has read that nothing is there, so that the record is that of the second."""
    store = Store()
    one, other = Register("docs", store), Register("docs", store)
    first = begin(store, one, "run-1", "a", replaces=False)
    store.records.clear()
    second = begin(store, other, "run-1", "b", replaces=False)
    one.seal(completed(first, "run-1", 1))
    other.seal(completed(second, "run-1", 1))
    assert other.serving() == "docs"


@pytest.mark.parametrize("replaces", [False, True])
def test_late_end_of_a_load_takes_no_place(replaces: bool) -> None:
    store = Store()
    if replaces:
        load(store, "run-1", "a")
    late = Register("docs", store)
    now = begin(store, late, "run-2", "b", replaces=replaces)
    load(store, "run-2", "b", replace=replaces)
    load(store, "run-3", "c", replace=True)
    with pytest.raises(Problem, match="run-3 by a load that began later than this one of run run-2"):
        late.seal(completed(now, "run-2", 1))
    assert late.serving() == "docs-c"


def test_unfinished_replacement_goes_on_and_one_that_was_given_up_is_dropped() -> None:
    store = Store()
    load(store, "run-1", "a")
    Register("docs", store).prepare(contents("run-2", "b"), store.make, replace=True)
    again = Register("docs", store)
    now = again.prepare(contents("run-2", "later"), store.make, replace=True)
    assert (again.collection, now.load) == ("docs-b", "b")
    other = Register("docs", store)
    other.prepare(contents("run-3", "c"), store.make, replace=True)
    assert store.collections == {"docs", "docs-c"}
    assert other.serving() == "docs"


@pytest.mark.parametrize("at", range(1, 8))
def test_replacement_that_is_killed_at_any_change_is_finished_by_the_same_command(at: int) -> None:
    store = Store()
    load(store, "run-1", "a")
    load(store, "run-2", "b", replace=True)
    store.changes, store.fail_at = 0, at
    try:
        load(store, "run-3", "c", replace=True)
    except KeyboardInterrupt:
        held = Register("docs", store).contents()
        assert held is not None
        assert held.complete
        assert Register("docs", store).serving() in store.collections
    store.fail_at = None
    if Register("docs", store).serving() == "docs-b":
        load(store, "run-3", "d", replace=True)
    held = Register("docs", store).contents()
    assert held is not None
    assert held.run == "run-3"
    load(store, "run-4", "e", replace=True)
    assert len(store.collections) == 2  # nothing is left behind


def test_collection_that_was_dropped_by_hand_is_loaded_anew() -> None:
    store = Store()
    load(store, "run-1", "a")
    store.collections.clear()
    assert Register("docs", store).contents() is None
    register = Register("docs", store)
    assert register.prepare(contents("run-1", "b"), store.make, replace=False).load == "b"
    assert register.collection == "docs"


def test_collection_of_others_is_refused() -> None:
    store = Store()
    store.collections.add("docs")
    with pytest.raises(Problem, match="did not make it"):
        Register("docs", store).contents()


def test_record_that_cannot_be_read_is_no_record_to_write_over() -> None:
    store = Store()
    store.records["docs"] = "{}"
    assert decode("{") is None
    assert decode(encode(dataclasses.replace(Record(), schema="embedfleet/register/9"))) is None
    store.records["docs"] = encode(dataclasses.replace(Record(), schema="embedfleet/register/9"))
    with pytest.raises(Problem, match="cannot be read"):
        Register("docs", store).contents()
