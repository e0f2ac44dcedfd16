"""What is said of a place's price: its age, "?" without a date, the quote behind it, and the account's discount."""

from datetime import UTC, date, datetime
from decimal import Decimal

from launcher.planning.saved.saved_plan import MachinePlace
from launcher.reports.plans.price_notes import place_price_age, place_price_note

CREATED = datetime(2026, 11, 29, tzinfo=UTC)


def place(usd: str, quoted: str, seen: date | None, discount: str | None = None) -> MachinePlace:
    return MachinePlace("us-east-1", None, "g6.xlarge", 1, Decimal(usd), Decimal(quoted), seen, discount)


def test_age_is_counted_to_the_plan_and_unknown_without_a_date() -> None:
    assert place_price_age(place("1", "1", date(2026, 11, 28)), CREATED) == "2026-11-28, 1 day old"
    assert place_price_age(place("1", "1", None), CREATED) == "?"


def test_discount_and_likely_price_name_the_quote() -> None:
    assert (
        place_price_note(place("0.8", "1", None, "20 % on aws"))
        == "your discount of 20 % on aws; listed at $1.00"
    )
    assert place_price_note(place("1.2", "1", None)) == "likely now; quoted at $1.00"
    assert place_price_note(place("1", "1", None)) == ""
