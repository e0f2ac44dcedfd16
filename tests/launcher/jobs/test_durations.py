"""Durations and deadlines as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from launcher.jobs.durations import DurationError, deadline_moment, duration_hours

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "hours"),
    [("6h", 6), ("90m", 1.5), ("1h30m", 1.5), ("2d", 48), ("14 days", 336), ("36s", 0.01)],
)
def test_hours_of_a_duration(written: str, hours: float) -> None:
    assert duration_hours(written) == hours
    assert deadline_moment(written, NOON) == NOON + timedelta(hours=hours)


@pytest.mark.parametrize("written", ["", "6", "0h", "-6h", "6x", "30m 1h", "h", "1e3h", "6h" * 20])
def test_what_is_no_duration_is_refused(written: str) -> None:
    with pytest.raises(DurationError, match="must be a duration such as 6h"):
        duration_hours(written)


def test_a_slip_of_the_keyboard_is_refused() -> None:
    with pytest.raises(DurationError, match="is more than 10 years"):
        duration_hours("4000d")


def test_a_moment_is_utc_unless_it_says_otherwise() -> None:
    assert deadline_moment("2026-11-23T18:00", NOON) == NOON + timedelta(hours=6)
    assert deadline_moment("2026-11-24", NOON) == NOON + timedelta(hours=12)
    tokyo = datetime(2026, 11, 23, 18, tzinfo=timezone(timedelta(hours=9)))
    assert deadline_moment("2026-11-23T18:00+09:00", NOON) == tokyo
    with pytest.raises(DurationError, match="a date that exists"):
        deadline_moment("2026-02-30", NOON)
