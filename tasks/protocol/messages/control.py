"""The launcher's messages to the workers of a run: go on, or drain (finish the shards in hand, then end).

One small object for the whole run that the launcher writes and every machine reads now and then. So any laptop can stop
a run, and a machine that comes up too late reads the message before it begins. One for a single machine is beside it,
where the fleet is made smaller: a machine obeys both. The same thread watches the allowance (`allowance`), so that
machines whose launcher is gone drain before they spend more than was agreed.

A damaged message that still has the word "drain" in it is one to drain, so that no launcher writes over a `stop` from
another laptop. Any other that cannot be read may have been one, too. A launcher that is there writes its own again;
machines work on for UNREADABLE_SECONDS, then drain. Nothing is lost by that: what they hold is finished, and `resume`
goes on. The message to one machine is read by the same rules; it is never written over, since it only ever says drain.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.errors import Problem
from tasks.protocol import documents
from tasks.protocol.keys import control_key, machine_control_key
from tasks.protocol.messages import allowance
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


def drain_machine(store: Store, run: str, machine: str, at: datetime) -> None:
    """Let one machine finish what it holds and end. It cannot be taken back; others go on. Idempotent."""
    store.put(machine_control_key(run, machine), documents.encode(Control("drain", at), SCHEMA))


def read_command(store: Store, run: str, machine: str | None = None) -> Command | None:
    """The last command to a run, or to one machine of it; "go" when there is none.

    None when it is damaged and does not say "drain".
    """
    body = read(store, _key(run, machine))
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
    machine: str | None = None,
) -> threading.Event:
    """Poll on a thread and call `drain` once, when a command is to drain or the allowance is used up.

    Commands are those to the run and, if given, to this `machine`. One that cannot be read for `patience` seconds is
    one to drain; `say` is told why.

    Set the event to end the thread. A store that errs is asked again at the next poll; an allowance that was read
    before is held by this machine's own clock meanwhile. `every` is in seconds.
    """
    end = threading.Event()
    inboxes = [_Inbox(store, run, None, patience)]
    if machine is not None:
        inboxes.append(_Inbox(store, run, machine, patience))

    def poll() -> None:
        deadline: float | None = None  # of the allowance, by the monotonic clock
        count = 0
        while not end.is_set():
            for inbox in inboxes:
                with suppress(OutcomeUnknown, Problem, OSError):
                    if inbox.says_drain(say):
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


@dataclass(slots=True)
class _Inbox:
    """Commands to the run, or to one machine, with since when they cannot be read, by the monotonic clock."""

    store: Store
    run: str
    machine: str | None
    patience: float
    unreadable: float | None = None

    def says_drain(self, say: Callable[[str], None]) -> bool:
        word = read_command(self.store, self.run, self.machine)
        if word:
            self.unreadable = None
            return word == "drain"
        if self.unreadable is None:
            self.unreadable = time.monotonic()
        if time.monotonic() - self.unreadable < self.patience:
            return False
        key = _key(self.run, self.machine)
        say(f"{key} is damaged for {self.patience:.0f} s: draining, as it may have said")
        return True


def _key(run: str, machine: str | None) -> str:
    return control_key(run) if machine is None else machine_control_key(run, machine)


def _passed(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
