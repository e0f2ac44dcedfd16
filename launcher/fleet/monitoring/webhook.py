"""Messages about a run to a webhook, in the JSON that Slack and similar services take. Each is sent once.

The address is a secret: a job names the environment variable that holds it, and no log, error or ledger contains it.
Messages are sent on a thread of their own, so a webhook that hangs delays nothing. A message that could not be sent is
kept in the ledger, without the address, and the next launcher tries it again.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from launcher.costs.budget import HOLD_AT
from launcher.costs.run_rates import RunRates
from launcher.documents.course import CourseStatus
from launcher.fleet.monitoring.webhook_post import post
from launcher.format import compact, duration, money, plural, rate, share_text, spent_text

if TYPE_CHECKING:
    from launcher.ledger.ledger import Ledger

FIRST_RETRY_SECONDS = 1.0  # after the first failure; four times as long after each further one, up to
AT_RISK = 0.10  # chance to be late from which on a message is sent
LONGEST_RETRY_SECONDS = 300.0
CLOSE_SECONDS = 8.0  # the end of a run waits so long for messages that are not sent yet


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """The state of a run that messages are decided by."""

    run: str
    shards: int
    done: int
    bound: Decimal  # dollars spent and committed, as far as they are known
    known: Decimal  # dollars spent, as far as they are known; `rates.usd` is None where that is not all
    rates: RunRates
    budget: Decimal | None
    deadline: datetime | None
    now: datetime
    state: str
    orphans: tuple[str, ...] = ()
    course: CourseStatus | None = None  # of a run that is steered
    finished: datetime | None = None  # its last shard
    net: str = ""  # why the safety net was started first; empty: it was not
    on_demand: int = 0  # machines on demand that are held or asked for


def due_messages(snapshot: RunSnapshot) -> dict[str, str]:
    """The messages that are due by now, by kind."""
    m, rates = snapshot, snapshot.rates
    found = {"started": f"{m.run}: started, {plural(m.shards, 'shard')}"}
    share = rates.share or 0.0
    money_now = f"{spent_text(rates.usd, m.known)} spent"
    left = None if rates.finished else rates.seconds_left
    left_now = "" if left is None else f", {duration(left)} left"
    for kind, level in (("half", 0.5), ("most", 0.9)):
        if share >= level:
            found[kind] = f"{m.run}: {share_text(level)} done, {money_now}{left_now}"
    found |= _budget_messages(m) | _steering_messages(m)
    if m.deadline and left is not None and (m.course is None or not m.course.steered):
        spare = (m.deadline - m.now).total_seconds() - left
        if spare < 0:
            found["deadline"] = f"{m.run}: at this pace it ends {duration(-spare)} after its deadline"
    if m.state == "DONE":
        found["done"] = (
            f"{m.run}: done, {plural(m.done, 'shard')}, {compact(rates.tokens)} tokens in {duration(rates.seconds)}, "
            f"{rate(rates.tokens_per_second)}, {money_now}, "
            f"{spent_text(rates.usd_per_million_tokens)} per 1M tokens"
        )
    for name in m.orphans:
        found[f"orphan {name}"] = (
            f"{m.run}: {name} is left although the run is over, and costs money: embedfleet down {m.run}"
        )
    return found


def _budget_messages(m: RunSnapshot) -> dict[str, str]:
    """What is worth a message of a budget: that no new work begins, and that the run stops."""
    found: dict[str, str] = {}
    if m.budget is None:
        return found
    if m.bound >= m.budget * HOLD_AT:
        found["budget 90"] = (
            f"{m.run}: {money(m.bound)} of the budget of {money(m.budget)} are spent or bound to be; "
            "no new leases and machines"
        )
    if m.bound >= m.budget:
        found["budget 100"] = f"{m.run}: the budget of {money(m.budget)} is used up; the run stops"
    return found


def _steering_messages(m: RunSnapshot) -> dict[str, str]:
    """What is worth a message of a run that is steered: at risk, the net, a conflict, and that it was late."""
    found: dict[str, str] = {}
    course = m.course
    if m.state == "DONE" and m.deadline and m.finished and m.finished > m.deadline:
        late = duration((m.finished - m.deadline).total_seconds())
        found["late"] = f"{m.run}: done {late} after its deadline"
    if course is None or not course.steered or m.state == "DONE":
        return found
    usd = f"{money(course.usd_to_finish.p50)} to finish (P90 {money(course.usd_to_finish.p90)})"
    if course.chance_late is not None and course.chance_late > AT_RISK:
        found["at risk"] = f"{m.run}: late in {share_text(course.chance_late)} of cases, {usd}"
    if course.budget_pressure == "conflict":
        reason = next((d.reason for d in reversed(course.decisions) if d.what in ("say", "stop")), usd)
        found["conflict"] = f"{m.run}: the budget does not pay for the deadline: {reason}"
    if m.net:
        found["net started"] = f"{m.run}: the safety net asks for machines on demand: {m.net}"
        if not m.on_demand:
            found["net ended"] = f"{m.run}: the safety net ended, no machine on demand is left; {usd}"
    return found


class WebhookSender:
    """Sends each message that is due once. `update` never waits.

    A message that could not be sent is tried again, later and later, until the run ends.
    """

    def __init__(
        self,
        ledger: "Ledger",
        run: str,
        url: str,
        clock: Callable[[], datetime],
        pause: float = FIRST_RETRY_SECONDS,
    ) -> None:
        self._ledger, self._run, self._url, self._clock, self._pause = ledger, run, url, clock, pause
        self._changed = threading.Condition()
        self._closing = self._over = False
        self._waiting: list[_Message] = []
        self._known = set[str]()
        for notice in ledger.notifications.of_run(run):  # those that an earlier launcher could not send
            self._known.add(notice.kind)
            if notice.sent is None:
                self._waiting.append(_Message(notice.kind, notice.text, pause))
        self._thread = threading.Thread(target=self._send_all, name="webhook", daemon=True)
        self._thread.start()

    def update(self, snapshot: RunSnapshot) -> None:
        for kind, text in due_messages(snapshot).items():
            if kind not in self._known:
                self._known.add(kind)
                if self._ledger.notifications.intend(self._run, kind, text, self._clock()):
                    with self._changed:
                        self._waiting.append(_Message(kind, text, self._pause))
                        self._changed.notify()

    def close(self, patience: float = CLOSE_SECONDS) -> None:
        """Send what is left, for up to `patience` seconds; what is not sent then stays in the ledger."""
        with self._changed:
            self._closing = True
            self._waiting = [_Message(m.kind, m.text, self._pause) for m in self._waiting]  # due now
            self._changed.notify()
        self._thread.join(patience)
        with self._changed:
            self._over = True
            self._changed.notify()

    def _send_all(self) -> None:
        while message := self._next():
            failed = post(self._url, message.text)
            with contextlib.suppress(Exception):  # the ledger may be closed already: the run is over
                self._ledger.notifications.record_attempt(
                    self._run, message.kind, None if failed else self._clock()
                )
            if failed:
                with self._changed:
                    self._waiting.append(message.later())

    def _next(self) -> "_Message | None":
        """Wait for the message that is due first and take it; None when the sender is over, or closes and has none."""
        with self._changed:
            while not self._over:
                first = min(self._waiting, key=lambda m: m.due, default=None)
                if first is None and self._closing:
                    return None
                seconds = None if first is None else first.due - time.monotonic()
                if first is not None and seconds is not None and seconds <= 0:
                    self._waiting.remove(first)
                    return first
                self._changed.wait(seconds)
            return None


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that is not sent yet. `due`: when, by the monotonic clock; `pause`: seconds after the next failure."""

    kind: str
    text: str
    pause: float
    due: float = 0.0

    def later(self) -> "_Message":
        """The same message, to be tried again after its pause."""
        return _Message(
            self.kind, self.text, min(4 * self.pause, LONGEST_RETRY_SECONDS), time.monotonic() + self.pause
        )


@contextlib.contextmanager
def webhook_sender(
    ledger: "Ledger", run: str, url: str | None, clock: Callable[[], datetime]
) -> Generator[Callable[[RunSnapshot], None], None, None]:
    """Yield a function that sends what is due; one that does nothing where there is no address."""
    if url is None:
        yield lambda _snapshot: None
        return
    sender = WebhookSender(ledger, run, url, clock)
    try:
        yield sender.update
    finally:
        sender.close()
