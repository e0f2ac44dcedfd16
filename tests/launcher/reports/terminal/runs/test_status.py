from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from launcher.documents.load_status import LoadStatus
from launcher.documents.status import PilotStatus, PlaceCount, ProjectedUsd, StatusReport, WorkerState
from launcher.documents.truncation import truncation_of
from launcher.reports.terminal.runs.status import SHOWN_PLACES, status_text
from tests.launcher.documents.test_status import REPORT
from tests.support.screens import printed


def lines(**changes: object) -> list[str]:
    report: StatusReport = replace(REPORT, **changes)  # pyright: ignore[reportArgumentType]
    return printed(status_text(report)).splitlines()


def test_first_line_is_run_state_and_shards() -> None:
    assert lines()[0] == "r1: running, 4 of 10 shards"


def test_unknown_cost_is_a_question_mark() -> None:
    assert "$? (known: $0.00000050) so far; ? left at this rate" in lines(usd=None)


def test_projected_cost_has_its_p10_and_p90() -> None:
    projected = ProjectedUsd(Decimal(1), Decimal(2), Decimal(3))
    assert "$2.00 in all ($1.00 to $3.00: P10 to P90)" in lines(usd_projected=projected)


def test_share_of_the_budget_counts_committed_dollars() -> None:
    found = lines(budget=Decimal(4), usd_known=Decimal(1), usd_committed=Decimal(1), usd_projected=None)
    assert "50 % of the budget of $4.00 spent or committed" in found


def test_of_many_places_the_first_are_shown_and_the_rest_counted() -> None:
    places = tuple(PlaceCount(f"aws/r-{n:02d}", {"UP": 1}) for n in range(SHOWN_PLACES + 3))
    found = lines(places=places, preemptions=2)
    assert "machines, 2 taken away:" in found
    assert "  aws/r-11: 1 up" in found
    assert "  and 3 more places in --json" in found


def test_much_truncation_is_a_warning() -> None:
    text = " ".join(lines(truncation=truncation_of(1_000, 4_000, 256)))
    assert "truncation leaves out 80 % of the tokens" in text
    assert "chunk: {tokens: 256, by: sentences}" in text
    assert "truncation" not in " ".join(lines())


def test_run_on_this_machine_has_no_places() -> None:
    assert not [line for line in lines(places=(PlaceCount("local", {"UP": 1}),)) if "machines" in line]


def test_worker_that_is_on_its_way_is_not_up() -> None:
    came = WorkerState("w-0", "UP", "1:w-0", ready=True, reason=None)
    asked = replace(came, name="w-1", ready=False)
    assert "0 of 1 worker up, 0 lost; 0 bad rows" in lines(workers=(asked,))
    assert "1 of 2 workers up, 0 lost; 0 bad rows" in lines(workers=(came, asked))
    assert "1 worker up, 0 lost; 0 bad rows" in lines(workers=(came,))


def test_failed_worker_has_its_reason() -> None:
    failed = WorkerState("w-0", "FAILED", None, ready=False, reason="exit status 3")
    assert "  w-0: exit status 3" in lines(workers=(failed,))


def test_slowest_stage_has_the_shares_of_the_engines() -> None:
    stages = {"engine": 0.5, "wait": 0.4, "idle": 0.1}
    found = lines(slowest="read", stages=stages, advice=("rent faster disks",))
    words = "slowest stage: reading the corpus (engines work 50 %, wait for texts 40 %, have no shard 10 % of their time)"
    assert found[-2:] == [words, "  rent faster disks"]


def test_finished_run_says_how_long_it_took() -> None:
    assert any(line.endswith("$0.00; took 1.5 s") for line in lines(state="DONE"))


def test_stopped_run_says_how_to_go_on() -> None:
    line = "nothing works on it: embedfleet resume r1 goes on with the 6 shards that are left"
    assert line in lines(state="STOPPED")
    assert line not in lines()


LOAD = LoadStatus(
    to="postgresql://h/d?table=t", store="pgvector", state="loading", at=REPORT.at, rows=30, rows_loaded=20
)


def said_of(load: LoadStatus) -> str:
    return " ".join(" ".join(lines(load=load)).split())


def test_load_into_a_store_is_shown_with_what_is_there() -> None:
    said = said_of(load=LOAD)
    assert "loading into postgresql://h/d?table=t: 20 of 30 rows that are embedded" in said
    assert "loaded into postgresql://h/d?table=t: 30 of 30 rows" in said_of(
        load=replace(LOAD, state="done", rows_loaded=30)
    )


def test_store_that_is_away_is_shown_with_its_reason() -> None:
    away = replace(LOAD, state="away", error="no server answers", hint="start it")
    said = said_of(load=away)
    assert "20 of 30 rows are there: no server answers: it is tried again" in said
    assert "start it" in said


def test_loader_that_is_silent_is_no_loader() -> None:
    silent = replace(LOAD, at=REPORT.at - timedelta(minutes=5))
    assert "last heard of 5 min ago: embedfleet load" in said_of(load=silent)


def test_state_that_a_pilot_wrote_says_how_old_it_is() -> None:
    assert lines(pilot=PilotStatus(37.2, drives=True))[1] == (
        "its pilot drives it; machines, dollars and decisions as it wrote them 37 s ago"
    )
    silent = " ".join(lines(pilot=PilotStatus(700.0, drives=False)))
    assert (
        "its pilot has written nothing for 11 min 40 s; embedfleet resume r1 --pilot sends another" in silent
    )
    assert not [
        line for line in lines(state="DONE", pilot=PilotStatus(700.0, drives=False)) if "pilot" in line
    ]
