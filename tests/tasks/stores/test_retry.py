"""Retries: how long and how often; and the clock by the Date header."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.stores.base import StoreUnreachable
from tasks.stores.retry import (
    CLOCK_FRESH_SECONDS,
    FIRST_CONTACT_PATIENCE,
    MAX_BACKOFF_SECONDS,
    PATIENCE,
    StoreConnection,
    TransientError,
)

DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Time:
    """A clock that advances only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def contact(time: Time) -> StoreConnection:
    return StoreConnection("s3://bucket", clock=time.clock, sleep=time.sleep)


class Silence:
    """A call that fails with a transient error so many times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        self.left -= 1
        if self.left >= 0:
            raise TransientError("put was answered 503 SlowDown")
        return "answer"


def test_a_success_is_returned_without_a_wait(contact: StoreConnection, time: Time) -> None:
    assert contact.retry(Silence(0)) == "answer"
    assert time.pauses == []


def test_a_transient_error_is_retried_until_success(contact: StoreConnection, time: Time) -> None:
    silence = Silence(6)
    assert contact.retry(silence) == "answer"
    assert silence.asked == 7
    assert len(time.pauses) == 6


def test_backoff_is_exponential_with_full_jitter_up_to_a_maximum(time: Time) -> None:
    for _ in range(200):
        contact = StoreConnection("s3://bucket", 10_000, time.clock, time.sleep)
        contact.record_date(DATE)
        contact.retry(Silence(10))
    by_turn = [time.pauses[turn::10] for turn in range(10)]
    for turn, pauses in enumerate(by_turn):
        assert max(pauses) <= min(MAX_BACKOFF_SECONDS, 0.2 * 2**turn)
        assert len(set(pauses)) > 190, "workers that were slowed down together would come back together"
    assert max(by_turn[9]) > 10
    assert min(by_turn[9]) < 2


@pytest.mark.parametrize(("known", "patience"), [(True, PATIENCE), (False, FIRST_CONTACT_PATIENCE)])
def test_patience_is_shorter_for_a_store_that_never_answered(
    contact: StoreConnection, time: Time, known: bool, patience: float
) -> None:
    if known:
        contact.record_date(DATE)
    with pytest.raises(
        StoreUnreachable, match=f"s3://bucket has not answered for {patience:g} s: put was answered 503"
    ):
        contact.retry(Silence(10_000))
    assert patience - MAX_BACKOFF_SECONDS < time.now <= patience


def test_the_error_after_all_retries_says_what_to_do(contact: StoreConnection) -> None:
    with pytest.raises(StoreUnreachable) as refusal:
        contact.retry(Silence(10_000))
    assert refusal.value.hint.endswith("then resume the run: nothing is lost")


def test_other_errors_are_raised_at_once(contact: StoreConnection, time: Time) -> None:
    def broken() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        contact.retry(broken)
    assert time.pauses == []


def test_the_clock_is_unknown_before_the_first_answer(contact: StoreConnection) -> None:
    assert contact.now() is None
    contact.record_date(None)
    assert contact.now() is None


def test_the_clock_is_extrapolated_for_a_while(contact: StoreConnection, time: Time) -> None:
    contact.record_date(DATE)
    assert contact.now() == NOON
    time.now += CLOCK_FRESH_SECONDS
    assert contact.now() == NOON + timedelta(seconds=CLOCK_FRESH_SECONDS)
    time.now += 0.1
    assert contact.now() is None
