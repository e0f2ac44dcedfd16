"""Messages to a webhook that listens here: sent once, tried again, never in the way, the address in no word."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.monitoring.webhook import (
    RunSnapshot,
    WebhookSender,
    due_messages,
    webhook_sender,
)
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob
from launcher.ledger.ledger import Ledger
from tests.support.webhook import Webhook, listening

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SECRET = "T000-B000-XXXX"
QUIET = RunSnapshot("r1", 100, 0, Decimal(0), Decimal(0), None, None, None, NOON, "RUNNING")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with listening(f"/services/{SECRET}") as found:
        yield found


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", "{}", "d", "out", NOON)
        yield ledger


def herald(ledger: Ledger, url: str) -> WebhookSender:
    return WebhookSender(ledger, "r1", url, lambda: NOON, pause=0.01)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_message_is_json_as_slack_takes_it(ledger: Ledger, hook: Webhook) -> None:
    one = herald(ledger, hook.url)
    one.update(QUIET)
    one.close()
    assert hook.bodies == [{"text": "r1: started, 100 shards"}]


def test_each_message_is_sent_once_however_often_it_is_due(ledger: Ledger, hook: Webhook) -> None:
    for _ in range(2):  # the second launcher knows what the first one sent
        one = herald(ledger, hook.url)
        one.update(QUIET)
        one.update(replace(QUIET, done=55))
        one.update(replace(QUIET, done=60))
        one.close()
    assert [body["text"] for body in hook.bodies] == ["r1: started, 100 shards", "r1: 50% done, $0.00 spent"]


def test_failed_message_is_retried(ledger: Ledger, hook: Webhook) -> None:
    hook.answers = [500, 429]
    one = herald(ledger, hook.url)
    one.update(QUIET)
    one.close()
    (notice,) = ledger.notifications.of_run("r1")
    assert (len(hook.bodies), notice.tries, notice.sent) == (1, 3, NOON)


def test_unsent_message_is_sent_by_the_next_launcher(ledger: Ledger, hook: Webhook) -> None:
    hook.answers = [500] * 1_000
    one = herald(ledger, hook.url)
    one.update(QUIET)
    one.close(patience=0.1)
    hook.answers = []
    assert ledger.notifications.of_run("r1")[0].sent is None
    herald(ledger, hook.url).close()
    assert ledger.notifications.of_run("r1")[0].sent == NOON
    assert len(hook.bodies) == 1


def test_messages_go_on_after_a_webhook_was_down_for_long(ledger: Ledger, hook: Webhook) -> None:
    hook.answers = [500] * 6
    one = herald(ledger, hook.url)
    one.update(QUIET)
    until(lambda: hook.asked >= 3)
    one.update(replace(QUIET, done=55))
    until(lambda: len(hook.bodies) == 2)  # before it closes
    one.close()
    assert all(notice.sent == NOON for notice in ledger.notifications.of_run("r1"))


def test_sender_survives_an_answer_that_is_not_http(ledger: Ledger, hook: Webhook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        one = herald(ledger, f"http://127.0.0.1:{port}/{SECRET}")
        one.update(QUIET)
        for _ in range(2):  # the second connection comes from the same sender
            connection, _address = deaf.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"GARBAGE\r\n\r\n")
        one.close(patience=0.1)
    assert ledger.notifications.of_run("r1")[0].tries >= 1


def test_hanging_webhook_delays_nothing(ledger: Ledger) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        one = herald(ledger, f"http://127.0.0.1:{deaf.getsockname()[1]}/{SECRET}")
        begun = time.monotonic()
        one.update(QUIET)
        one.update(replace(QUIET, done=60))
        assert time.monotonic() - begun < 1
        one.close(patience=0.1)
        assert time.monotonic() - begun < 2


def test_ledger_does_not_contain_the_address(ledger: Ledger, hook: Webhook, tmp_path: Path) -> None:
    one = herald(ledger, hook.url)
    one.update(replace(QUIET, done=100, state="DONE"))
    one.close()
    until(lambda: len(hook.bodies) == 4)
    ledger.close()
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert not any(SECRET.encode() in content for content in files)


def test_nothing_is_sent_without_an_address(ledger: Ledger) -> None:
    with webhook_sender(ledger, "r1", None, lambda: NOON) as update:
        update(QUIET)
    assert ledger.notifications.of_run("r1") == []


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({}, {"started"}),
        ({"done": 50}, {"started", "half"}),
        ({"done": 95}, {"started", "half", "most"}),
        ({"budget": Decimal(10), "bound": Decimal(9)}, {"started", "budget 90"}),
        ({"budget": Decimal(10), "bound": Decimal(10)}, {"started", "budget 90", "budget 100"}),
        ({"deadline": NOON + timedelta(hours=2), "hours_left": 1.9}, {"started"}),
        ({"deadline": NOON + timedelta(hours=2), "hours_left": 2.1}, {"started", "deadline"}),
        ({"orphans": ("m7",)}, {"started", "orphan m7"}),
        ({"done": 100, "state": "DONE"}, {"started", "half", "most", "done"}),
    ],
)
def test_due_messages(change: dict[str, object], kinds: set[str]) -> None:
    assert set(due_messages(replace(QUIET, **change))) == kinds  # pyright: ignore[reportArgumentType]


JOB = "name: a\ncorpus: {path: x}\nmodel: hash\noutput: {path: y}\nnotify: "


def test_job_names_the_variable() -> None:
    assert parse(f"{JOB}$SLACK_WEBHOOK\n").notify == "$SLACK_WEBHOOK"


def test_job_that_holds_the_address_itself_is_refused() -> None:
    with pytest.raises(BadJob, match="must name the environment variable that holds the webhook's address"):
        parse(f"{JOB}https://hooks.example.org/{SECRET}\n")
