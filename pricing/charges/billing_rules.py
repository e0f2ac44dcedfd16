"""Billing rules of clouds: billing increment, minimum billed time, and when a preempted machine is free.

Pure. Rules without documentation are assumed, and marked so.
"""

from dataclasses import dataclass
from datetime import timedelta

SECOND = timedelta(seconds=1)
NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class BillingRule:
    """How a cloud bills the time of a machine.

    Time is rounded up to a multiple of `increment` (0: not rounded), and is at least `minimum`. A spot machine that the
    cloud preempts before it ran for `free_before` costs nothing.
    """

    minimum: timedelta
    increment: timedelta
    free_before: timedelta
    source: str
    assumed: bool = False


LOCAL_RULE = BillingRule(NO_TIME, NO_TIME, NO_TIME, "this machine: its time as it was")
BILLING_RULES = {
    "local": LOCAL_RULE,
    "aws": BillingRule(
        60 * SECOND,
        SECOND,
        3600 * SECOND,
        "EC2 user guide, billing of interrupted Spot Instances (Linux but SUSE), read 2026-11",
    ),
    "gcp": BillingRule(
        60 * SECOND, SECOND, 60 * SECOND, "Compute Engine: per second, a minute at least, 2026-11"
    ),
    "lambda": BillingRule(60 * SECOND, 60 * SECOND, NO_TIME, "billed by the minute", assumed=True),
}
ASSUMED_RULE = BillingRule(60 * SECOND, SECOND, NO_TIME, "per second, a minute at least", assumed=True)


def billing_rule(cloud: str) -> BillingRule:
    """The rule of a cloud; an assumed one for clouds that are not in BILLING_RULES."""
    return BILLING_RULES.get(cloud, ASSUMED_RULE)


def billed_time(lived: timedelta, rule: BillingRule) -> timedelta:
    """The billed time of a machine that ran for `lived` and has ended."""
    rounded = -(-lived // rule.increment) * rule.increment if rule.increment else lived
    return max(rounded, rule.minimum)


def is_free(lived: timedelta, rule: BillingRule, *, spot: bool, preempted: bool) -> bool:
    """Whether the cloud charges nothing because it preempted a spot machine soon after its start."""
    return spot and preempted and lived < rule.free_before
