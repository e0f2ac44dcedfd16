"""Where a steered run stands, in a few lines of `status`: in time or late, dollars to finish, and the last decisions."""

from datetime import datetime
from decimal import Decimal

from rich.text import Text

from launcher.documents.course import AsleepSpan, CourseStatus, DecisionRow
from launcher.format import duration, money, plain, plural, verb
from launcher.reports.sections.course_text import (
    SECONDS_PER_MINUTE,
    clock_text,
    deadline_text,
    unattended_text,
)
from launcher.reports.steering import DECISION_WORDS


def course_lines(course: CourseStatus, run: str, state: str, *, launcher_known: bool = True) -> list[Text]:
    """The lines of a run that has a deadline or is steered.

    `launcher_known`: else whether a launcher is at work is not known, and nothing is said of it.
    """
    lines: list[Text] = []
    if course.deadline is not None:
        late = (course.late_minutes.p50 or 0) > 0
        lines.append(Text(deadline_text(course, state), style="bold yellow" if late else "bold"))
    if state == "DONE":
        return lines
    numbers = _numbers_text(course)
    if numbers:
        lines.append(Text(numbers))
    if course.prior_places:
        lines.append(Text(prior_text(course.prior_places)))
    if course.deadline is not None and course.steering and course.at >= course.deadline:
        lines.append(
            Text(f"the deadline has passed; a new one: embedfleet resume {plain(run)} --deadline 2h")
        )
    lines += [Text(f"  {decision_text(one, course.at)}") for one in course.decisions]
    if course.asleep is not None:
        lines.append(Text(asleep_text(course.asleep, course.at), style="yellow"))
    if launcher_known and (warning := unattended_text(course, run, state)):
        lines.append(Text(warning, style="bold yellow"))
    return lines


def _numbers_text(course: CourseStatus) -> str:
    """Dollars to finish, what a token may cost, and how long the safety net can wait: those that are known."""
    parts: list[str] = []
    if course.usd_to_finish.p50 is not None:
        parts.append(f"{money(course.usd_to_finish.p50)} to finish (P90 {money(course.usd_to_finish.p90)})")
    if course.usd_per_million_tokens is not None:
        parts.append(f"machines up to {money(course.usd_per_million_tokens)} per 1M tokens are worth it")
    if course.margin_minutes is not None:
        left = duration(max(0.0, course.margin_minutes) * SECONDS_PER_MINUTE)
        parts.append(
            f"the safety net can wait {left}" if course.margin_minutes > 0 else "the safety net runs"
        )
    return "; ".join(parts)


def decision_text(decision: DecisionRow, now: datetime) -> str:
    """One decision in a line: when, what, why, and what it adds to the expected dollars."""
    words = [clock_text(decision.at, now), DECISION_WORDS.get(decision.what, decision.what)]
    if decision.count:
        words.append(str(decision.count))
    if decision.place:
        words.append(f"in {plain(decision.place)}")
    text = " ".join(word for word in words if word)
    if decision.reason != decision.what:
        text += f": {plain(decision.reason)}"
    return f"{text}  {_change(decision.usd_expected)}" if decision.usd_expected else text


def prior_text(places: int) -> str:
    """What steering knew before the run saw anything itself."""
    known = f"how often {plural(places, 'place')} {verb(places, 'has', 'have')} spot"
    return f"began from earlier runs on this laptop: {known}; what this run sees soon counts more"


def asleep_text(span: AsleepSpan, now: datetime) -> str:
    """A time in which the launcher did not look."""
    slept = duration((span.until - span.since).total_seconds())
    return (
        f"asleep {clock_text(span.since, now)}-{clock_text(span.until, now)}: no launcher looked for {slept}"
    )


def _change(usd: Decimal) -> str:
    return f"+{money(usd)}" if usd > 0 else money(usd)
