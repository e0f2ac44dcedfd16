"""The section "Steering" of a report's page: what places answered, the decisions, and how margin and price went."""

from datetime import datetime

from launcher.format import count, duration, money, plural, signed_money, utc_time
from launcher.reports.document import ReportDocument
from launcher.reports.html.elements import Section, folded, section, table, tag
from launcher.reports.sections.course_text import clock_text
from launcher.reports.steering import DECISION_WORDS, CoursePoint, SteeringFigures, hindsight_text
from launcher.reports.summary import on_demand_text

SHOWN_DECISIONS = 60  # the newest; --json has all
SHOWN_POINTS = 60
SECONDS_PER_MINUTE = 60


def steering_section(report: ReportDocument) -> Section:
    """How the run was steered; nothing where it was not."""
    found = report.steering
    if found is None:
        return None
    parts: list[object] = []
    if found.answers:
        rows = [
            (one.place, one.gpu, one.purchase, count(one.asked), count(one.came), count(one.none))
            for one in found.answers
        ]
        columns = ("Place", "GPU", "Purchase", "Asked for", "Came", "Had none")
        parts.append(table("What places answered", columns, rows, left={1, 2}))
    if rented := on_demand_text(report.machines):
        parts.append(tag("p", f"{rented}."))
    if found.hindsight is not None:
        text = hindsight_text(found.hindsight)
        parts.append(tag("p", f"{text[:1].upper()}{text[1:]}."))
    if found.decisions:
        shown = found.decisions[-SHOWN_DECISIONS:]
        rows = [
            (
                clock_text(one.at, shown[-1].at),
                DECISION_WORDS.get(one.what, one.what),
                one.place or "",
                count(one.count) if one.count else "",
                "" if one.reason == one.what else one.reason,
                signed_money(one.usd_expected) if one.usd_expected else "",
            )
            for one in shown
        ]
        columns = ("UTC", "Decision", "Place", "Machines", "Why", "Expected dollars")
        parts.append(table("Decisions", columns, rows, left={1, 2}, wide={4}))
    if found.curve:
        step = max(1, -(-len(found.curve) // SHOWN_POINTS))
        rows = [_point(one, found.curve[-1].at) for one in found.curve[::step]]
        columns = ("UTC", "Budget", "Worth per 1M tokens", "Margin of the net", "Chance to be late")
        parts.append(folded("Margin and price over time", table("Course", columns, rows, left={1})))
    return section("Steering", _note(found), *parts)


def _note(found: SteeringFigures) -> str:
    text = f"Steered by {found.policy}."
    if found.deadline is not None:
        text += f" Deadline {utc_time(found.deadline)}."
    if found.late_minutes is not None:
        by = duration(abs(found.late_minutes) * SECONDS_PER_MINUTE)
        text += f" Done {by} {'after' if found.late_minutes > 0 else 'before'} it."
    hidden = len(found.decisions) - SHOWN_DECISIONS
    if hidden > 0:
        text += f" {plural(hidden, 'earlier decision')} in the JSON."
    return f"{text} Places that were never asked are unknown, and not in this list."


def _point(one: CoursePoint, last: datetime) -> tuple[str, ...]:
    margin = "?" if one.margin_minutes is None else duration(one.margin_minutes * SECONDS_PER_MINUTE)
    late = "?" if one.chance_late is None else f"{one.chance_late:.0%}".replace("%", " %")
    return clock_text(one.at, last), one.budget_pressure, money(one.usd_per_million_tokens), margin, late
