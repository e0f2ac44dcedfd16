"""Receipts: the ledger reads what the worker wrote."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.protocol.receipt import MAX_FAULT, SCHEMA, Receipt, dump, load

counts = st.integers(0, 2**60)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/."), min_size=1, max_size=30
)
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
receipts = st.builds(
    Receipt,
    run=names,
    shard=names,
    position=counts,
    worker=names,
    generation=counts,
    nonce=words,
    key=names.map(lambda name: f"data/{name}.parquet"),
    digest=words,
    output_bytes=counts,
    input_bytes=counts,
    documents=counts,
    chunks=counts,
    tokens=counts,
    tokens_cut=counts,
    failed_rows=counts,
    quarantine=st.none() | names.map(lambda name: f"_embedfleet/{name}/quarantine/00000/{name}.jsonl"),
    started=moments,
    finished=moments,
    stages=st.dictionaries(words, st.integers(0, 10**9).map(lambda n: n / 10_000), max_size=4),
)


def receipt(**changes: Any) -> Receipt:
    fields: dict[str, Any] = {
        "run": "reviews",
        "shard": "0123456789abcdef",
        "position": 7,
        "worker": "ann",
        "generation": 1,
        "nonce": "n",
        "key": "data/0123456789abcdef-n.parquet",
        "digest": "d",
        "output_bytes": 1,
        "input_bytes": 2,
        "documents": 3,
        "chunks": 4,
        "tokens": 5,
        "tokens_cut": 6,
        "failed_rows": 0,
        "quarantine": None,
        "started": datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC),
        "finished": datetime(2026, 3, 1, 12, 0, 1, 500_000, tzinfo=UTC),
        "stages": {"engine": 1.23456789},
    }
    return Receipt(**fields | changes)


@given(receipts)
def test_a_receipt_comes_back_from_its_bytes(one: Receipt) -> None:
    assert load(dump(one)) == one


def test_a_receipt_knows_its_seconds() -> None:
    assert receipt().seconds == 1.5


def test_stages_are_written_to_a_tenth_of_a_millisecond() -> None:
    assert load(dump(receipt())).stages == {"engine": 1.2346}


def test_times_keep_their_moment_whatever_their_zone() -> None:
    moment = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert load(dump(receipt(started=moment))).started == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_receipt_begins_with_its_schema() -> None:
    assert next(iter(json.loads(dump(receipt())).items())) == ("schema", SCHEMA)


def test_more_retries_than_names_can_hold_are_refused() -> None:
    """The next retry of such a shard would be marked under a name that no worker reads."""
    body = dump(receipt(retry=1))
    assert load(body).retry == 1
    with pytest.raises(ValueError, match="999998"):
        load(body.replace(b'"retry": 1', b'"retry": 999999'))


def test_a_fault_of_any_length_is_cut() -> None:
    assert load(dump(receipt(fault="x" * 1_000_000))).fault == "x" * MAX_FAULT


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"schema": "embedfleet/receipt/0"}', b"\xff"])
def test_what_is_not_a_receipt_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        load(body)
