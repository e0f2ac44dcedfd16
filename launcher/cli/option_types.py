"""Types of the options' values: paths, amounts, seconds, names and times.

Each raises ArgumentTypeError (a usage error, exit status 2) for a value that it refuses. Imports little
beyond the standard library: see `options`.
"""

import argparse
import os
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from launcher.jobs.paths import check_location, expand

LONGEST_BENCH_SECONDS = 3_600.0
LONGEST_PROBE_SECONDS = 600.0
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
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_BENCH_SECONDS:
        raise argparse.ArgumentTypeError(f"give seconds up to {LONGEST_BENCH_SECONDS:.0f}, not {word}")
    return seconds


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise argparse.ArgumentTypeError("give at least one name")
    return found


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"give a number of lines above 0, not {text}")
    return int(text)


def variable(word: str) -> str:
    """The name of an environment variable; a value, which may be a secret, is not quoted."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", word):
        raise argparse.ArgumentTypeError("give the name of an environment variable, and not its value")
    return word


def since(word: str) -> str:
    """A date, a time or an age, kept as text: the command itself reads the clock (see `moment`)."""
    moment(word, datetime(2026, 1, 1, tzinfo=UTC))  # any time will do: this only checks the form
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
