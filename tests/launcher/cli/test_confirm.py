"""The question before renting."""

import sys
from decimal import Decimal
from io import StringIO

import pytest

from launcher.cli.confirm import SpentSoFar, check_max_cost, confirm_cost
from launcher.errors import ConfirmationNeeded, Usage
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tests.support import sample_plan


def plan(p90: str | None = "131") -> SavedPlan:
    body = sample_plan.plan()
    body["totals"]["usd"]["p90"] = p90
    return plan_file.read_recorded(body)


def test_without_a_terminal_the_error_names_the_flags_and_the_p90() -> None:
    with pytest.raises(ConfirmationNeeded, match=r"rents 21 machines for up to \$131\.00 \(P90\)") as caught:
        confirm_cost(plan(), yes=False, most=None)
    assert caught.value.code == 4
    assert caught.value.hint == "--yes --max-cost $132"


def test_yes_needs_a_limit() -> None:
    with pytest.raises(Usage, match="--yes needs a limit"):
        confirm_cost(plan(), yes=True, most=None)


def test_yes_with_a_p90_within_the_limit_is_accepted() -> None:
    confirm_cost(plan(), yes=True, most=Decimal(131))


@pytest.mark.parametrize("p90", ["131.01", None])
def test_p90_above_the_limit_or_unknown_is_refused(p90: str | None) -> None:
    with pytest.raises(ConfirmationNeeded, match=r"and --max-cost is \$131$"):
        confirm_cost(plan(p90), yes=True, most=Decimal(131))


def unpriced() -> SavedPlan:
    """A plan whose egress has no price, and costs at most $20."""
    body = sample_plan.plan()
    body["totals"]["usd"]["p90"] = "131"
    body["totals"]["unpriced"] = {"egress": "20"}
    return plan_file.read_recorded(body)


def test_question_names_the_p90_and_the_bound_of_what_has_no_price() -> None:
    words = r"for up to \$151\.00: \$131\.00 \(P90\), and at most \$20\.00 of egress without a known price"
    with pytest.raises(ConfirmationNeeded, match=words) as caught:
        confirm_cost(unpriced(), yes=False, most=None)
    assert caught.value.hint == "--yes --max-cost $152"


def test_limit_must_hold_the_bound_of_what_has_no_price() -> None:
    confirm_cost(unpriced(), yes=True, most=Decimal(151))
    with pytest.raises(ConfirmationNeeded, match=r"and --max-cost is \$150$"):
        confirm_cost(unpriced(), yes=True, most=Decimal(150))
    with pytest.raises(
        ConfirmationNeeded, match=r"costs up to \$151\.00 \(P90, and \$20\.00 for what has no"
    ):
        check_max_cost(unpriced(), Decimal(150))


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "rents"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_default_answer_is_no(answer: str, rents: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", screen)
    if rents:
        confirm_cost(plan(), yes=False, most=None)
    else:
        with pytest.raises(ConfirmationNeeded, match="nothing was rented"):
            confirm_cost(plan(), yes=False, most=None)
    assert screen.getvalue() == "This rents 21 machines for up to $131.00 (P90). Go on? [y/N] "


def test_max_cost_counts_what_is_spent_and_the_rest_of_a_known_run() -> None:
    check_max_cost(plan("100"), Decimal(60), SpentSoFar(Decimal(10), Decimal("0.5")))
    with pytest.raises(
        ConfirmationNeeded, match=r"up to \$60\.00 \(P90\), of which \$10\.00 is spent"
    ) as caught:
        check_max_cost(plan("100"), Decimal(59), SpentSoFar(Decimal(10), Decimal("0.5")))
    assert caught.value.code == 4


def test_max_cost_without_a_known_price_is_refused() -> None:
    with pytest.raises(ConfirmationNeeded, match="no known price"):
        check_max_cost(plan(None), Decimal(1000))


def test_question_of_a_steered_plan_names_the_p90_with_the_net_and_the_limit() -> None:
    words = (
        r"rents at most 32 machines, and up to 16 of them on demand if spot fails, "
        r"for up to \$268\.00 \(P90, with the safety net\), never more than \$300\.00"
    )
    with pytest.raises(ConfirmationNeeded, match=words) as caught:
        confirm_cost(sample_plan.saved_steered(), yes=False, most=None, limit=Decimal(300))
    assert caught.value.hint == "--yes --max-cost $269"
