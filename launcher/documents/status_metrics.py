"""The metrics of a run, in Prometheus' terms, from the document of `status`. Pure. docs/metrics.md lists the names.

What is not known is absent, so that no graph shows a 0 that is none.
"""

from collections.abc import Mapping
from decimal import Decimal

from launcher.documents.status import HeartbeatSummary, StatusReport
from tasks.metrics.exposition import Metric, Sample, counter, gauge

PERCENTILES = ("p10", "p50", "p90")


def status_metrics(report: StatusReport) -> tuple[Metric, ...]:
    """All metrics of a run at one moment; each has the label `run`."""
    run = {"run": report.run}
    return (
        Metric("embedfleet_run_state", "gauge", "1 for the state that the run is in.",
               (Sample(1, {**run, "state": report.state.lower()}),)),
        *_work(report, run),
        *_money(report, run),
        *_machines(report, run),
        *_workers(report.signs, run),
        *_load(report, run),
        *_pilot(report, run),
    )  # fmt: skip


def _pilot(report: StatusReport, run: Mapping[str, str]) -> tuple[Metric, ...]:
    """How old what the pilot wrote is. Nothing of a run that has none, or is over."""
    if report.pilot is None or report.state in ("DONE", "STOPPED"):
        return ()
    about = "Time since the pilot last wrote machines, dollars and decisions."
    return (gauge("embedfleet_pilot_status_age_seconds", about, report.pilot.age_seconds, run),)


def _load(report: StatusReport, run: Mapping[str, str]) -> tuple[Metric, ...]:
    """The load into a vector store. Nothing where none has begun."""
    load = report.load
    if load is None:
        return ()
    labels = {**run, "store": load.store}
    return (
        gauge("embedfleet_load_rows", "Rows that the vector store has.", load.rows_loaded, labels),
        gauge("embedfleet_load_backlog_rows", "Rows that are embedded and not in the vector store.",
              None if load.rows_loaded is None else load.rows - load.rows_loaded, labels),
        gauge("embedfleet_load_status_age_seconds", "Time since the loader last wrote its state.",
              (report.at - load.at).total_seconds(), labels),
        gauge("embedfleet_load_up", "1 while the vector store can be loaded into, 0 while it is away.",
              0 if load.error else None if load.rows_loaded is None else 1, labels),
    )  # fmt: skip


def _work(report: StatusReport, run: Mapping[str, str]) -> tuple[Metric, ...]:
    done, failed = report.shards_done, report.shards_failed
    shards = {"done": done, "failed": failed, "open": report.shards - done - failed}
    return (
        Metric("embedfleet_shards", "gauge", "Shards of the run by state.",
               tuple(Sample(count, {**run, "state": state}) for state, count in shards.items())),
        counter("embedfleet_tokens_total", "Tokens embedded in shards that have a receipt.", report.tokens, run),
        gauge("embedfleet_tokens_open", "Tokens embedded in shards that have no receipt yet.", report.tokens_open, run),
        gauge("embedfleet_tokens_expected", "Tokens of the whole corpus, by the plan.", report.tokens_expected, run),
        gauge("embedfleet_tokens_per_second", "Speed of the run, all machines together.", report.tokens_per_second, run),
        counter("embedfleet_documents_total", "Documents read in shards that have a receipt.", report.documents, run),
        counter("embedfleet_vectors_total", "Vectors written.", report.chunks, run),
        counter("embedfleet_failed_rows_total", "Rows that could not be embedded.", report.failed_rows, run),
        counter("embedfleet_output_bytes_total", "Bytes of vectors written.", report.output_bytes, run),
        gauge("embedfleet_done_ratio", "Share of the expected tokens that is embedded.", report.share, run),
        gauge("embedfleet_run_seconds", "Time of the run so far, without pauses.", report.seconds, run),
        gauge("embedfleet_left_seconds", "Time until the run ends at its present speed.", report.seconds_left, run),
        Metric("embedfleet_stage_ratio", "gauge", "Share of the fleet's time that a stage takes.",
               tuple(Sample(share, {**run, "stage": stage}) for stage, share in report.stages.items())),
        gauge("embedfleet_unreadable_objects", "Objects of the store that cannot be read: counts are at least.",
              len(report.unreadable), run),
    )  # fmt: skip


def _money(report: StatusReport, run: Mapping[str, str]) -> tuple[Metric, ...]:
    projected = report.usd_projected
    # No machine has a price yet: 0 would say that nothing was spent.
    known = None if report.usd is None and not report.usd_known else report.usd_known
    return (
        gauge("embedfleet_spent_usd", "Dollars that machines cost so far.", _float(report.usd), run),
        gauge("embedfleet_spent_known_usd", "The same without what has no price.", _float(known), run),
        gauge("embedfleet_usd_per_hour", "Dollars an hour of machines that are up.", _float(report.usd_per_hour), run),
        Metric("embedfleet_projected_usd", "gauge", "Dollars of the whole run, by percentile.",
               () if projected is None else tuple(
                   Sample(float(getattr(projected, name)), {**run, "percentile": name}) for name in PERCENTILES)),
        gauge("embedfleet_budget_usd", "Dollars that the run may cost.", _float(report.budget), run),
        gauge("embedfleet_usd_per_million_tokens", "Dollars per million tokens so far.",
              _float(report.usd_per_million_tokens), run),
    )  # fmt: skip


def _machines(report: StatusReport, run: Mapping[str, str]) -> tuple[Metric, ...]:
    # The output path alone has no machines: their lives are in the ledger of the launcher.
    preemptions = report.preemptions if report.launcher_known else None
    return (
        counter("embedfleet_preemptions_total", "Machines that a cloud took away.", preemptions, run),
        Metric("embedfleet_machines", "gauge", "Machines by place and state.",
               tuple(Sample(count, {**run, "place": place.place, "state": state.lower()})
                     for place in report.places for state, count in place.states.items())),
    )  # fmt: skip


def _workers(signs: tuple[HeartbeatSummary, ...], run: Mapping[str, str]) -> tuple[Metric, ...]:
    """Gauges by worker. A worker that was restarted has another name, so that no counter of it could fall."""
    figures: tuple[tuple[str, str, str], ...] = (
        ("embedfleet_worker_tokens_per_second", "Speed of a worker over about the last minute.", "tokens_per_second"),
        ("embedfleet_worker_waiting_ratio", "Share of a worker's time that its engine waits.", "waiting_share"),
        ("embedfleet_worker_heartbeat_age_seconds", "Time since a worker's last heartbeat.", "age_seconds"),
        ("embedfleet_worker_memory_bytes", "Memory of a worker.", "rss_bytes"),
        ("embedfleet_gpu_memory_used_bytes", "Memory in use on a worker's GPU.", "gpu_memory_used_bytes"),
        ("embedfleet_machine_memory_used_bytes", "Memory in use on a worker's machine.", "memory_used_bytes"),
        ("embedfleet_machine_load", "Processes of a worker's machine that run or wait for a core.", "load"),
    )  # fmt: skip
    found = [Metric(name, "gauge", text, tuple(_figures(signs, run, field))) for name, text, field in figures]
    busy = tuple(
        Sample(one.gpu_percent / 100, {**run, "worker": one.worker})
        for one in signs
        if one.gpu_percent is not None
    )
    return (*found, Metric("embedfleet_gpu_utilization_ratio", "gauge", "How busy a worker's GPU is.", busy))


def _figures(signs: tuple[HeartbeatSummary, ...], run: Mapping[str, str], field: str) -> list[Sample]:
    known = ((one, getattr(one, field)) for one in signs)
    return [Sample(float(value), {**run, "worker": one.worker}) for one, value in known if value is not None]


def _float(usd: Decimal | None) -> float | None:
    """A graph's number: money is exact in `status --json`."""
    return None if usd is None else float(usd)
