"""Control messages: a run is stopped through its store, for machines that come up later as well."""

import threading

import pytest

from tasks.protocol import keys
from tasks.protocol.messages import control
from tasks.stores.memory import MemoryStore
from tests.support.runs import NOON

DAMAGED = (b"", b"{}", b"[1]", b'{"schema": "embedfleet/control/9", "word": "go"}', b"\xff")
DAMAGED_DRAIN = (
    b'{"schema": "embedfleet/control/9", "word": "drain"}',
    b'{"schema": "embedfleet/control/1", "word": "drain", "at": "20',
    b'{"schema": "embedfleet/control/1", "word": "drain", "at": "2026-01-32T00:00:00+00:00"}',
    b'\xff"word": "drain"',
)


def test_a_run_without_a_message_goes_on() -> None:
    assert control.read_command(MemoryStore(), "run") == "go"


def test_the_last_command_counts() -> None:
    store = MemoryStore()
    control.send(store, "run", "drain", NOON)
    assert control.read_command(store, "run") == "drain"
    assert control.read_command(store, "another") == "go"
    control.send(store, "run", "go", NOON)
    assert control.read_command(store, "run") == "go"


@pytest.mark.parametrize("body", DAMAGED)
def test_a_damaged_message_is_no_command(body: bytes) -> None:
    store = MemoryStore()
    store.put(keys.control_key("run"), body)
    assert control.read_command(store, "run") is None


@pytest.mark.parametrize("body", DAMAGED_DRAIN)
def test_a_damaged_message_that_still_says_drain_is_obeyed(body: bytes) -> None:
    store = MemoryStore()
    store.put(keys.control_key("run"), body)
    assert control.read_command(store, "run") == "drain"


@pytest.mark.parametrize("body", DAMAGED)
def test_a_message_that_stays_damaged_drains_and_says_so(body: bytes) -> None:
    store, heard, said = MemoryStore(), threading.Event(), list[str]()
    store.put(keys.control_key("run"), body)
    control.watch(store, "run", heard.set, every=0.01, patience=0.1, say=said.append)
    assert not heard.wait(0.05)
    assert heard.wait(5)
    assert said == ["_embedfleet/run/control.json is damaged for 0 s: draining, as it may have said"]


def test_a_message_that_is_written_again_in_time_drains_nothing() -> None:
    store, heard = MemoryStore(), threading.Event()
    store.put(keys.control_key("run"), b"{")
    over = control.watch(store, "run", heard.set, every=0.01, patience=0.4)
    assert not heard.wait(0.2)
    control.send(store, "run", "go", NOON)
    assert not heard.wait(0.3)
    store.put(keys.control_key("run"), b"{")  # the time begins again
    assert not heard.wait(0.2)
    over.set()


def test_a_watcher_is_called_once() -> None:
    store, heard = MemoryStore(), threading.Event()
    over = control.watch(store, "run", heard.set, every=0.01)
    assert not heard.wait(0.05)
    control.send(store, "run", "drain", NOON)
    assert heard.wait(5)
    over.set()


def test_a_machine_obeys_its_own_command_and_others_go_on() -> None:
    store, mine, other = MemoryStore(), threading.Event(), threading.Event()
    over = [
        control.watch(store, "run", mine.set, every=0.01, machine="m1"),
        control.watch(store, "run", other.set, every=0.01, machine="m10"),
    ]
    assert not mine.wait(0.05)
    control.drain_machine(store, "run", "m1", NOON)
    assert control.read_command(store, "run", "m1") == "drain"
    assert control.read_command(store, "run") == "go"
    assert mine.wait(5)
    assert not other.wait(0.1)
    control.send(store, "run", "drain", NOON)
    assert other.wait(5)
    for end in over:
        end.set()


def test_a_drained_machine_is_not_taken_back_by_a_command_to_the_run() -> None:
    store, heard = MemoryStore(), threading.Event()
    control.drain_machine(store, "run", "m1", NOON)
    control.send(store, "run", "go", NOON)
    control.watch(store, "run", heard.set, every=0.01, machine="m1")
    assert heard.wait(5)


@pytest.mark.parametrize("body", DAMAGED_DRAIN)
def test_a_damaged_command_to_a_machine_that_still_says_drain_is_obeyed(body: bytes) -> None:
    store, heard = MemoryStore(), threading.Event()
    store.put(keys.machine_control_key("run", "m1"), body)
    control.watch(store, "run", heard.set, every=0.01, patience=60, machine="m1")
    assert heard.wait(5)


@pytest.mark.parametrize("body", DAMAGED)
def test_a_command_to_a_machine_that_stays_damaged_drains_and_says_so(body: bytes) -> None:
    store, heard, said = MemoryStore(), threading.Event(), list[str]()
    store.put(keys.machine_control_key("run", "m1"), body)
    control.watch(store, "run", heard.set, every=0.01, patience=0.1, say=said.append, machine="m1")
    assert not heard.wait(0.05)
    assert heard.wait(5)
    assert said == ["_embedfleet/run/control/m1.json is damaged for 0 s: draining, as it may have said"]
