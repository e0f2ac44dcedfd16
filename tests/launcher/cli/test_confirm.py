"""The question about money: it names the P90, No is the default, and nobody is asked where nobody sits."""

import sys
from collections.abc import Mapping
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from launcher.cli.confirm import confirm, rehearsal
from launcher.errors import ConfirmationNeeded, Usage
from launcher.fleet.task_specs import specs_of
from tests.support import sample_plan


def body(p90: str | None = "131") -> Mapping[str, Any]:
    plan = sample_plan.plan()
    plan["totals"]["usd"]["p90"] = p90
    return plan


def test_without_a_terminal_the_flags_are_named_with_the_p90() -> None:
    with pytest.raises(ConfirmationNeeded, match=r"rents 21 machines for up to \$131\.00 \(P90\)") as caught:
        confirm(body(), yes=False, most=None)
    assert caught.value.code == 4
    assert caught.value.hint == "--yes --max-cost $132"


def test_yes_needs_a_limit() -> None:
    with pytest.raises(Usage, match="--yes needs a limit"):
        confirm(body(), yes=True, most=None)


def test_yes_within_the_limit_is_enough() -> None:
    confirm(body(), yes=True, most=Decimal(131))


@pytest.mark.parametrize("p90", ["131.01", None])
def test_a_plan_that_may_cost_more_than_the_limit_is_refused(p90: str | None) -> None:
    with pytest.raises(ConfirmationNeeded, match=r"and --max-cost is \$131$"):
        confirm(body(p90), yes=True, most=Decimal(131))


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "rents"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_no_is_the_default(answer: str, rents: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", screen)
    if rents:
        confirm(body(), yes=False, most=None)
    else:
        with pytest.raises(ConfirmationNeeded, match="nothing was rented"):
            confirm(body(), yes=False, most=None)
    assert screen.getvalue() == "This rents 21 machines for up to $131.00 (P90). Go on? [y/N] "


# --- a launch that only tells


def test_a_rehearsal_shows_every_lot_and_every_call_with_its_first_place() -> None:
    plan = sample_plan.plan()
    text = rehearsal(plan, specs_of(plan, "s3://bucket/vectors", "/code/tasks", disk_gb=75))
    assert text.count("# lot-") == 2
    calls = [line for line in text.splitlines() if line.startswith("# sky.jobs.launch(")]
    assert len(calls) == 21
    assert calls[0].endswith(
        "name='reviews-1a2b3c4d-l0m0-0')  # first aws/us-east-1/us-east-1a g6.48xlarge at $0.297 an hour"
    )
    assert "aws/us-west-2/us-west-2a" in calls[19]
    assert "lot-1.yaml" in calls[20]


def test_a_rehearsal_on_this_machine_rents_nothing() -> None:
    assert rehearsal(sample_plan.local(), ()) == "# 1 worker processes of this machine; nothing is rented\n"
