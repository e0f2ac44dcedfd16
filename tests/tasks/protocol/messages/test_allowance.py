"""The allowance: machines without a launcher drain at its moment, by the store's clock."""

import threading
from datetime import timedelta

import pytest

from tasks.protocol import keys
from tasks.protocol.documents import BadDocument
from tasks.protocol.messages import allowance, control
from tasks.protocol.messages.allowance import Allowance
from tasks.stores.memory import MemoryStore
from tests.support.runs import NOON, Clock


def send(store: MemoryStore, seconds: float | None) -> None:
    until = None if seconds is None else store.now() + timedelta(seconds=seconds)
    allowance.send(store, "run", Allowance(until=until, at=NOON))


def test_seconds_left_are_by_the_stores_clock() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    assert allowance.seconds_left(store, "run") is None
    send(store, 90)
    clock.pass_seconds(60)
    assert allowance.seconds_left(store, "run") == 30
    assert allowance.seconds_left(store, "another") is None
    send(store, None)
    assert allowance.seconds_left(store, "run") is None


def test_machines_drain_when_it_is_used_up_and_not_while_it_is_extended() -> None:
    store, drained = MemoryStore(), threading.Event()
    send(store, 0.15)
    over = control.watch(store, "run", drained.set, every=0.02)
    for _ in range(8):
        assert not drained.wait(0.05)
        send(store, 0.15)
    assert drained.wait(5)
    over.set()


def test_a_machine_that_comes_up_too_late_begins_nothing() -> None:
    store, drained = MemoryStore(), threading.Event()
    send(store, -3600)
    control.watch(store, "run", drained.set, every=60)
    assert drained.wait(5)


def test_a_damaged_or_lost_allowance_leaves_the_last_one_in_force() -> None:
    store, drained = MemoryStore(), threading.Event()
    send(store, 0.2)
    control.watch(store, "run", drained.set, every=0.02)
    assert not drained.wait(0.1)
    store.put(keys.allowance_key("run"), b"{")
    with pytest.raises(BadDocument):
        allowance.seconds_left(store, "run")
    assert drained.wait(5)
