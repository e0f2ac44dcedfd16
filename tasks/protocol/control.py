"""What a whole run is told through its store: go on, or finish what is in hand and end.

One small object that the launcher writes and every machine reads now and then, so that a run can be told to stop
from any laptop, and a machine that comes up too late hears it before it begins.
"""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Literal

from tasks.errors import Problem
from tasks.protocol.keys import control_key
from tasks.stores.base import Store, Unsure, read

SCHEMA = "embedfleet/control/1"
EVERY = 15.0  # seconds between looks

Word = Literal["go", "drain"]


def tell(store: Store, run: str, word: Word, at: datetime) -> None:
    """Tell all machines of a run, those to come included."""
    body = {"schema": SCHEMA, "word": word, "at": at.isoformat()}
    store.put(control_key(run), json.dumps(body).encode())


def told(store: Store, run: str) -> Word:
    """What the run was told last. Nothing, or what nobody understands, is to go on."""
    body = read(store, control_key(run))
    if body is None:
        return "go"
    with suppress(ValueError, KeyError, TypeError):
        found = json.loads(body)
        if found["schema"] == SCHEMA and found["word"] == "drain":
            return "drain"
    return "go"


def listen(store: Store, run: str, drain: Callable[[], None], every: float = EVERY) -> threading.Event:
    """Call `drain` once when the run is told to; set the event to end listening. A store that errs is asked again."""
    end = threading.Event()

    def look() -> None:
        while not end.is_set():
            with suppress(Unsure, Problem, OSError):
                if told(store, run) == "drain":
                    drain()
                    return
            end.wait(every)

    threading.Thread(target=look, name="control", daemon=True).start()
    return end
