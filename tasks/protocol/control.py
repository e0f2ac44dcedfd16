"""The launcher's message to every worker of a run: go on, or drain (finish the shards in hand, then end).

One small object that the launcher writes and every machine reads now and then. So any laptop can stop a run, and a
machine that comes up too late reads the message before it begins. The same thread watches the allowance
(`tasks.protocol.allowance`), so that machines whose launcher is gone drain before they spend more than was agreed.

A damaged message that still has the word "drain" in it is one to drain, so that no launcher writes over a `stop` from
another laptop. Any other that cannot be read may have been one, too. A launcher that is there writes its own again;
machines work on for UNREADABLE_SECONDS, then drain. Nothing is lost by that: what they hold is finished, and `resume`
goes on.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.errors import Problem
from tasks.protocol import allowance, documents
from tasks.protocol.keys import control_key
from tasks.stores.base import OutcomeUnknown, Store, read

SCHEMA = "embedfleet/control/1"
POLL_SECONDS = 15.0
UNREADABLE_SECONDS = 300.0  # of a message that cannot be read, before machines drain
ALLOWANCE_POLLS = 4  # the allowance is read at every so manieth poll: it moves slowly

Command = Literal["go", "drain"]


@dataclass(frozen=True, slots=True)
class Control:
    """The message as the store holds it."""

    word: Command
    at: datetime  # by the launcher's clock


def send(store: Store, run: str, word: Command, at: datetime) -> None:
    """Send a command to all machines of a run, those that come up later included. Idempotent."""
    store.put(control_key(run), documents.encode(Control(word, at), SCHEMA))


def read_command(store: Store, run: str) -> Command | None:
    """The last command that was sent; "go" when there is none, None when it is damaged and does not say "drain"."""
    body = read(store, control_key(run))
    if body is None:
        return "go"
    try:
        return documents.decode(body, Control, "a control message", SCHEMA).word
    except documents.BadDocument:
        return "drain" if b"drain" in body else None


def watch(
    store: Store,
    run: str,
    drain: Callable[[], None],
    every: float = POLL_SECONDS,
    patience: float = UNREADABLE_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> threading.Event:
    """Poll on a thread and call `drain` once, when the command is to drain or the allowance is used up.

    A command that cannot be read for `patience` seconds is one to drain; `say` is told why.

    Set the event to end the thread. A store that errs is asked again at the next poll; an allowance that was read
    before is held by this machine's own clock meanwhile. `every` is in seconds.
    """
    end = threading.Event()

    def poll() -> None:
        deadline: float | None = None  # of the allowance, by the monotonic clock
        unreadable: float | None = None  # since when the command cannot be read, by the same clock
        count = 0
        while not end.is_set():
            with suppress(OutcomeUnknown, Problem, OSError):
                word = read_command(store, run)
                unreadable = None if word else unreadable or time.monotonic()
                damaged = unreadable is not None and time.monotonic() - unreadable >= patience
                if damaged:
                    say(f"{control_key(run)} is damaged for {patience:.0f} s: draining, as it may have said")
                if damaged or word == "drain":
                    drain()
                    return
            # A launcher may have extended an allowance that seems used up, so it is read again before it counts.
            if count % ALLOWANCE_POLLS == 0 or _passed(deadline):
                with suppress(OutcomeUnknown, Problem, OSError):
                    left = allowance.seconds_left(store, run)
                    deadline = None if left is None else time.monotonic() + left
            if _passed(deadline):
                drain()
                return
            count += 1
            end.wait(every)

    threading.Thread(target=poll, name="control", daemon=True).start()
    return end


def _passed(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
