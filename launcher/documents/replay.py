"""The document of `simulate --replay RUN --json`, schema embedfleet/replay/1."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

SCHEMA = "embedfleet/replay/1"


@dataclass(frozen=True, slots=True)
class ReplayedDecision:
    """A decision: what, where, how many machines, and why."""

    what: str
    place: str | None
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDifference:
    """A look at which the decisions are not those that were recorded."""

    at: datetime
    recorded: Sequence[ReplayedDecision]
    replayed: Sequence[ReplayedDecision]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDocument:
    """The decisions of a run, made again from what they were made from."""

    schema: str = SCHEMA
    run: str
    looks: int  # with a decision, that were replayed
    decisions: int  # of the run
    without_situation: int  # looks whose situation the ledger does not have, or cannot read
    different: Sequence[ReplayDifference]
