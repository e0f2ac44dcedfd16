"""The section "Steering" of a report: what places answered, what was decided and why, and how margin and price went.

Read from the ledger: a ledger that was rebuilt has none of it. What a place that was never asked would have said is not
known, and not in here.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.documents.course import DecisionRow, Hindsight
from launcher.format import money, plural, share_text
from launcher.jobs.job import deadline_of, load
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.ledger.steering_records import AskAnswer, decision_rows
from launcher.planning.saved.saved_plan import SavedPlan

MAX_DECISIONS = 500  # the newest
MAX_POINTS = 240  # of a curve
MILLION = 1_000_000
SECONDS_PER_MINUTE = 60.0
DECISION_WORDS = {  # what a decision did, before the number of machines
    "ask": "asked for",
    "net": "asked on demand for",
    "canary": "asked on demand, to measure the speed, for",
    "probe": "looked for",
    "move": "moved",
    "end": "ended",
    "drain": "drains",
    "had none": "had none of",
    "stop": "stops",
    "say": "",
}


@dataclass(frozen=True, slots=True)
class PlaceAnswers:
    """What a place answered when machines were asked for: how many came, and how often it had none."""

    place: str
    purchase: str
    gpu: str
    asked: int
    came: int
    none: int


@dataclass(frozen=True, slots=True)
class CoursePoint:
    """Where the run stood at one moment. None: not known."""

    at: datetime
    budget_pressure: str
    usd_per_million_tokens: Decimal | None  # the price that a machine may have and be worth it
    margin_minutes: float | None
    chance_late: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringFigures:
    """How a run was steered. `late_minutes`: after its deadline; below 0: before it. None: no deadline, or not done."""

    policy: str
    deadline: datetime | None
    late_minutes: float | None
    answers: tuple[PlaceAnswers, ...]
    decisions: tuple[DecisionRow, ...]  # the newest MAX_DECISIONS, the oldest first
    curve: tuple[CoursePoint, ...]
    hindsight: Hindsight | None = None  # None: the run is not done, or a report of an earlier version


def steering_figures(ledger: Ledger, run: Run, plan: SavedPlan | None) -> SteeringFigures | None:
    """How a run was steered; None where it was not."""
    history = ledger.steering
    decisions, courses = history.decisions(run.id, last=MAX_DECISIONS), history.courses(run.id)
    if plan is None or (plan.steering is None and not courses):
        return None
    deadline = history.deadline(run.id) or deadline_of(load(plan.work.job), run.created)
    progress = ledger.shards.progress(run.id)
    done = progress.last_finished if progress.shards and progress.shards_done >= progress.shards else None
    step = max(1, -(-len(courses) // MAX_POINTS))
    return SteeringFigures(
        policy="static" if plan.steering is None else plan.steering.policy,
        deadline=deadline,
        late_minutes=None
        if deadline is None or done is None
        else (done - deadline).total_seconds() / SECONDS_PER_MINUTE,
        answers=_answers(ledger, run.id),
        decisions=decision_rows(decisions),
        curve=tuple(
            CoursePoint(
                at=one.at,
                budget_pressure=one.budget_pressure,
                usd_per_million_tokens=None if one.usd_per_token is None else one.usd_per_token * MILLION,
                margin_minutes=None
                if one.margin_seconds is None
                else one.margin_seconds / SECONDS_PER_MINUTE,
                chance_late=one.chance_late,
            )
            for one in courses[::step]
        ),
    )


def hindsight_text(found: Hindsight) -> str:
    """What was paid beside the least that it could have been, in a sentence."""
    if found.usd is None or found.paid is None:
        return f"hindsight ?, paid {money(found.paid)} for machines: {found.reason or 'not known'}"
    more = found.paid + (found.waived or 0) - found.usd
    text = f"hindsight {money(found.usd)}, paid {money(found.paid)} for machines"
    if found.waived:
        text += f", and {money(found.waived)} were not charged for those taken soon after their start"
    if found.usd > 0:
        share = share_text(abs(float(more / found.usd)))
        text += f": {'together ' if found.waived else ''}{share} {'dearer' if more >= 0 else 'cheaper'}"
    parts = {
        "starts": found.starts,
        "dear places": found.dear_places,
        "more on demand": found.net,
        "waiting and lost work": found.rest,
    }
    known = ", ".join(f"{name} {money(usd)}" for name, usd in parts.items() if usd is not None)
    where = f"over {plural(found.places, 'kind')} of machine in the hours that this run saw"
    return f"{text}; of which {known} ({where}; places that were never asked are unknown, not up)"


def _answers(ledger: Ledger, run: str) -> tuple[PlaceAnswers, ...]:
    counts: dict[tuple[str, str, str], dict[AskAnswer | None, int]] = defaultdict(lambda: defaultdict(int))
    for ask in ledger.steering.asks(run):
        counts[ask.place, ask.purchase, ask.gpu][ask.answer] += ask.count
    return tuple(
        PlaceAnswers(*key, sum(found.values()), found[AskAnswer.CAME], found[AskAnswer.NONE])
        for key, found in sorted(counts.items())
    )
