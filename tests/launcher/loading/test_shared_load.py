"""Loaders that share a load go by what served when it began, and one of them checks the rows against the limits."""

from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from launcher.errors import Problem
from launcher.loading import loader
from launcher.loading.loader import LoadOptions, load
from launcher.loading.progress import shares
from launcher.loading.progress.beginning import read_beginning, write_beginning
from launcher.loading.progress.shares import Shares
from launcher.loading.stores.lance import Lance
from launcher.loading.vector_store import Rows, Schema
from launcher.sinks.targets import Target, parse_target
from tests.support.vector_datasets import dataset_of

LOAD = "a" * 12
TTL = 1.5  # seconds of a lease


class Narrow(Lance):
    """A Lance dataset with limits."""

    def __init__(self, target: Target, most: int = 100) -> None:
        super().__init__(target)
        self.most = most
        self.checked = 0

    def check_schema(self, schema: Schema) -> None:
        """No limit."""

    def check_rows(self, schema: Schema, rows: Rows) -> None:
        """Of the length of an id."""
        del schema
        self.checked += len(rows)
        if any(len(name) > self.most for name in rows.ids):
            raise Problem("an id is too long", hint="shorten it")


def test_first_loader_checks_the_rows_for_all(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "out", 3, 10)
    target = parse_target(str(tmp_path / "docs.lance"))
    first, second = Narrow(target), Narrow(target)
    options = LoadOptions(load=LOAD)
    assert load(dataset, target, first, options).rows_written == 30
    assert load(dataset, target, second, options).action == "nothing"
    assert (first.checked, second.checked) == (30, 0)


def test_rows_beyond_a_limit_begin_no_load(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "out", 3, 10)
    target = parse_target(str(tmp_path / "docs.lance"))
    for _ in range(2):
        with pytest.raises(Problem, match="too long"):
            load(dataset, target, Narrow(target, 2), LoadOptions(load=LOAD))
    assert read_beginning(dataset.store, dataset.run, LOAD) is None
    assert Narrow(target).contents() is None


def test_loaders_that_replace_where_nothing_served_fill_one_collection(tmp_path: Path) -> None:
    """The second finds what the first has made, and does not replace it."""
    dataset = dataset_of(tmp_path / "out", 3, 10)
    target = parse_target(str(tmp_path / "docs.lance"))
    options = LoadOptions(replace=True, load=LOAD)
    first = Narrow(target)

    def away(*_about: object, **_how: object) -> None:
        raise Problem("the line broke", hint="again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first, "write", away)
        with pytest.raises(Problem, match="the line broke"):
            load(dataset, target, first, options)
    done = load(dataset, target, Narrow(target), options)
    assert (done.action, done.kept_as, done.rows_written) == ("create", None, 30)


@pytest.mark.parametrize("at", ["begin", "file", "end"])
def test_load_goes_on_without_a_machine_that_vanished(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it made the collection, wrote a file, or ended the load: nothing renews its lease, which runs out."""
    dataset = dataset_of(tmp_path / "out", 3, 10)
    target = parse_target(str(tmp_path / "docs.lance"))
    monkeypatch.setattr(shares, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(loader, "Shares", partial(Shares, ttl=TTL))
    vanished = Shares(dataset.store, dataset.run, LOAD, TTL)  # never entered: it renews nothing
    alone = vanished.alone()
    match at:
        case "begin":
            alone.__enter__()
        case "file":
            assert vanished.next(dataset.files, set, lambda: False) is not None
        case _:
            assert vanished.ends(lambda: False)
    begun = monotonic()
    done = load(dataset, target, Narrow(target), LoadOptions(load=LOAD))
    assert (done.files_written, done.rows_written) == (3, 30)
    assert monotonic() - begun >= TTL / 2  # it waited for the lease
    assert Narrow(target).count() == 30


def test_what_the_first_loader_saw_counts(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "out", 1, 1)
    assert write_beginning(dataset.store, "run-1", LOAD, "x").serving == "x"
    assert write_beginning(dataset.store, "run-1", LOAD, None).serving == "x"
