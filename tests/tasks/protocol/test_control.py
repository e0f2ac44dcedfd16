"""A whole run is told to stop through its store, and machines that come up later hear it too."""

import threading

from tasks.protocol import control, keys
from tasks.stores.memory import Memory
from tests.support.runs import NOON


def test_a_run_that_nobody_told_anything_goes_on() -> None:
    assert control.told(Memory(), "run") == "go"


def test_the_last_word_counts() -> None:
    store = Memory()
    control.tell(store, "run", "drain", NOON)
    assert control.told(store, "run") == "drain"
    assert control.told(store, "another") == "go"
    control.tell(store, "run", "go", NOON)
    assert control.told(store, "run") == "go"


def test_a_word_that_nobody_understands_stops_nothing() -> None:
    store = Memory()
    for body in (b"", b"{}", b"[1]", b'{"schema": "embedfleet/control/9", "word": "drain"}', b"\xff"):
        store.put(keys.control_key("run"), body)
        assert control.told(store, "run") == "go"


def test_who_listens_is_called_once() -> None:
    store, heard = Memory(), threading.Event()
    over = control.listen(store, "run", heard.set, every=0.01)
    assert not heard.wait(0.05)
    control.tell(store, "run", "drain", NOON)
    assert heard.wait(5)
    over.set()
