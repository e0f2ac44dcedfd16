import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from launcher.documents.encode import json_pieces, json_value, to_json
from tests.support.sample_report import document as sample_document

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


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


@pytest.mark.parametrize(
    "document",
    [
        sample_document(),
        Outer(Inner(None), NOON, NOON.date(), (), {}),
        Outer(Inner(Decimal(1)), NOON, NOON.date(), ((0.5, 1), (2.0, 3)), {'a "line"\n': 2}),
        {"a": [1, {"b": None}], "c": []},
        [],
        ({"one": 1},),
    ],
)
def test_pieces_are_the_text_of_the_whole(document: object) -> None:
    pieces = list(json_pieces(document))
    assert "".join(pieces) == json.dumps(json_value(document), indent=1)


def test_each_entry_of_a_list_is_a_piece_of_its_own() -> None:
    long = Outer(Inner(None), NOON, NOON.date(), tuple((0.5, n) for n in range(1000)), {})
    assert max(map(len, json_pieces(long))) < 100
