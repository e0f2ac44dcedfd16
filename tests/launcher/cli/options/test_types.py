"""Types of option values: what they accept, and what is a usage error."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.cli.options import types
from launcher.cli.options.types import (
    bench_seconds,
    deadline,
    dollars,
    moment,
    names,
    positive,
    probe_seconds,
    since,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("word", "usd"), [("25", "25"), ("$25.50", "25.50"), ("0.01", "0.01")])
def test_dollars_are_exact(word: str, usd: str) -> None:
    assert dollars(word) == Decimal(usd)


@pytest.mark.parametrize(
    "word",
    ["0", "-1", "nan", "inf", "much", "", "0.00", "1e3", "1e999999", "٢٥", "1_000", "9" * 40, "$", ".", " 5"],
)
def test_dollars_refuse_what_is_no_amount_above_zero(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give dollars above 0"):
        dollars(word)


@pytest.mark.parametrize(
    ("word", "ago"), [("7d", timedelta(days=7)), ("12h", timedelta(hours=12)), ("2w", timedelta(14))]
)
def test_moment_can_be_an_age(word: str, ago: timedelta) -> None:
    assert moment(word, NOON) == NOON - ago


def test_moment_without_a_zone_is_utc() -> None:
    assert moment("2026-02-28", NOON) == datetime(2026, 2, 28, tzinfo=UTC)


def test_since_keeps_its_text() -> None:
    assert since("7d") == "7d"


@pytest.mark.parametrize("word", ["soon", "99999999d", "9999999999999d", "²d"])
def test_since_refuses_what_is_no_time(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give a date"):
        since(word)


def test_names_are_split_at_commas() -> None:
    assert names(" L4, A100-80GB,") == ("L4", "A100-80GB")
    with pytest.raises(argparse.ArgumentTypeError):
        names(",")


def test_numbers_out_of_range_are_refused() -> None:
    assert (positive("3"), probe_seconds("0"), bench_seconds("0.5")) == (3, 0.0, 0.5)
    for refuse, word in (
        (positive, "0"),
        (probe_seconds, "601"),
        (bench_seconds, "0"),
        (bench_seconds, "long"),
    ):
        with pytest.raises(argparse.ArgumentTypeError):
            refuse(word)


def test_a_deadline_is_a_duration_or_a_date() -> None:
    assert [deadline(word) for word in ("8h", "2026-11-23T18:00Z")] == ["8h", "2026-11-23T18:00Z"]


@pytest.mark.parametrize("word", ["8", "soon", "-8h", "2026-02-30", ""])
def test_a_deadline_that_is_neither_is_refused(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a deadline must be a d"):
        deadline(word)


@pytest.mark.parametrize(
    ("read", "least", "refused"),
    [
        (types.seconds_above_zero, "0.5", ["0", "-1", "3601"]),
        (types.milliseconds, "0", ["-1", "1001"]),
        (types.above_zero, "0.1", ["0", "-3", "1e10"]),
        (types.cosine, "1", ["0", "1.01"]),
        (types.share, "0", ["-0.1", "1.1"]),
        (types.slowness, "0.01", ["0", "0.009", "11"]),
        (types.bench_seconds, "2.5", ["0", "3601"]),
    ],
)
def test_numbers_have_bounds(read: Callable[[str], float], least: str, refused: list[str]) -> None:
    assert read(least) == float(least)
    for word in (*refused, "", "much", "nan", "inf"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"give|no cosine"):
            read(word)


def test_mebibytes_are_whole_and_may_be_none() -> None:
    assert (types.mebibytes("0"), types.mebibytes("256")) == (0, 256)
    for word in ("-1", "1.5", "", "²", str(2**20 + 1)):
        with pytest.raises(argparse.ArgumentTypeError, match="MiB"):
            types.mebibytes(word)


def test_positive_names_no_lines_for_they_may_be_threads() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give a whole number above 0, not 0"):
        types.positive("0")
