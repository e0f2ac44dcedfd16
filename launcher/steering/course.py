"""What steering decided at one look, and what it expects: the values that status, report and ledger show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from launcher.steering.orders import Order
from launcher.steering.situation import Situation, WhenShort

SAY = "say"  # a decision that orders nothing: what the budget does to the run from now on


def after_deadline(when_short: WhenShort) -> str:
    """How a run goes on whose deadline has passed, in words."""
    if when_short is WhenShort.LATE:
        return (
            "the deadline has passed: the run goes on with the cheapest machines, on demand only where no place has "
            "spot; resume --deadline sets a new one"
        )
    return "the deadline has passed: the run goes on as fast as the plan and the budget allow"


class BudgetPressure(StrEnum):
    """How the budget stands to the deadline."""

    FREE = "free"  # the P90 of all dollars is within the budget, or there is none
    TIGHT = "tight"  # the P50 is, the P90 is not
    CONFLICT = "conflict"  # the P50 is not, or what the deadline needs on demand is not


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected from now on. None: not known.

    Seconds late count from the deadline (negative: before it); dollars are those of machines, without egress, and like
    hours from now until the run is done. Chances are shares from 0 to 1. `token_shares`: the share of the tokens that
    each kind does, by its number, at the median and if places are worse than believed.
    """

    hours_p50: float
    hours_p90: float
    usd_to_finish_p50: Decimal
    usd_to_finish_p90: Decimal
    late_seconds_p50: float | None = None
    late_seconds_p90: float | None = None
    chance_late: float | None = None
    chance_over_budget: float | None = None
    on_demand_share: float = 0.0  # of the dollars to finish, on the mean
    hours_p10: float = 0.0
    usd_to_finish_p10: Decimal = Decimal(0)
    token_shares: Mapping[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: what, where, how many machines, and why, with its numbers in plain words.

    `what`: "ask", "net" (ask on demand as the safety net), "canary", "probe", "end", "drain", "had none" or "stop";
    and SAY, which a launcher adds where the pressure of the budget changes.
    `usd_expected`: what it is expected to add to the dollars until the end; negative: saves; None: not computed.
    """

    what: str
    reason: str
    group: int | None = None
    place: str | None = None
    count: int = 0
    usd_expected: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """The outcome of one look. Write it down before the orders are carried out.

    `usd_per_token`: the shadow price V; machines that embed a token for less are worth having. `margin_seconds`: how
    long the safety net can still wait before it must start (None: no deadline, or nothing to rent on demand).
    `missing`: on-demand machines that the net asks for at this look. `targets`: machines to hold, by number of the group.
    `next_look`: without any news (an answer, a loss, a receipt) the decision stays as it is until then.
    """

    at: datetime
    budget_pressure: BudgetPressure = BudgetPressure.FREE
    usd_per_token: Decimal | None = None
    margin_seconds: float | None = None
    missing: int = 0
    targets: tuple[tuple[int, int], ...] = ()
    forecast: Forecast | None = None
    decisions: tuple[Decision, ...] = ()
    orders: tuple[Order, ...] = ()
    next_look: datetime | None = None
    situation: Situation | None = None  # what it was decided from; None: the run ends, or is not steered
    stop: bool = False  # the budget ends the run: it drains
    says: str = ""  # what the budget does to the run, with its numbers; empty while it leaves the run free
