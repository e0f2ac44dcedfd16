from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from launcher.documents.status import HeartbeatSummary, PilotStatus
from launcher.ledger.ledger import Ledger
from launcher.reports.html.live import LiveRun, live_page, redirect_page, runs_page
from launcher.reports.lists.run_list import list_runs
from tests.launcher.documents.test_status import REPORT
from tests.launcher.reports.terminal.runs.test_course import COURSE
from tests.support import ledger_history, sample_report
from tests.support.html_reader import Reader
from tests.support.sample_report import EVIL


def worker(name: str = "w-0", **changes: Any) -> HeartbeatSummary:
    fields: dict[str, Any] = dict.fromkeys(
        ("age_seconds", "tokens_per_second", "waiting_share", "gpu", "gpu_percent", "rss_bytes", "error")
    )
    fields |= {"state": "working", "tokens": 1_200}
    return HeartbeatSummary(worker=name, **fields | changes)


def live_run(deadline: float | None = None, **changes: Any) -> LiveRun:
    """The sample report with a status; `deadline` in seconds after the moment of the status."""
    status = replace(REPORT, **changes)
    moment = None if deadline is None else status.at + timedelta(seconds=deadline)
    return LiveRun(status=status, report=sample_report.document(), deadline=moment)


def test_page_loads_only_what_its_own_server_sends() -> None:
    page = live_page(live_run())
    loads = {value for name, value in Reader(page).attributes if name in ("src", "href")}
    assert loads == {"../../icon.svg", "../../page.css", "../../live.js", "../../"}
    policies = [value for name, value in Reader(page).attributes if name == "content"]
    assert any(value and value.startswith("default-src 'none'; script-src 'self'") for value in policies)


def test_hostile_names_stay_text() -> None:
    page = live_page(live_run(signs=(worker(EVIL, error=EVIL),)))
    assert Reader(page).tags.count("script") == 1  # our own
    assert EVIL in Reader(page).text


def test_configuration_comes_first() -> None:
    html = live_page(live_run())
    main = html[html.index("<main>") :]
    assert main.startswith('<main><section class="facts"><h2>Configuration</h2>')
    assert main.count("<h2>Configuration</h2>") == 1


def test_progress_is_told_by_tokens() -> None:
    page = Reader(live_page(live_run(tokens=250, tokens_expected=1_000))).text
    assert "Tokens: 25.0 %, 250 of 1,000" in page


def test_dollars_stand_against_the_budget() -> None:
    changes: dict[str, Any] = {
        "usd": Decimal(3),
        "usd_known": Decimal(3),
        "usd_committed": Decimal(2),
        "budget": Decimal(4),
    }
    page = live_page(live_run(**changes))
    assert "Budget: 75.0 % spent, $3.00 of $4.00" in Reader(page).text
    assert '<dd class="bad">$4.00</dd>' in page


def test_deadline_that_will_be_missed_is_marked() -> None:
    page = live_page(live_run(60.0, seconds_left=90.0, state="RUNNING"))
    assert '<dd class="bad">in 1 min</dd>' in page
    assert '<dd class="bad">in 1 min</dd>' not in live_page(
        live_run(60.0, seconds_left=30.0, state="RUNNING")
    )


def test_what_steering_expects_is_told_while_the_run_goes_on() -> None:
    expected = "In time: done 16:40 (P90 17:25), deadline 18:00, late in 1 %."
    unattended = "no launcher): the deadline is not guarded. embedfleet resume"
    page = Reader(live_page(live_run(state="RUNNING", course=COURSE))).text
    assert expected in page
    assert unattended not in page
    alone = replace(COURSE, steering=False)
    assert unattended in Reader(live_page(live_run(state="RUNNING", course=alone))).text
    assert expected not in Reader(live_page(live_run(state="DONE", course=COURSE))).text


def test_state_that_a_pilot_wrote_says_how_old_it_is() -> None:
    pilot = PilotStatus(37.0, drives=True)
    expected = "Its pilot drives it; machines, dollars and decisions as it wrote them 37 s ago."
    assert expected in Reader(live_page(live_run(state="RUNNING", pilot=pilot))).text
    assert expected in Reader(live_page(live_run(state="RUNNING", course=COURSE, pilot=pilot))).text
    assert "Its pilot" not in Reader(live_page(live_run(state="DONE", pilot=pilot))).text


def test_what_no_worker_says_is_no_column_but_named() -> None:
    signs = (worker(gpu="L4", gpu_percent=97.0), worker("w-1"))
    page = Reader(live_page(live_run(signs=signs))).text
    assert "GPU busy" in page
    assert "97 %" in page
    assert (
        "Not known of any row: Last heard, Speed, Engine waits, GPU memory, Process, Memory, CPU load."
        in page
    )


def test_newest_event_comes_first() -> None:
    page = live_page(live_run())
    assert page.index("finished with 5 failed rows") < page.index("created</td>")


def test_runs_are_links_to_their_pages(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger_history.write_history(ledger, name=EVIL)
        document = list_runs(ledger, None, ledger_history.at(ledger_history.NOW_SECONDS))
    page = Reader(runs_page(document))
    assert ("href", f"run/{ledger_history.RUN}/") in page.attributes
    assert page.tags.count("script") == 1


def test_redirect_has_no_script() -> None:
    page = Reader(redirect_page("http://127.0.0.1:1/t/"))
    assert ("content", "0; url=http://127.0.0.1:1/t/") in page.attributes
    assert "script" not in page.tags
