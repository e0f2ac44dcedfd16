"""The dashboard and the page of metrics name metrics that exist, all of them on the page, with labels that they have."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from launcher.documents.load_status import LoadStatus
from launcher.documents.status import HeartbeatSummary, PilotStatus, PlaceCount, ProjectedUsd, StatusReport
from launcher.documents.status_metrics import status_metrics
from tasks.metrics.exposition import Metric
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.supervisor.machine_metrics import machine_metrics
from tasks.supervisor.supervisor import WorkerSlot
from tests.support.paths import ROOT

NOW = datetime(2026, 11, 29, tzinfo=UTC)
WORKER = HeartbeatSummary(
    "m-0", "working", 1.0, 1, 1.0, 0.5, "L4", 50.0, 1.0, None, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0
)
LOAD = LoadStatus(to="pgvector://h/d", store="pgvector", state="loading", at=NOW, rows=2, rows_loaded=1)
REPORT = StatusReport(
    run="r", state="RUNNING", at=NOW, shards=2, shards_done=1, shards_failed=0, documents=1, chunks=1, tokens=1,
    tokens_expected=2, failed_rows=0, output_bytes=1, seconds=1.0, tokens_per_second=1.0, seconds_left=1.0,
    usd=Decimal(1), workers=(), usd_known=Decimal(1), usd_committed=Decimal(1), usd_per_hour=Decimal(1),
    usd_projected=ProjectedUsd(Decimal(1), Decimal(2), Decimal(3)), budget=Decimal(9), preemptions=0,
    places=(PlaceCount("aws/us-east-1", {"UP": 1}),), stages={"engine": 0.9}, slowest=None, advice=(), signs=(WORKER,),
    usd_per_million_tokens=Decimal(1), tokens_open=1, share=0.5, load=LOAD, pilot=PilotStatus(1.0, drives=True),
)  # fmt: skip
HEARTBEAT = Heartbeat(
    run="r", worker="m-0", host="h", pid=1, started=NOW, recent=1.0, machine={"rss_bytes": 1}
)


@pytest.fixture(scope="module")
def metrics() -> dict[str, Metric]:
    """Every metric of a run and of a machine, where all is known."""
    of_machine = machine_metrics("r", "m", [WorkerSlot(0, None, 1)], [HEARTBEAT])
    return {one.name: one for one in (*of_machine, *status_metrics(REPORT))}


def dashboard() -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))


def test_every_query_of_the_dashboard_names_a_metric_and_labels_that_exist(
    metrics: dict[str, Metric],
) -> None:
    targets = [target for panel in dashboard()["panels"] for target in panel["targets"]]
    assert len(targets) > 10
    for target in targets:
        for name in re.findall(r"embedfleet_\w+", target["expr"]):
            assert name in metrics, target["expr"]
            labels = {label for sample in metrics[name].samples for label in sample.labels}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, target


def test_page_lists_exactly_the_metrics_that_exist(metrics: dict[str, Metric]) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").partition("## Names")[2]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(embedfleet_\w+)`", row.split("|")[1])}
    assert named == set(metrics)
    for row in rows:
        _, names, labels, *_ = row.split("|")
        written = set(re.findall(r"`(\w+)`", re.sub(r": `[^|]*", "", labels)))
        for name in re.findall(r"`(embedfleet_\w+)`", names):
            for sample in metrics[name].samples:
                assert set(sample.labels) - {"run"} - written == set(), name


def test_every_metric_has_a_sample_and_the_run(metrics: dict[str, Metric]) -> None:
    assert [name for name, one in metrics.items() if not one.samples] == []
    assert [
        name for name, one in metrics.items() for sample in one.samples if "run" not in sample.labels
    ] == []
