"""Types of option values: what they accept, and what is a usage error."""

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.cli.option_types import (
    bench_seconds,
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
