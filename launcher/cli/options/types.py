"""Types of the options' values: paths, amounts, seconds, names and times.

Each raises ArgumentTypeError (a usage error, exit status 2) for a value that it refuses. Imports little
beyond the standard library: see `options`.
"""

import argparse
import math
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from launcher.jobs.durations import DurationError, deadline_moment, duration_hours
from launcher.jobs.paths import check_location, expand

LONGEST_BENCH_SECONDS = 3_600.0
LONGEST_PROBE_SECONDS = 600.0
LAST_PORT = 65_535
MOST_MEBIBYTES = 2**20
LONGEST_TAG = 200  # letters of a value
COUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?)([kKmMbBgGtT]?)")
THOUSANDS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
MOST_COUNT = 10**15
# Neither the digits of other scripts nor exponents, which Decimal reads, too: an amount is what the user can see.
AMOUNT = re.compile(r"\$?(?=\.?[0-9])[0-9]{0,9}(\.[0-9]{0,6})?")


def location(word: str) -> str:
    """A path or a URL in which `~` and `$NAME` are replaced, unless a file has that very name."""
    if os.path.lexists(word):
        return word
    try:
        return check_location(expand(word))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def path(word: str) -> Path:
    """A path of this machine, as `location` reads it."""
    return Path(location(word))


def dollars(word: str) -> Decimal:
    """An amount above 0 and below a billion, in plain digits, with or without a dollar sign."""
    if not AMOUNT.fullmatch(word) or not Decimal(word.removeprefix("$")):
        raise argparse.ArgumentTypeError(
            f"give dollars above 0 and below a billion, such as 25 or 25.50, not {word[:40]!r}"
        )
    return Decimal(word.removeprefix("$"))


def probe_seconds(word: str) -> float:
    """Seconds of `--probe`; 0 measures nothing."""
    seconds = float(word)
    if not 0 <= seconds <= LONGEST_PROBE_SECONDS:
        raise argparse.ArgumentTypeError(f"give 0 to {LONGEST_PROBE_SECONDS:.0f} seconds, not {word}")
    return seconds


def bench_seconds(word: str) -> float:
    """Seconds of a benchmark, above 0."""
    wanted = f"give seconds up to {LONGEST_BENCH_SECONDS:.0f}, not {word}"
    return _in_range(word, lambda n: 0 < n <= LONGEST_BENCH_SECONDS, wanted)


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise argparse.ArgumentTypeError("give at least one name")
    return found


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"give a whole number above 0, not {text[:40]}")
    return int(text)


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers above 0, between commas."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and 0 < int(word) < 10**6 for word in words):
        raise argparse.ArgumentTypeError(f"give whole numbers such as 256,128, not {text[:40]!r}")
    return tuple(int(word) for word in words)


def port_or_free(text: str) -> int:
    """A TCP port, or 0 for a free one."""
    return 0 if text == "0" else port(text)


def seconds_above_zero(text: str) -> float:
    """Seconds above 0, at most an hour."""
    wanted = f"give seconds above 0 and at most {LONGEST_BENCH_SECONDS:.0f}, not {text[:40]}"
    return _in_range(text, lambda n: 0 < n <= LONGEST_BENCH_SECONDS, wanted)


def mebibytes(text: str) -> int:
    """A whole number of MiB, or 0; at most a TiB."""
    if not (text.isascii() and text.isdecimal() and int(text) <= MOST_MEBIBYTES):
        raise argparse.ArgumentTypeError(f"give 0 to {MOST_MEBIBYTES} MiB, not {text[:40]!r}")
    return int(text)


def milliseconds(text: str) -> float:
    """Milliseconds from 0 to 1,000."""
    return _in_range(text, lambda n: 0 <= n <= 1_000, f"give 0 to 1000 milliseconds, not {text[:40]}")


def above_zero(text: str) -> float:
    """A number above 0."""
    return _in_range(text, lambda n: 0 < n <= 1e9, f"give a number above 0, not {text[:40]}")


def cosine(text: str) -> float:
    """A cosine above 0 and at most 1."""
    wanted = f"{text[:40]} is no cosine: give a number above 0 and at most 1, such as 0.98"
    return _in_range(text, lambda n: 0 < n <= 1, wanted)


def port(text: str) -> int:
    """A TCP port that a user may choose."""
    if not text.isdecimal() or not 0 < int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"give a port from 1 to {LAST_PORT}, not {text[:40]}")
    return int(text)


def listen(word: str) -> tuple[str, int]:
    """HOST:PORT, or a port of 127.0.0.1."""
    host, _, number = word.rpartition(":")
    return host.strip("[]") or "127.0.0.1", port(number)


def variable(word: str) -> str:
    """The name of an environment variable; a value, which may be a secret, is not quoted."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", word):
        raise argparse.ArgumentTypeError("give the name of an environment variable, and not its value")
    return word


def tag(word: str) -> tuple[str, str]:
    """A tag: its key, and its value or an empty one."""
    key, _, value = word.partition("=")
    if not re.fullmatch(r"[\w.:/-]{1,64}", key) or len(value) > LONGEST_TAG:
        raise argparse.ArgumentTypeError(
            f"give KEY=VALUE, with letters, digits and . _ - : / in the key, not {word[:40]!r}"
        )
    return key, value


def since(word: str) -> str:
    """A date, a time or an age, kept as text: the command itself reads the clock (see `moment`)."""
    moment(word, datetime(2026, 1, 1, tzinfo=UTC))  # any time will do: this only checks the form
    return word


def deadline(word: str) -> str:
    """A date, a time or a duration from now on, kept as text: the command itself reads the clock."""
    try:
        deadline_moment(word, datetime(2026, 1, 1, tzinfo=UTC))  # any time will do: this only checks the form
    except DurationError as error:
        raise argparse.ArgumentTypeError(f"a deadline {error}, not {word[:40]!r}") from None
    return word


def moment(word: str, now: datetime) -> datetime:
    """The time that `word` means: an ISO date or time (UTC where it names no zone), or `7d`, `12h`, `2w` before `now`."""
    units = {"d": timedelta(days=1), "h": timedelta(hours=1), "w": timedelta(weeks=1)}
    try:
        if word[-1:] in units and word[:-1].isdecimal():
            return now - int(word[:-1]) * units[word[-1]]
        found = datetime.fromisoformat(word)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"give a date such as 2026-11-01, or 7d or 12h, not {word!r}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def many(word: str) -> int:
    """A count such as 250000, 40M or 1.5B: thousands, millions, billions or trillions."""
    found = COUNT.fullmatch(word.replace(",", "").replace("_", ""))
    number = Decimal(found[1]) * THOUSANDS[found[2].lower()] if found else Decimal(0)
    if number < 1 or number != number.to_integral_value() or number > MOST_COUNT:
        raise argparse.ArgumentTypeError(
            f"give a whole number from 1 on, such as 250000, 40M or 1B, not {word[:40]!r}"
        )
    return int(number)


def deadlines(text: str) -> tuple[float, ...]:
    """Durations between commas, in hours, each above 0."""
    try:
        found = tuple(duration_hours(word.strip()) for word in text.split(","))
    except DurationError as error:
        raise argparse.ArgumentTypeError(f"a deadline {error}, not {text[:40]!r}") from None
    return found


def seconds_of(word: str) -> float:
    """Seconds of a duration such as 10m."""
    try:
        return duration_hours(word) * 3600
    except DurationError as error:
        raise argparse.ArgumentTypeError(f"it {error}, not {word[:40]!r}") from None


def share(word: str) -> float:
    """A share from 0 to 1, such as 0.15."""
    return _in_range(
        word, lambda n: 0 <= n <= 1, f"give a share from 0 to 1, such as 0.15, not {word[:40]!r}"
    )


def slowness(word: str) -> float:
    """True speed as a share of the planned one: above 0, up to 10."""
    wanted = f"give a share of the planned speed, such as 0.6, not {word[:40]!r}"
    return _in_range(word, lambda n: 0.01 <= n <= 10, wanted)


def _in_range(text: str, allows: Callable[[float], bool], wanted: str) -> float:
    """The number in a text; `wanted` is what an error says where it is none, or is not allowed. NaN never is."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not allows(found):
        raise argparse.ArgumentTypeError(wanted)
    return found


def count(most: int) -> Callable[[str], int]:
    """The type of a whole number from 1 to `most`."""

    def read(word: str) -> int:
        if not (word.isascii() and word.isdecimal() and 1 <= int(word) <= most):
            raise argparse.ArgumentTypeError(f"give a whole number from 1 to {most:,}, not {word[:40]!r}")
        return int(word)

    return read


def outage(word: str) -> tuple[str, float, float]:
    """A place and the time in which it has no machines: 'aws/us-east-2 2h-8h'. Seconds of the run."""
    place, _, span = word.strip().rpartition(" ")
    begin, _, end = span.partition("-")
    try:
        first = 0.0 if begin in ("0", "0h") else duration_hours(begin) * 3600
        last = duration_hours(end) * 3600
    except DurationError:
        first, last = 1.0, 0.0
    if not place or last <= first:
        raise argparse.ArgumentTypeError(
            f"give a place and a time, such as 'aws/us-east-2 2h-8h', not {word[:60]!r}"
        )
    return place.strip(), first, last
