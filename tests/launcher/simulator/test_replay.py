"""Decisions of a run, made again: the same come out, and a change of what was recorded shows."""

from dataclasses import replace

from launcher.fleet.steering.run_steering import course_record, decision_record
from launcher.ledger.steering_records import CourseBody, CourseRecord, DecisionRecord
from launcher.simulator.replay import replay
from tests.launcher.steering.test_situation_text import courses


def recorded() -> tuple[list[CourseRecord], list[DecisionRecord]]:
    """What a launcher writes into the ledger of a run."""
    found = [course for course in courses() if course.decisions]
    decisions = [decision_record(c.at, n, one) for c in found for n, one in enumerate(c.decisions)]
    return [course_record(course, None) for course in found], decisions


# Invariant 6 of docs/steering.md
def test_the_same_decisions_come_out() -> None:
    looks, decisions = recorded()
    found = replay("r", looks, decisions)
    assert (found.looks, found.decisions) == (len(looks), len(decisions))
    assert found.looks > 4
    assert (found.different, found.without_situation) == ([], 0)


def test_a_decision_that_was_another_is_found() -> None:
    looks, decisions = recorded()
    changed = [replace(decisions[0], count=decisions[0].count + 1), *decisions[1:]]
    (found,) = replay("r", looks, changed).different
    assert found.at == decisions[0].at
    assert found.recorded[0].count == found.replayed[0].count + 1


def test_what_a_launcher_only_said_is_not_made_again() -> None:
    looks, decisions = recorded()
    said = replace(decisions[0], number=99, what="say", place=None, count=0, reason="the budget is $10.00")
    found = replay("r", looks, [*decisions, said])
    assert (found.decisions, found.different) == (len(decisions), [])


def test_looks_without_a_situation_are_counted() -> None:
    looks, decisions = recorded()
    damaged = [replace(looks[0], body=CourseBody()), replace(looks[1], body=CourseBody(situation="damaged"))]
    bare = [*damaged, *looks[2:]]
    found = replay("r", bare, decisions)
    assert (found.without_situation, found.looks) == (2, len(looks) - 2)
    assert found.different == []
