"""Where a steered run stands, in the lines of `status`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from launcher.documents.course import AsleepSpan, CourseStatus, DecisionRow, LateMinutes, UsdToFinish
from launcher.documents.status import to_json
from launcher.reports.terminal.runs.course import course_lines, decision_text
from launcher.reports.terminal.runs.status import status_text
from tests.launcher.documents.test_status import REPORT
from tests.support.screens import printed

NOW = datetime(2026, 11, 23, 15, 40, tzinfo=UTC)
ASK = DecisionRow(
    NOW - timedelta(minutes=38), "ask", "aws/eu-south-2", 16, "$0.213 an hour, the next best", Decimal("1.4")
)
NET = DecisionRow(NOW, "net", "aws/us-east-1", 8, "margin 11 min", Decimal("9.8"))
MONEY = (
    "$84.00 to finish (P90 $141.00); machines up to $0.0710 per 1M tokens are worth it; "
    "the safety net can wait 11 min"
)
COURSE = CourseStatus(
    at=NOW,
    budget_pressure="free",
    late_minutes=LateMinutes(-80.0, -35.0),
    chance_late=0.012,
    usd_to_finish=UsdToFinish(Decimal(84), Decimal(141), Decimal(60)),
    usd_per_million_tokens=Decimal("0.071"),
    margin_minutes=11.0,
    decisions=(ASK, NET),
    deadline=datetime(2026, 11, 23, 18, tzinfo=UTC),
    steered=True,
    steering=True,
    since=None,
)


def lines(state: str = "RUNNING", **changes: object) -> list[str]:
    return [line.plain for line in course_lines(replace(COURSE, **changes), "r1", state)]  # type: ignore[arg-type]


def test_a_run_in_time_says_when_it_will_be_done_and_what_was_decided() -> None:
    assert lines() == [
        "in time: done 16:40 (P90 17:25), deadline 18:00, late in 1 %",
        MONEY,
        "  15:02 asked for 16 in aws/eu-south-2: $0.213 an hour, the next best  +$1.40",
        "  15:40 asked on demand for 8 in aws/us-east-1: margin 11 min  +$9.80",
    ]


def test_what_steering_began_from_is_said_where_earlier_runs_knew_the_places() -> None:
    began = "began from earlier runs on this laptop: how often {} spot; what this run sees soon counts more"
    assert lines(prior_places=3)[2] == began.format("3 places have")
    assert lines(prior_places=1)[2] == began.format("1 place has")
    assert not any("earlier runs" in line for line in lines())


def test_a_run_that_will_be_late_says_by_how_much() -> None:
    (first, *_) = lines(late_minutes=LateMinutes(35.0, None), chance_late=None)
    assert first == "late by 35 min: done 18:35, deadline 18:00"
    assert lines(late_minutes=LateMinutes(None, None))[0] == (
        "deadline 18:00: whether it is in time is not known yet"
    )
    next_day = COURSE.at + timedelta(days=1)
    assert lines(deadline=next_day, late_minutes=LateMinutes(None, None))[0].startswith(
        "deadline 24 Nov 15:40"
    )


def test_a_run_whose_deadline_has_passed_says_how_to_set_a_new_one() -> None:
    def passed(*, steering: bool = True) -> list[str]:
        late = LateMinutes(60.0, 90.0)
        return lines(deadline=NOW, late_minutes=late, chance_late=1.0, margin_minutes=None, steering=steering)

    assert passed()[0] == "late by 1 h: done 16:40 (P90 17:10), deadline 15:40, late in 100 %"
    assert passed()[2] == "the deadline has passed; a new one: embedfleet resume r1 --deadline 2h"
    assert not any("has passed" in line for line in passed(steering=False))


def test_a_run_that_is_done_says_whether_it_was_in_time_and_no_more() -> None:
    assert lines("DONE") == ["done 1 h 20 min before its deadline"]
    assert lines("DONE", late_minutes=LateMinutes(35.0, 35.0)) == ["done 35 min after its deadline"]


def test_a_sleeping_laptop_is_named() -> None:
    span = AsleepSpan(NOW.replace(hour=9, minute=2), NOW.replace(hour=12, minute=10))
    assert lines(asleep=span)[-1] == "asleep 09:02-12:10: no launcher looked for 3 h 8 min"
    assert lines("DONE", asleep=span) == ["done 1 h 20 min before its deadline"]


def test_without_a_launcher_nobody_steers() -> None:
    since = NOW.replace(hour=9, minute=14)
    words = "not steered since 09:14 (no launcher): the deadline is not guarded. embedfleet resume r1"
    assert lines(steering=False, since=since)[-1] == words
    assert lines(steering=False, since=None, deadline=None)[-1] == (
        "not steered (no launcher). embedfleet resume r1"
    )
    assert "nobody" not in " ".join(lines(steering=False, steered=False))


def test_names_of_places_are_printed_as_they_are() -> None:
    assert "\x1b" not in decision_text(replace(ASK, place="a\x1b[31m"), NOW)


def test_status_has_the_course_in_text_and_json() -> None:
    report = replace(REPORT, course=COURSE)
    assert "in time: done 16:40 (P90 17:25), deadline 18:00" in printed(status_text(report))
    body = to_json(report)["course"]
    assert body["late_minutes"] == {"p50": -80.0, "p90": -35.0}
    assert body["usd_to_finish"] == {"p10": "60", "p50": "84", "p90": "141"}
    assert body["decisions"][0]["usd_expected"] == "1.4"
    assert to_json(REPORT)["course"] is None
