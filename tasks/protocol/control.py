"""The launcher's message to every worker of a run: go on, or drain (finish the shards in hand, then end).

One small object that the launcher writes and every machine reads now and then. So any laptop can stop a run, and a
machine that comes up too late reads the message before it begins.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.errors import Problem
from tasks.protocol import documents
from tasks.protocol.keys import control_key
from tasks.stores.base import OutcomeUnknown, Store, read

SCHEMA = "embedfleet/control/1"
POLL_SECONDS = 15.0

Command = Literal["go", "drain"]


@dataclass(frozen=True, slots=True)
class Control:
    """The message as the store holds it."""

    word: Command
    at: datetime  # by the launcher's clock


def send(store: Store, run: str, word: Command, at: datetime) -> None:
    """Send a command to all machines of a run, those that come up later included. Idempotent."""
    store.put(control_key(run), documents.encode(Control(word, at), SCHEMA))


def read_command(store: Store, run: str) -> Command:
    """The last command that was sent; "go" when there is none, or one that this version does not know."""
    body = read(store, control_key(run))
    if body is None:
        return "go"
    try:
        return documents.decode(body, Control, "a control message", SCHEMA).word
    except documents.BadDocument:
        return "go"


def watch(store: Store, run: str, drain: Callable[[], None], every: float = POLL_SECONDS) -> threading.Event:
    """Poll the command on a thread and call `drain` once when it is to drain; set the event to end the thread.

    A store that errs is asked again at the next poll. `every` is in seconds.
    """
    end = threading.Event()

    def poll() -> None:
        while not end.is_set():
            with suppress(OutcomeUnknown, Problem, OSError):
                if read_command(store, run) == "drain":
                    drain()
                    return
            end.wait(every)

    threading.Thread(target=poll, name="control", daemon=True).start()
    return end
