"""The JSON of `status --json`: order of keys, money as text, unknown as null."""

from datetime import UTC, datetime
from decimal import Decimal

from launcher.documents.status import PlaceCount, ProjectedUsd, StatusReport, to_json

REPORT = StatusReport(
    run="r1", state="RUNNING", at=datetime(2026, 3, 1, 12, tzinfo=UTC), shards=10, shards_done=4, shards_failed=0,
    documents=40, chunks=80, tokens=1_000, tokens_expected=None, failed_rows=0, output_bytes=5, seconds=1.5,
    tokens_per_second=None, seconds_left=None, usd=Decimal("0E-12"), workers=(), usd_known=Decimal("0.000000500000"),
    usd_committed=Decimal(0), usd_per_hour=None, usd_projected=ProjectedUsd(Decimal("1.00"), Decimal(2), Decimal(3)),
    budget=None, preemptions=0, places=(PlaceCount("aws/us-east-1", {"UP": 2}),), stages={}, slowest=None, advice=(),
    signs=(),
)  # fmt: skip


def test_keys_have_the_order_of_schema_1() -> None:
    assert list(to_json(REPORT)) == [
        "schema", "run", "state", "at", "shards", "shards_done", "shards_failed", "documents", "chunks", "tokens",
        "tokens_expected", "failed_rows", "output_bytes", "seconds", "tokens_per_second", "seconds_left", "usd",
        "workers", "usd_known", "usd_committed", "usd_per_hour", "usd_projected", "budget", "preemptions", "places",
        "stages", "slowest", "advice", "signs", "unreadable", "truncation",
        "usd_per_million_tokens", "tokens_open", "share", "course", "load",
        "launcher_known", "pilot",
    ]  # fmt: skip


def test_money_is_text_in_full_and_unknown_is_null() -> None:
    body = to_json(REPORT)
    assert body["usd_known"] == "0.0000005"
    assert body["usd_projected"] == {"p10": "1", "p50": "2", "p90": "3"}
    assert (body["usd_per_hour"], body["budget"]) == (None, None)


def test_times_and_places_are_plain_json() -> None:
    body = to_json(REPORT)
    assert (body["schema"], body["at"]) == ("embedfleet/status/1", "2026-03-01T12:00:00+00:00")
    assert body["places"] == [{"place": "aws/us-east-1", "states": {"UP": 2}}]
