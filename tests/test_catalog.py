import csv
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest

from pricing.catalog import COLUMNS, BadBookError, load, quotes, read
from pricing.gpu import canonical
from pricing.offer import FLAGS

SNAPSHOT = files("pricing").joinpath("snapshot", "offers.csv")
HEADER = ",".join(COLUMNS)
GOOD = "gcp,us-central1,,g2-standard-8,L4,1,8,32,0.755,0.297,2026-07-30,a test,"


def book(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "book.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_the_snapshot_passes_the_gate_whole() -> None:
    offers, rejected = read(SNAPSHOT)
    assert rejected == ()
    assert offers == load()


def test_the_snapshot_covers_the_clouds_that_rent_gpus() -> None:
    assert {o.cloud for o in load()} == {
        *("aws", "azure", "do", "gcp", "hyperstack", "lambda", "nebius", "runpod", "vast")
    }


def test_the_snapshot_holds_the_gpus_a_job_is_likely_to_name() -> None:
    assert {"T4", "L4", "A10G", "L40S", "A100-40GB", "A100-80GB", "H100", "H200", "B200"} <= {
        o.gpu for o in load()
    }


def test_every_offer_of_the_snapshot_has_a_name_of_its_own() -> None:
    assert len({o.key for o in load()}) == len(load())


def test_every_offer_of_the_snapshot_is_dated_and_sourced() -> None:
    assert all(o.as_of.year == 2026 and o.source for o in load())


def test_every_flag_in_the_snapshot_is_explained() -> None:
    assert {f for o in load() for f in o.flags} <= FLAGS.keys()


def test_no_spot_offer_of_the_snapshot_is_azures_placeholder() -> None:
    placeholders = [
        q
        for q in quotes(SNAPSHOT)
        if q.cloud == "azure"
        and q.spot
        and q.on_demand
        and round(q.spot / q.on_demand, 4) == Decimal("0.1848")
    ]
    assert placeholders == []


def test_an_aws_zone_is_flagged_as_the_id_it_is() -> None:
    zoned = [o for o in load() if o.cloud == "aws" and o.zone]
    assert zoned
    assert all("zone_id" in o.flags for o in zoned)


def test_azures_small_h100_machines_hold_the_nvl_card() -> None:
    found = {o.gpu for o in load() if o.instance_type == "Standard_NC40ads_H100_v5"}
    assert found == {"H100-NVL"}


def test_what_the_snapshot_refused_is_kept_with_reasons() -> None:
    rows = list(
        csv.DictReader(
            files("pricing").joinpath("snapshot", "rejected.csv").read_text(encoding="utf-8").splitlines()
        )
    )
    assert len(rows) == 604
    assert all(r["reason"] for r in rows)
    assert sum("placeholder" in r["reason"] for r in rows) == 382


def test_nothing_refused_is_offered() -> None:
    text = files("pricing").joinpath("snapshot", "rejected.csv").read_text(encoding="utf-8")
    refused = {
        f"{r['cloud']}/{r['zone'] or r['region']}/{r['instance_type']}/spot"
        for r in csv.DictReader(text.splitlines())
        if r["purchase"] == "spot" and not r["instance_type"].startswith("n1-")
    }
    assert refused.isdisjoint(o.key for o in load())


def test_a_book_of_ones_own_is_read_in_the_same_schema(tmp_path: Path) -> None:
    offers = load(book(tmp_path, GOOD))
    assert [(o.key, o.usd_per_hour) for o in offers] == [
        ("gcp/us-central1/g2-standard-8/on-demand", Decimal("0.755")),
        ("gcp/us-central1/g2-standard-8/spot", Decimal("0.297")),
    ]


def test_empty_is_unknown_and_not_zero(tmp_path: Path) -> None:
    [offer] = load(book(tmp_path, "aws,us-east-1,,g6.xlarge,L4,1,,,0.8048,,2026-06-29,a test,"))
    assert (offer.vcpus, offer.memory_gb, offer.zone) == (None, None, None)


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    header = ",".join(reversed(COLUMNS))
    row = ",".join(reversed(GOOD.split(",")))
    assert load(book(tmp_path, row, header=header)) == load(book(tmp_path, GOOD))


def test_a_book_without_a_column_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadBookError, match="no column 'as_of'"):
        load(book(tmp_path, GOOD, header=HEADER.replace("as_of", "date")))


def test_every_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = book(
        tmp_path, GOOD, GOOD.replace("0.297", "cheap"), GOOD.replace("2026-07-30", "today"), "short,row"
    )
    with pytest.raises(BadBookError) as refusal:
        load(path)
    assert [m.split(" cannot")[0] for m in refusal.value.mistakes] == ["line 3", "line 4", "line 5"]


def test_a_book_with_a_negative_price_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBookError, match=r"g2-standard-8 \(on-demand\): the price -0\.755 is not above 0"):
        load(book(tmp_path, GOOD.replace("0.755", "-0.755")))


def test_an_empty_book_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBookError, match="holds no offer"):
        load(book(tmp_path))


def test_a_book_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBookError, match=r"none\.csv"):
        load(tmp_path / "none.csv")


def test_the_gpus_of_the_snapshot_are_written_canonically() -> None:
    assert all(canonical(q.gpu) == q.gpu for q in quotes(SNAPSHOT))
