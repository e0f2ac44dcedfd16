"""Bill files in each layout that clouds document, with rows of our run and rows of others."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.cli.bill_files import read_bill
from launcher.costs.bills.cloud_bill import BadBill, BillLine

RUN = "reviews-0a1b2c3d"
EC2 = "Amazon Elastic Compute Cloud"
NOV2 = datetime(2026, 11, 2, 8, tzinfo=UTC)


def parquet(path: Path, rows: list[dict[str, Any]], schema: Any = None) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)  # pyright: ignore[reportUnknownMemberType]
    return path


def focus(cost: float, tags: Any, service: str = EC2, currency: str = "USD") -> dict[str, Any]:
    """The columns of FOCUS 1.0 that are not null in AWS's export, as far as they are read."""
    return {
        "BilledCost": cost, "BillingAccountId": "111122223333", "BillingCurrency": currency,
        "BillingPeriodStart": datetime(2026, 11, 1, tzinfo=UTC), "ChargeCategory": "Usage",
        "ChargePeriodStart": NOV2, "ChargePeriodEnd": NOV2.replace(hour=9), "EffectiveCost": cost,
        "ProviderName": "AWS", "RegionId": "us-east-1", "ServiceName": service, "Tags": tags,
    }  # fmt: skip


def test_focus_parquet_has_tags_in_a_map(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.string())
    rows = [focus(1.25, {"embedfleet-run": RUN}), focus(9.0, {"embedfleet-run": "other"}), focus(0.5, {})]
    schema = pa.schema([(name, kind if name == "Tags" else _type(rows[0][name])) for name in rows[0]])
    bill = read_bill(
        parquet(tmp_path / "f.parquet", [r | {"Tags": list(r["Tags"].items())} for r in rows], schema), RUN
    )
    assert (bill.layout, bill.rows, bill.rows_of_run) == ("FOCUS", 3, 1)
    assert bill.lines == (BillLine(date(2026, 11, 2), EC2, Decimal("1.25")),)


def _type(value: object) -> Any:
    if isinstance(value, datetime):
        return pa.timestamp("ms", tz="UTC")
    return pa.float64() if isinstance(value, float) else pa.string()


def test_focus_csv_has_tags_as_json(tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"
    tags = json.dumps({"embedfleet-run": RUN}).replace('"', '""')
    path.write_text(
        "BilledCost,BillingCurrency,ChargePeriodStart,ServiceName,Tags\n"
        f'0.1000000001,USD,2026-11-02T08:00:00Z,Compute Engine,"{tags}"\n'
        '7,USD,2026-11-02T08:00:00Z,Compute Engine,"{}"\n'
    )
    assert read_bill(path, RUN).lines == (
        BillLine(date(2026, 11, 2), "Compute Engine", Decimal("0.1000000001")),
    )


def test_cur_csv_has_a_column_per_tag(tmp_path: Path) -> None:
    path = tmp_path / "cur.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write(
            "identity/LineItemId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/UnblendedCost,"
            "lineItem/CurrencyCode,resourceTags/user:embedfleet-run\n"
            f"a,2026-11-02T23:00:00Z,AmazonEC2,0.32,USD,{RUN}\n"
            f"b,2026-11-03T00:00:00Z,AmazonS3,0.02,USD,{RUN}\n"
            "c,2026-11-03T00:00:00Z,AmazonEC2,55,USD,\n"
        )
    bill = read_bill(path, RUN)
    assert (bill.layout, bill.rows_of_run) == ("CUR", 2)
    assert [(line.day.day, line.service, line.usd) for line in bill.lines] == [
        (2, EC2, Decimal("0.32")),
        (3, "Amazon Simple Storage Service", Decimal("0.02")),
    ]


def test_cur_2_parquet_has_tags_in_a_map(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.string())
    schema = pa.schema(
        [
            ("line_item_usage_start_date", pa.timestamp("ms")),
            ("line_item_product_code", pa.string()),
            ("line_item_unblended_cost", pa.float64()),
            ("line_item_currency_code", pa.string()),
            ("resource_tags", kind),
        ]
    )
    row = {
        "line_item_usage_start_date": datetime(2026, 11, 2, 8),  # noqa: DTZ001 # as AWS writes them
        "line_item_product_code": "AmazonEC2",
        "line_item_unblended_cost": 2.5,
        "line_item_currency_code": "USD",
        "resource_tags": [("user_embedfleet-run", RUN)],
    }
    bill = read_bill(parquet(tmp_path / "cur2.parquet", [row], schema), RUN)
    assert (bill.layout, bill.lines) == ("CUR 2.0", (BillLine(date(2026, 11, 2), EC2, Decimal("2.5")),))


def test_gcp_credits_are_subtracted(tmp_path: Path) -> None:
    row = {
        "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
        "usage_start_time": NOV2,
        "labels": [{"key": "embedfleet-run", "value": RUN}, {"key": "team", "value": "x"}],
        "cost": 3.0,
        "currency": "USD",
        "credits": [{"name": "sustained use", "amount": -0.75}],
    }
    bill = read_bill(parquet(tmp_path / "gcp.parquet", [row, row | {"labels": []}]), RUN)
    assert (bill.layout, bill.rows) == ("GCP billing export", 2)
    assert bill.lines == (BillLine(date(2026, 11, 2), "Compute Engine", Decimal("2.25")),)


def test_gcp_csv_has_lists_as_json(tmp_path: Path) -> None:
    path = tmp_path / "gcp.csv"
    labels = json.dumps([{"key": "embedfleet-run", "value": RUN}]).replace('"', '""')
    path.write_text(
        "service.description,usage_start_time,cost,currency,labels,credits\n"
        f'Compute Engine,2026-11-02 08:00:00 UTC,1.5,USD,"{labels}",[]\n'
    )
    assert read_bill(path, RUN).lines == (BillLine(date(2026, 11, 2), "Compute Engine", Decimal("1.5")),)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read: it is empty"),
        (b"PAR1 and then nothing", "cannot be read"),
        (b"a,b,c\n1,2,3\n", "is not a bill of a known layout: its 3 columns are a, b, c"),
        (b"BilledCost,ChargePeriodStart,ServiceName\n1,2\n", "row 1: it has 2 cells, the header 3"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_invalid_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bill"
    path.write_bytes(content)
    with pytest.raises(BadBill, match=words) as caught:
        read_bill(path, RUN)
    assert "name a Parquet or CSV file" in caught.value.hint


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBill, match="no file"):
        read_bill(tmp_path / "absent.csv", RUN)


def cur_1(path: Path, currency: str) -> Path:
    """AWS's first CUR layout as Parquet with the column names of its CSV."""
    row = {
        "lineItem/UsageStartDate": NOV2,
        "lineItem/ProductCode": "AmazonEC2",
        "lineItem/UnblendedCost": 2.5,
        "lineItem/CurrencyCode": currency,
        "resourceTags/user:embedfleet-run": RUN,
    }
    return parquet(path, [row])


def test_cur_parquet_in_usd_is_read(tmp_path: Path) -> None:
    bill = read_bill(cur_1(tmp_path / "cur.parquet", "USD"), RUN)
    assert (bill.layout, bill.lines) == ("CUR", (BillLine(date(2026, 11, 2), EC2, Decimal("2.5")),))


def test_cur_parquet_in_another_currency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBill, match="row 1: it is in EUR"):
        read_bill(cur_1(tmp_path / "cur.parquet", "EUR"), RUN)


def test_gcp_parquet_with_a_flat_service_is_read(tmp_path: Path) -> None:
    row = {
        "service.description": "Compute Engine",
        "usage_start_time": NOV2,
        "labels": [{"key": "embedfleet-run", "value": RUN}],
        "cost": 3.0,
        "currency": "USD",
    }
    bill = read_bill(parquet(tmp_path / "gcp.parquet", [row]), RUN)
    assert bill.lines == (BillLine(date(2026, 11, 2), "Compute Engine", Decimal("3.0")),)


def focus_csv(rows: int) -> bytes:
    header = b"BilledCost,BillingCurrency,ChargePeriodStart,ServiceName,Tags\n"
    noise = "".join(f"{n * 7919 % 104729},USD,2026-11-02,EC2,{n * 104729 % 7919}\n" for n in range(rows))
    return header + noise.encode()


BREAKS_OFF = r"it breaks off after [\d,]+ rows: \S"


def test_gzip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv.gz"
    whole = gzip.compress(focus_csv(20_000))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadBill, match=BREAKS_OFF):
        read_bill(path, RUN)


def test_gzip_with_damaged_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv.gz"
    whole = gzip.compress(focus_csv(3))
    path.write_bytes(whole[:10] + b"\xff" + whole[11:])  # deflate has no block of this type
    with pytest.raises(BadBill, match=r"cannot be read: .*invalid block type"):
        read_bill(path, RUN)


@pytest.mark.parametrize(
    "end", [b'1,USD,2026-11-02,"EC2', b'1,USD,2026-11-02,"EC2"x,y\n', b"1,USD,\xff,EC2,\n"]
)
def test_csv_with_a_broken_last_row_is_refused(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(focus_csv(20_000) + end)
    with pytest.raises(BadBill, match=BREAKS_OFF):
        read_bill(path, RUN)


def test_parquet_with_damaged_pages_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "f.parquet", [focus(float(n), "{}") for n in range(5_000)])
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 2_000 + whole[2_004:])
    with pytest.raises(BadBill, match=BREAKS_OFF):
        read_bill(path, RUN)


def test_parquet_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "f.parquet", [focus(1.0, "{}")])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadBill, match="cannot be read: "):
        read_bill(path, RUN)


def test_parquet_with_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    text = pa.array([b"\xff"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"BilledCost": [1.0], "ChargePeriodStart": [NOV2], "ServiceName": text}), path)  # pyright: ignore[reportUnknownMemberType]
    with pytest.raises(BadBill, match=BREAKS_OFF):
        read_bill(path, RUN)


def test_a_fault_of_the_program_is_not_taken_for_a_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AttributeError("a fault of the program")

    monkeypatch.setattr("launcher.costs.bills.cloud_bill._bill_line", fail)
    with pytest.raises(AttributeError):
        read_bill(cur_1(tmp_path / "cur.parquet", "USD"), RUN)
