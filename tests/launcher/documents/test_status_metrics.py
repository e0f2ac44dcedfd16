"""Metrics of a run: the figures of `status`, and nothing where nothing is known."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from launcher.documents.load_status import LoadStatus
from launcher.documents.status import HeartbeatSummary, PilotStatus
from launcher.documents.status_metrics import status_metrics
from tasks.metrics.exposition import render
from tests.launcher.documents.test_status import REPORT

WORKER = HeartbeatSummary(
    worker="m-0", state="working", age_seconds=2.5, tokens=10, tokens_per_second=123.4, waiting_share=None, gpu="L4",
    gpu_percent=50.0, rss_bytes=1_024, error=None,
)  # fmt: skip


def values(report: object = REPORT) -> dict[str, str]:
    page = render(status_metrics(report))  # pyright: ignore[reportArgumentType]
    return dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))


def test_figures_are_those_of_the_status() -> None:
    found = values(replace(REPORT, signs=(WORKER,), tokens_expected=5_000, usd_per_hour=Decimal("1.50")))
    assert found['embedfleet_tokens_total{run="r1"}'] == "1000"
    assert found['embedfleet_tokens_expected{run="r1"}'] == "5000"
    assert found['embedfleet_shards{run="r1",state="done"}'] == "4"
    assert found['embedfleet_shards{run="r1",state="open"}'] == "6"
    assert found['embedfleet_projected_usd{run="r1",percentile="p90"}'] == "3"
    assert found['embedfleet_usd_per_hour{run="r1"}'] == "1.5"
    assert found['embedfleet_machines{run="r1",place="aws/us-east-1",state="up"}'] == "2"
    assert found['embedfleet_run_state{run="r1",state="running"}'] == "1"
    assert found['embedfleet_gpu_utilization_ratio{run="r1",worker="m-0"}'] == "0.5"
    assert found['embedfleet_worker_tokens_per_second{run="r1",worker="m-0"}'] == "123.4"


def test_what_is_unknown_is_absent() -> None:
    names = {name.partition("{")[0] for name in values()}
    assert names & {
        "embedfleet_tokens_expected", "embedfleet_tokens_per_second", "embedfleet_left_seconds", "embedfleet_budget_usd",
        "embedfleet_usd_per_million_tokens", "embedfleet_gpu_utilization_ratio", "embedfleet_usd_per_hour",
    } == set()  # fmt: skip
    assert values(replace(REPORT, usd=None)).get('embedfleet_spent_usd{run="r1"}') is None
    assert values()['embedfleet_spent_usd{run="r1"}'] == "0"  # known, and nothing


def test_load_into_a_store_has_its_backlog_and_none_begun_has_nothing() -> None:
    assert not [name for name in values() if "_load_" in name]
    load = LoadStatus(
        to="a.lance", store="lance", state="away", at=REPORT.at, rows=30, rows_loaded=20, error="no server"
    )
    found = values(replace(REPORT, load=load))
    assert found['embedfleet_load_rows{run="r1",store="lance"}'] == "20"
    assert found['embedfleet_load_backlog_rows{run="r1",store="lance"}'] == "10"
    assert found['embedfleet_load_up{run="r1",store="lance"}'] == "0"
    assert (
        values(replace(REPORT, load=replace(load, error=None)))['embedfleet_load_up{run="r1",store="lance"}']
        == "1"
    )


def test_age_of_what_a_pilot_wrote_is_known_while_the_run_goes_on() -> None:
    name = 'embedfleet_pilot_status_age_seconds{run="r1"}'
    piloted = replace(REPORT, pilot=PilotStatus(37.5, drives=True))
    assert values(piloted)[name] == "37.5"
    assert name not in values(replace(piloted, state="DONE"))
    assert name not in values()


def test_load_whose_store_has_not_been_read_is_unknown() -> None:
    load = LoadStatus(to="a.lance", store="lance", state="loading", at=REPORT.at, rows=30, rows_loaded=None)
    assert not {
        name for name in values(replace(REPORT, load=load)) if "_load_" in name and "_age_" not in name
    }
    away = replace(load, state="away", error="no server", at=REPORT.at - timedelta(seconds=90))
    found = values(replace(REPORT, load=away))
    assert found['embedfleet_load_up{run="r1",store="lance"}'] == "0"
    assert found['embedfleet_load_status_age_seconds{run="r1",store="lance"}'] == "90"


def test_dollars_of_which_none_are_known_are_absent() -> None:
    known = 'embedfleet_spent_known_usd{run="r1"}'
    assert values(replace(REPORT, usd=None, usd_known=Decimal(0))).get(known) is None
    assert values(replace(REPORT, usd=None, usd_known=Decimal("0.5")))[known] == "0.5"
    assert values(replace(REPORT, usd=Decimal(0), usd_known=Decimal(0)))[known] == "0"


def test_preemptions_are_unknown_to_the_output_path_alone() -> None:
    name = 'embedfleet_preemptions_total{run="r1"}'
    assert name in values()
    assert name not in values(replace(REPORT, launcher_known=False))
