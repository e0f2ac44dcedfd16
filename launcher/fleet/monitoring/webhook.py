"""Messages about a run to a webhook, in the JSON that Slack and similar services take. Each is sent once.

The address is a secret: a job names the environment variable that holds it, and no log, error or ledger contains it.
Messages are sent on a thread of their own, so a webhook that hangs delays nothing. A message that could not be sent is
kept in the ledger, without the address, and the next launcher tries it again.
"""

import contextlib
import json
import os
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from launcher.costs.budget import HOLD_AT
from launcher.errors import Usage
from launcher.format import count, duration, money

if TYPE_CHECKING:
    from launcher.ledger.ledger import Ledger

SEND_ATTEMPTS = 4
FIRST_RETRY_SECONDS = 1.0  # after the first failure; four times as long after each further one
TIMEOUT_SECONDS = 5.0  # for a webhook to answer
CLOSE_SECONDS = 8.0  # the end of a run waits so long for messages that are not sent yet


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """The state of a run that messages are decided by."""

    run: str
    shards: int
    done: int
    bound: Decimal  # dollars spent and committed
    spent: Decimal
    budget: Decimal | None
    hours_left: float | None
    deadline: datetime | None
    now: datetime
    state: str
    orphans: tuple[str, ...] = ()


def due_messages(snapshot: RunSnapshot) -> dict[str, str]:
    """The messages that are due by now, by kind."""
    m = snapshot
    found = {"started": f"{m.run}: started, {count(m.shards)} shards"}
    share = m.done / m.shards if m.shards else 0.0
    money_now = f"{money(m.spent)} spent"
    left = f", {duration(m.hours_left * 3600)} left" if m.hours_left is not None else ""
    for kind, level in (("half", 0.5), ("most", 0.9)):
        if share >= level:
            found[kind] = f"{m.run}: {level:.0%} done, {money_now}{left}"
    if m.budget is not None:
        if m.bound >= m.budget * HOLD_AT:
            found["budget 90"] = (
                f"{m.run}: {money(m.bound)} of the budget of {money(m.budget)} are spent or bound to be; "
                "no new leases and machines"
            )
        if m.bound >= m.budget:
            found["budget 100"] = f"{m.run}: the budget of {money(m.budget)} is used up; the run stops"
    if m.deadline and m.hours_left is not None and m.done < m.shards:
        spare = (m.deadline - m.now).total_seconds() - m.hours_left * 3600
        if spare < 0:
            found["deadline"] = f"{m.run}: at this pace it ends {duration(-spare)} after its deadline"
    if m.state == "DONE":
        found["done"] = f"{m.run}: done, {count(m.done)} shards, {money_now}"
    for name in m.orphans:
        found[f"orphan {name}"] = (
            f"{m.run}: {name} is left although the run is over, and costs money: embedfleet down {m.run}"
        )
    return found


def webhook_url(word: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The address that the job's `notify` names; None: the job has none.

    Raises:
        Usage: the variable is not set, or does not hold an https address.
    """
    if word is None:
        return None
    name = word.removeprefix("$")
    url = environ.get(name, "")
    if not url:
        raise Usage(
            f"notify: the environment has no {name}", hint=f"export {name}=https://..., or leave notify out"
        )
    parts = urllib.parse.urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise Usage(f"notify: {name} holds no https address", hint=f"export {name}=https://...")
    return url


class WebhookSender:
    """Sends each message that is due once. `update` never waits."""

    def __init__(
        self,
        ledger: "Ledger",
        run: str,
        url: str,
        clock: Callable[[], datetime],
        pause: float = FIRST_RETRY_SECONDS,
    ) -> None:
        self._ledger, self._run, self._url, self._clock, self._pause = ledger, run, url, clock, pause
        self._waiting: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._over = threading.Event()
        self._known = set[str]()
        for notice in ledger.notifications.of_run(run):  # those that an earlier launcher could not send
            self._known.add(notice.kind)
            if notice.sent is None:
                self._waiting.put((notice.kind, notice.text))
        self._thread = threading.Thread(target=self._send_all, name="webhook", daemon=True)
        self._thread.start()

    def update(self, snapshot: RunSnapshot) -> None:
        for kind, text in due_messages(snapshot).items():
            if kind not in self._known:
                self._known.add(kind)
                if self._ledger.notifications.intend(self._run, kind, text, self._clock()):
                    self._waiting.put((kind, text))

    def close(self, patience: float = CLOSE_SECONDS) -> None:
        """Wait up to `patience` seconds for messages that are not sent yet; the rest stays in the ledger."""
        self._waiting.put(None)
        self._thread.join(patience)
        self._over.set()

    def _send_all(self) -> None:
        while (one := self._waiting.get()) is not None:
            kind, text = one
            pause = self._pause
            for left in range(SEND_ATTEMPTS - 1, -1, -1):
                failed = post(self._url, text)
                with contextlib.suppress(Exception):  # the ledger may be closed already: the run is over
                    self._ledger.notifications.record_attempt(
                        self._run, kind, None if failed else self._clock()
                    )
                if not failed or not left or self._over.wait(pause):
                    break
                pause *= 4


def post(url: str, text: str) -> str | None:
    """Send one message; return what went wrong, in a text without the address, or None."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    try:
        with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return None if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except (OSError, ValueError) as error:  # no connection, no answer in time, no address
        return f"it could not be reached ({type(error).__name__})"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: it would pass the secret on."""

    def redirect_request(self, *_arguments: object, **_named: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler())


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
