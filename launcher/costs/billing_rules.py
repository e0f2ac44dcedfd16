"""How clouds count: from which second a machine costs, for how long at least, and when it costs nothing.

Pure. What is not documented is assumed, and says so.
"""

from dataclasses import dataclass
from datetime import timedelta

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """`least` is billed of any machine; `step` is what time is rounded up to, nothing: it is billed as it was.

    A spot machine that the cloud takes back before it ran for `free` costs nothing.
    """

    least: timedelta
    step: timedelta
    free: timedelta
    source: str
    assumed: bool = False


NONE = timedelta(0)
OURS = Terms(NONE, NONE, NONE, "this machine: its time as it was")
TERMS = {
    "local": OURS,
    "aws": Terms(
        60 * SECOND,
        SECOND,
        3600 * SECOND,
        "EC2 user guide, billing of interrupted Spot Instances (Linux but SUSE), read 2026-11",
    ),
    "gcp": Terms(60 * SECOND, SECOND, 60 * SECOND, "Compute Engine: per second, a minute at least, 2026-11"),
    "lambda": Terms(60 * SECOND, 60 * SECOND, NONE, "billed by the minute", assumed=True),
}
ASSUMED = Terms(60 * SECOND, SECOND, NONE, "per second, a minute at least", assumed=True)


def terms(cloud: str) -> Terms:
    return TERMS.get(cloud, ASSUMED)


def billed(lived: timedelta, rule: Terms) -> timedelta:
    """The time that is billed of a machine that has ended."""
    steps = -(-lived // rule.step) * rule.step if rule.step else lived
    return max(steps, rule.least)


def waived(lived: timedelta, rule: Terms, *, spot: bool, preempted: bool) -> bool:
    """Whether the cloud charges nothing, because it took the machine back so soon."""
    return spot and preempted and lived < rule.free
