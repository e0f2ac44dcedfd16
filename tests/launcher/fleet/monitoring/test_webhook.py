"""Messages to a webhook that listens here: sent once, tried again, never in the way, the address in no word."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.costs.run_rates import RunRates
from launcher.documents.course import CourseStatus, DecisionRow, LateMinutes, UsdToFinish
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
BEGUN = RunRates(seconds=60, ready_seconds=50, tokens=0, tokens_expected=100_000, usd=Decimal(0))
QUIET = RunSnapshot("r1", 100, 0, Decimal(0), Decimal(0), BEGUN, None, None, NOON, "RUNNING")


def embedded(percent: int, **changes: Any) -> RunSnapshot:
    """The run when so much of its tokens is embedded."""
    return replace(QUIET, done=percent, rates=replace(BEGUN, tokens=1_000 * percent), **changes)


def left(hours: float) -> RunRates:
    """So far that this much time is left: 1 % took so long."""
    return replace(BEGUN, tokens=1_000, ready_seconds=hours * 3600 / 99)


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
        one.update(embedded(55))
        one.update(embedded(60))
        one.close()
    assert [body["text"] for body in hook.bodies] == [
        "r1: started, 100 shards",
        "r1: 50 % done, $0.00 spent, 41 s left",
    ]


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
    one.update(embedded(55))
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
        one.update(embedded(60))
        assert time.monotonic() - begun < 1
        one.close(patience=0.1)
        assert time.monotonic() - begun < 2


def test_ledger_does_not_contain_the_address(ledger: Ledger, hook: Webhook, tmp_path: Path) -> None:
    one = herald(ledger, hook.url)
    one.update(DONE)
    one.close()
    until(lambda: len(hook.bodies) == 4)
    ledger.close()
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert not any(SECRET.encode() in content for content in files)


def test_nothing_is_sent_without_an_address(ledger: Ledger) -> None:
    with webhook_sender(ledger, "r1", None, lambda: NOON) as update:
        update(QUIET)
    assert ledger.notifications.of_run("r1") == []


DONE = replace(
    QUIET, done=100, state="DONE", rates=replace(BEGUN, tokens=100_000, finished=True, usd=Decimal("0.05"))
)


@pytest.mark.parametrize(
    ("snapshot", "kinds"),
    [
        (QUIET, {"started"}),
        (embedded(50), {"started", "half"}),
        (embedded(95), {"started", "half", "most"}),
        (replace(QUIET, budget=Decimal(10), bound=Decimal(9)), {"started", "budget 90"}),
        (replace(QUIET, budget=Decimal(10), bound=Decimal(10)), {"started", "budget 90", "budget 100"}),
        (replace(QUIET, deadline=NOON + timedelta(hours=2), rates=left(1.9)), {"started"}),
        (replace(QUIET, deadline=NOON + timedelta(hours=2), rates=left(2.1)), {"started", "deadline"}),
        (replace(QUIET, orphans=("m7",)), {"started", "orphan m7"}),
        (DONE, {"started", "half", "most", "done"}),
    ],
)
def test_due_messages(snapshot: RunSnapshot, kinds: set[str]) -> None:
    assert set(due_messages(snapshot)) == kinds


def test_the_last_message_has_the_figures_of_the_report() -> None:
    assert due_messages(DONE)["done"] == (
        "r1: done, 100 shards, 100k tokens in 1 min, 1,667 tok/s, $0.05 spent, $0.50 per 1M tokens"
    )


def test_dollars_that_are_not_known_are_a_question_mark() -> None:
    unknown = replace(DONE, rates=replace(DONE.rates, usd=None))
    assert "$? spent, $? per 1M tokens" in due_messages(unknown)["done"]
    assert (
        "50 % done, $? (known: $1.50) spent" in due_messages(replace(unknown, known=Decimal("1.5")))["half"]
    )


JOB = "name: a\ncorpus: {path: x}\nmodel: hash\noutput: {path: y}\nnotify: "


def test_job_names_the_variable() -> None:
    assert parse(f"{JOB}$SLACK_WEBHOOK\n").notify == "$SLACK_WEBHOOK"


def test_job_that_holds_the_address_itself_is_refused() -> None:
    with pytest.raises(BadJob, match="must name the environment variable that holds the webhook's address"):
        parse(f"{JOB}https://hooks.example.org/{SECRET}\n")


def steered(**changes: object) -> CourseStatus:
    found = CourseStatus(
        at=NOON,
        budget_pressure="free",
        late_minutes=LateMinutes(-80.0, -35.0),
        chance_late=0.05,
        usd_to_finish=UsdToFinish(Decimal(84), Decimal(141)),
        usd_per_million_tokens=None,
        margin_minutes=11.0,
        decisions=(DecisionRow(NOON, "say", None, 0, "the deadline needs $41 more", None),),
        deadline=NOON + timedelta(hours=1),
        steered=True,
        steering=True,
        since=None,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_a_steered_run_says_that_it_is_at_risk_from_a_tenth_on() -> None:
    calm = due_messages(replace(QUIET, course=steered()))
    assert not {"at risk", "conflict", "net started", "late"} & calm.keys()
    found = due_messages(replace(QUIET, course=steered(chance_late=0.12)))
    assert found["at risk"] == "r1: late in 12 % of cases, $84.00 to finish (P90 $141.00)"


def test_a_budget_that_does_not_pay_for_the_deadline_is_told_with_its_price() -> None:
    found = due_messages(replace(QUIET, course=steered(budget_pressure="conflict")))
    assert found["conflict"].endswith("does not pay for the deadline: the deadline needs $41 more")


def test_the_safety_net_is_told_when_it_starts_and_when_it_ends() -> None:
    on = due_messages(replace(QUIET, course=steered(), net="no spot for these", on_demand=3))
    assert on["net started"] == "r1: the safety net asks for machines on demand: no spot for these"
    assert "net ended" not in on
    assert "net ended" in due_messages(replace(QUIET, course=steered(), net="no spot for these"))


def test_a_run_that_ended_late_says_so() -> None:
    done: dict[str, Any] = {"state": "DONE", "deadline": NOON, "course": steered()}
    found = due_messages(replace(QUIET, **done, finished=NOON + timedelta(minutes=35)))
    assert found["late"] == "r1: done 35 min after its deadline"
    assert "late" not in due_messages(replace(QUIET, **done, finished=NOON))
