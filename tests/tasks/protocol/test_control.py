"""Control messages: a run is stopped through its store, for machines that come up later as well."""

import threading

from tasks.protocol import control, keys
from tasks.stores.memory import MemoryStore
from tests.support.runs import NOON


def test_a_run_without_a_message_goes_on() -> None:
    assert control.read_command(MemoryStore(), "run") == "go"


def test_the_last_command_counts() -> None:
    store = MemoryStore()
    control.send(store, "run", "drain", NOON)
    assert control.read_command(store, "run") == "drain"
    assert control.read_command(store, "another") == "go"
    control.send(store, "run", "go", NOON)
    assert control.read_command(store, "run") == "go"


def test_an_unknown_message_stops_nothing() -> None:
    store = MemoryStore()
    for body in (b"", b"{}", b"[1]", b'{"schema": "embedfleet/control/9", "word": "drain"}', b"\xff"):
        store.put(keys.control_key("run"), body)
        assert control.read_command(store, "run") == "go"


def test_a_watcher_is_called_once() -> None:
    store, heard = MemoryStore(), threading.Event()
    over = control.watch(store, "run", heard.set, every=0.01)
    assert not heard.wait(0.05)
    control.send(store, "run", "drain", NOON)
    assert heard.wait(5)
    over.set()
