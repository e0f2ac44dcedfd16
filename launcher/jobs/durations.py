"""Durations and moments as people write them in job files and options: 6h, 90m, 1h30m, 2027-01-31T18:00Z. Pure."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

MAX_CHARACTERS = 24  # characters of a duration, so that Decimal arithmetic stays exact
MAX_YEARS = 10  # at most
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(d|h|min|m|s|(?:day|hour|hr|minute|second|sec)s?)(?![a-z]) *")
SECONDS_OF_UNIT = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}  # by the first letter of the unit
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class DurationError(ValueError):
    """The text is no duration; the message says what a duration looks like."""


def duration_hours(written: str) -> float:
    """Hours of 6h, 90m, 2d, 1h30m or 14 days.

    Raises:
        DurationError: it is none, has no unit, is 0, or is longer than MAX_YEARS.
    """
    parts = PART.findall(written) if len(written) <= MAX_CHARACTERS else []
    sizes = [SECONDS_OF_UNIT[unit[0]] for _, unit in parts]
    falling = all(a > b for a, b in pairwise(sizes))  # 30m 1h and 1h 1h are slips
    seconds = sum((Decimal(n) * size for (n, _), size in zip(parts, sizes, strict=True)), Decimal())
    if PART.sub("", written) or not falling or seconds <= 0:
        raise DurationError("must be a duration such as 6h, 90m, 2d or 1h30m")
    if seconds > MAX_YEARS * SECONDS_OF_UNIT["d"] * 365:
        raise DurationError(f"is more than {MAX_YEARS} years")
    return float(seconds / 3600)


def deadline_moment(written: str, now: datetime) -> datetime:
    """The moment of a date, of a date and a time (UTC where no offset is given), or of a duration from `now` on.

    Raises:
        DurationError: it is none of these.
    """
    if not DATE.match(written):
        return now + timedelta(hours=duration_hours(written))
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise DurationError("must be a date that exists, such as 2027-01-31T18:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
