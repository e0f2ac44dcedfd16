"""The job's vector store beside a plan, in words."""

from launcher.reports.plans.store_costs import sink_lines
from tests.support import sample_plan


def sink_line(**totals: object) -> str:
    body = sample_plan.plan()
    body["totals"] |= totals
    usd = {"p10": "60", "p50": "81", "p90": "132"}
    sink = {
        "to": "postgresql://u@db/x?table=docs",
        "store": "pgvector",
        "index": "HNSW M=16, halfvec",
        "when": "end",
        "vectors": 10,
        "ram_bytes": 10,
        "disk_bytes": 20,
        "load_hours_low": 1.0,
        "load_hours_high": 2.0,
        "load_usd_low": "0.5",
        "load_usd_high": "1",
        "total_usd": usd,
        "usd_per_month": "30",
    }
    return sink_lines(sample_plan.saved(**body | {"sink": sink}))[0]


def test_all_that_is_known_of_embedding_and_loading_is_called_the_least() -> None:
    assert sink_line().startswith("$81 in all ($60 to $132: P10 to P90) with ")
    assert sink_line(unpriced={"egress": "317"}).startswith("at least $81 in all ($60 to $132: P10 to P90)")
