"""Where a run stands to its deadline, in sentences for the terminal and the live page."""

from datetime import datetime

from launcher.documents.course import CourseStatus
from launcher.documents.status import PilotStatus
from launcher.format import duration, plain

SECONDS_PER_MINUTE = 60


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


def unattended_text(course: CourseStatus, run: str, state: str) -> str | None:
    """A line that says that no launcher steers the run; None where one does, or there is nothing to steer."""
    if course.steering or state in ("DONE", "PLANNED") or not course.steered:
        return None
    since = "" if course.since is None else f" since {clock_text(course.since, course.at)}"
    guarded = ": the deadline is not guarded" if course.deadline else ""
    return f"not steered{since} (no launcher){guarded}. embedfleet resume {plain(run)}"


def pilot_text(pilot: PilotStatus, run: str) -> str:
    """Who drives a run that is not over, and how old what is known of it is."""
    ago = duration(pilot.age_seconds)
    if pilot.drives:
        return f"its pilot drives it; machines, dollars and decisions as it wrote them {ago} ago"
    return f"its pilot has written nothing for {ago}; embedfleet resume {plain(run)} --pilot sends another"


def clock_text(moment: datetime, now: datetime) -> str:
    """A time of day in UTC, with its date where it is another day."""
    same = moment.date() == now.date()
    return f"{moment:%H:%M}" if same else f"{moment:%d %b %H:%M}"


def _moment(deadline: datetime, minutes: float) -> datetime:
    return datetime.fromtimestamp(deadline.timestamp() + minutes * SECONDS_PER_MINUTE, deadline.tzinfo)
