"""Where a steered run stands, in a few lines of `status`: in time or late, dollars to finish, and the last decisions."""

from datetime import datetime
from decimal import Decimal

from rich.text import Text

from launcher.documents.course import AsleepSpan, CourseStatus, DecisionRow
from launcher.format import duration, money, plain, plural, verb
from launcher.reports.steering import DECISION_WORDS

SECONDS_PER_MINUTE = 60


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


def deadline_text(course: CourseStatus, state: str) -> str:
    """Whether the run is in time: when it will be done, or by how much it is late."""
    deadline, late = course.deadline, course.late_minutes
    if deadline is None:
        return "no deadline"
    until = f"deadline {clock_text(deadline, course.at)}"
    if late.p50 is None:
        return f"{until}: whether it is in time is not known yet"
    by = duration(abs(late.p50) * SECONDS_PER_MINUTE)
    if state == "DONE":
        return f"done {by} after its deadline" if late.p50 > 0 else f"done {by} before its deadline"
    done = clock_text(_moment(deadline, late.p50), course.at)
    high = "" if late.p90 is None else f" (P90 {clock_text(_moment(deadline, late.p90), course.at)})"
    chance = "" if course.chance_late is None else f", late in {course.chance_late:.0%}".replace("%", " %")
    if late.p50 > 0:
        return f"late by {by}: done {done}{high}, {until}{chance}"
    return f"in time: done {done}{high}, {until}{chance}"


def decision_text(decision: DecisionRow, now: datetime) -> str:
    """One decision in a line: when, what, why, and what it adds to the expected dollars."""
    words = [clock_text(decision.at, now), DECISION_WORDS.get(decision.what, decision.what)]
    if decision.count:
        words.append(str(decision.count))
    if decision.place:
        words.append(f"in {plain(decision.place)}")
    text = f"{' '.join(word for word in words if word)}: {plain(decision.reason)}"
    return f"{text}  {_change(decision.usd_expected)}" if decision.usd_expected else text


def prior_text(places: int) -> str:
    """What steering knew before the run saw anything itself."""
    known = f"how often {plural(places, 'place')} {verb(places, 'has', 'have')} spot"
    return f"began from earlier runs on this laptop: {known}; what this run sees soon counts more"


def unattended_text(course: CourseStatus, run: str, state: str) -> str | None:
    """A line that says that no launcher steers the run; None where one does, or there is nothing to steer."""
    if course.steering or state in ("DONE", "PLANNED") or not course.steered:
        return None
    since = "" if course.since is None else f" since {clock_text(course.since, course.at)}"
    guarded = ": the deadline is not guarded" if course.deadline else ""
    return f"not steered{since} (no launcher){guarded}. embedfleet resume {plain(run)}"


def asleep_text(span: AsleepSpan, now: datetime) -> str:
    """A time in which the launcher did not look."""
    slept = duration((span.until - span.since).total_seconds())
    return (
        f"asleep {clock_text(span.since, now)}-{clock_text(span.until, now)}: no launcher looked for {slept}"
    )


def clock_text(moment: datetime, now: datetime) -> str:
    """A time of day in UTC, with its date where it is another day."""
    same = moment.date() == now.date()
    return f"{moment:%H:%M}" if same else f"{moment:%d %b %H:%M}"


def _moment(deadline: datetime, minutes: float) -> datetime:
    return datetime.fromtimestamp(deadline.timestamp() + minutes * SECONDS_PER_MINUTE, deadline.tzinfo)


def _change(usd: Decimal) -> str:
    return f"+{money(usd)}" if usd > 0 else money(usd)
