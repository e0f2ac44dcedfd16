from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from launcher.documents.encode import to_json


@dataclass(frozen=True)
class Inner:
    usd: Decimal | None


@dataclass(frozen=True)
class Outer:
    first: Inner
    at: datetime
    day: date
    points: tuple[tuple[float, int], ...]
    counts: dict[str, int]


def test_keys_are_the_names_of_the_fields_in_their_order() -> None:
    document = Outer(
        Inner(Decimal("0.500")),
        datetime(2026, 10, 1, 9, 30, tzinfo=UTC),
        date(2026, 10, 1),
        ((0.5, 1),),
        {"a": 2},
    )
    assert list(to_json(document).items()) == [
        ("first", {"usd": "0.5"}),
        ("at", "2026-10-01T09:30:00+00:00"),
        ("day", "2026-10-01"),
        ("points", [[0.5, 1]]),
        ("counts", {"a": 2}),
    ]


@pytest.mark.parametrize(
    ("usd", "text"),
    [("1E-12", "0.000000000001"), ("-1.50", "-1.5"), ("0.000", "0"), ("1E+3", "1000"), ("100", "100")],
)
def test_amount_is_text_in_full(usd: str, text: str) -> None:
    assert to_json(Inner(Decimal(usd))) == {"usd": text}


def test_unknown_is_null() -> None:
    assert to_json(Inner(None)) == {"usd": None}
