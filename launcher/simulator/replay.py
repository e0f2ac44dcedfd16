"""Make the decisions of a finished run again, from what they were made from: they must come out the same. Pure.

The ledger keeps with each decision the situation that it was made in: machines, prices, answers, work, money and time.
"""

from collections.abc import Iterable, Sequence

from launcher.documents.replay import ReplayDifference, ReplayDocument, ReplayedDecision
from launcher.ledger.steering_records import CourseRecord, DecisionRecord
from launcher.steering.course import SAY, Decision
from launcher.steering.decide import decide
from launcher.steering.situation_text import BadSituationError, situation_of_text


def replay(run: str, courses: Sequence[CourseRecord], decisions: Iterable[DecisionRecord]) -> ReplayDocument:
    """Every recorded look with a decision, decided again. What a launcher only said is not compared."""
    by_look: dict[object, list[ReplayedDecision]] = {}
    for one in (decision for decision in decisions if decision.what != SAY):
        by_look.setdefault(one.at, []).append(ReplayedDecision(one.what, one.place, one.count, one.reason))
    looks, without, different = 0, 0, list[ReplayDifference]()
    for course in courses:
        recorded = by_look.get(course.at)
        if recorded is None:
            continue
        text = course.body.situation
        if text is None:
            without += 1
            continue
        looks += 1
        try:
            again = [_replayed(one) for one in decide(situation_of_text(text)).course.decisions]
        except BadSituationError:
            without, looks = without + 1, looks - 1
            continue
        if again != recorded:
            different.append(ReplayDifference(at=course.at, recorded=recorded, replayed=again))
    return ReplayDocument(
        run=run,
        looks=looks,
        decisions=sum(len(found) for found in by_look.values()),
        without_situation=without,
        different=different,
    )


def _replayed(decision: Decision) -> ReplayedDecision:
    return ReplayedDecision(decision.what, decision.place, decision.count, decision.reason)
