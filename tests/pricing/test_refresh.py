import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing.book import book_versions, price_book
from pricing.offer import Offer, Quote, as_quote
from pricing.refresh import refresh
from pricing.sources.result import FetchedPrices, SourceUnavailable

NOW = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
LIST_PRICE, SPOT_PRICE = "gcp/us-central1/g2-standard-8/on-demand", "gcp/us-central1/g2-standard-8/spot"
L4 = Quote(
    cloud="gcp",
    region="us-central1",
    zone=None,
    instance_type="g2-standard-8",
    gpu="NVIDIA L4",
    gpus=1.0,
    vcpus=8,
    memory_gb=32.0,
    on_demand=Decimal("0.86"),
    spot=Decimal("0.35"),
    as_of=NOW.date(),
    source="a test",
)
G6 = replace(
    L4,
    cloud="aws",
    region="us-east-1",
    zone="us-east-1a",
    instance_type="g6.xlarge",
    on_demand=Decimal("0.8048"),
    spot=Decimal("0.33"),
)

Source = Callable[[], FetchedPrices]


def says(*quotes: Quote, offerings: frozenset[tuple[str, str]] | None = None) -> Source:
    return lambda: FetchedPrices(quotes, offerings, ())


def silent() -> FetchedPrices:
    raise SourceUnavailable("no credentials", "log in")


def prices(offers: tuple[Offer, ...]) -> dict[str, Decimal]:
    return {o.key: o.usd_per_hour for o in offers}


def reasons(path: Path | None) -> list[str]:
    assert path
    with path.with_suffix(book_versions.REJECTED).open(encoding="utf-8") as rejected:
        return [row["reason"] for row in csv.DictReader(rejected)]


def test_new_prices_are_in_the_book_and_others_unchanged(tmp_path: Path) -> None:
    refresh(tmp_path, {"gcp": says(L4)}, NOW)
    now, before = prices(book_versions.current_offers(tmp_path)), prices(price_book.load())
    assert now.keys() == before.keys()
    assert {k for k in now if now[k] != before[k]} == {LIST_PRICE, SPOT_PRICE}
    assert now[SPOT_PRICE] == Decimal("0.35")


def test_returned_book_is_the_current_one(tmp_path: Path) -> None:
    done = refresh(tmp_path, {"gcp": says(L4)}, NOW)
    found = book_versions.find_current(tmp_path)
    assert found.path == done.path
    assert set(found.offers) == set(done.offers)


def test_failed_source_is_reported_with_its_reason(tmp_path: Path) -> None:
    done = refresh(tmp_path, {"aws": silent, "gcp": says(L4)}, NOW)
    assert [(s.name, s.reason, s.hint) for s in done.failures] == [("aws", "no credentials", "log in")]
    assert [a.name for a in done.results] == ["gcp"]


def test_nothing_is_written_if_all_sources_fail(tmp_path: Path) -> None:
    folder = tmp_path / "prices"
    done = refresh(folder, {"aws": silent}, NOW)
    assert done.path is None
    assert not folder.exists()


def test_book_is_unchanged_if_no_price_is_plausible(tmp_path: Path) -> None:
    refresh(tmp_path, {"gcp": says(L4)}, NOW)
    done = refresh(tmp_path, {"gcp": says(replace(L4, gpu="?"))}, NOW + timedelta(hours=1))
    assert done.path is None
    assert "none of its 1 rows" in done.failures[0].reason
    assert prices(book_versions.current_offers(tmp_path))[SPOT_PRICE] == Decimal("0.35")


def test_rejected_prices_are_listed_next_to_the_book(tmp_path: Path) -> None:
    done = refresh(tmp_path, {"gcp": says(replace(L4, spot=Decimal(1)))}, NOW)
    assert "spot 1 is above on-demand 0.86" in reasons(done.path)


def test_old_spot_price_above_the_new_list_price_is_removed(tmp_path: Path) -> None:
    cut = replace(G6, zone=None, on_demand=Decimal("0.20"), spot=None)
    done = refresh(tmp_path, {"aws": says(cut)}, NOW)
    assert "aws/use1-az1/g6.xlarge/spot" in prices(price_book.load())
    assert "aws/use1-az1/g6.xlarge/spot" not in prices(done.offers)
    assert any(reason.endswith("is above on-demand 0.20") for reason in reasons(done.path))
    assert set(book_versions.current_offers(tmp_path)) == set(done.offers)


def test_later_source_wins_on_the_same_day(tmp_path: Path) -> None:
    other = replace(L4, spot=Decimal("0.36"))
    done = refresh(tmp_path, {"skypilot": says(other), "gcp": says(L4)}, NOW)
    assert prices(done.offers)[SPOT_PRICE] == Decimal("0.35")


def test_named_zones_replace_zone_ids_of_the_snapshot(tmp_path: Path) -> None:
    done = refresh(tmp_path, {"aws": says(G6)}, NOW)
    zones = {o.zone for o in done.offers if o.spot and (o.region, o.machine) == ("us-east-1", "g6.xlarge")}
    assert zones == {"us-east-1a"}


def test_region_without_the_type_is_rejected(tmp_path: Path) -> None:
    nowhere = replace(L4, region="us-west9")
    there = frozenset({("g2-standard-8", "us-central1")})
    done = refresh(tmp_path, {"gcp": says(L4, nowhere, offerings=there)}, NOW)
    assert not [o for o in done.offers if o.region == "us-west9"]
    assert "g2-standard-8 is priced, but not offered, in us-west9" in reasons(done.path)


def test_type_that_left_its_region_is_removed(tmp_path: Path) -> None:
    moved = replace(L4, region="us-east4")
    there = frozenset({("g2-standard-8", "us-east4"), ("g2-standard-4", "us-central1")})
    done = refresh(tmp_path, {"gcp": says(moved, offerings=there)}, NOW)
    assert LIST_PRICE not in prices(done.offers)
    assert "no longer offered there, says gcp" in reasons(done.path)


def test_gcp_price_list_adds_no_region_to_a_known_type(tmp_path: Path) -> None:
    flagged = replace(L4, region="us-west9", flags=("region_unverified",))
    known = replace(L4, flags=("region_unverified",))
    done = refresh(tmp_path, {"gcp": says(flagged, known)}, NOW)
    assert not [o for o in done.offers if o.region == "us-west9"]
    assert {o.flags for o in done.offers if o.key in (LIST_PRICE, SPOT_PRICE)} == {()}


def test_new_type_is_kept_with_its_flag(tmp_path: Path) -> None:
    novel = replace(L4, instance_type="g9-standard-8", flags=("region_unverified",))
    done = refresh(tmp_path, {"gcp": says(novel)}, NOW)
    assert {o.flags for o in done.offers if o.instance_type == "g9-standard-8"} == {("region_unverified",)}


def test_price_jump_is_flagged_and_reported(tmp_path: Path) -> None:
    done = refresh(tmp_path, {"gcp": says(replace(L4, spot=Decimal("0.80")))}, NOW)
    assert done.results[0].jumps == (SPOT_PRICE,)
    assert [o.flags for o in book_versions.current_offers(tmp_path) if o.key == SPOT_PRICE] == [("jump",)]


def test_missing_expected_gpus_are_reported(tmp_path: Path) -> None:
    [answer] = refresh(tmp_path, {"gcp": says(L4)}, NOW).results
    assert ("gcp", "T4") in answer.absent
    assert {cloud for cloud, _ in answer.absent} == {"gcp"}


def test_new_and_changed_prices_are_counted(tmp_path: Path) -> None:
    novel = replace(L4, instance_type="g9-standard-8")
    [answer] = refresh(tmp_path, {"gcp": says(L4, novel)}, NOW).results
    assert (answer.offers, answer.new, answer.changed) == (4, 2, 2)


def test_price_from_the_future_is_rejected(tmp_path: Path) -> None:
    done = refresh(tmp_path, {"gcp": says(L4, replace(L4, as_of=date(2027, 1, 1)))}, NOW)
    assert "dated 2027-01-01, after today" in reasons(done.path)


def test_concurrent_refreshes_are_both_applied(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(refresh, tmp_path, {name: says(q)}, NOW) for name, q in (("gcp", L4), ("aws", G6))
        ]
    assert all(a.result().path for a in asked)
    now = prices(book_versions.current_offers(tmp_path))
    assert now[SPOT_PRICE] == Decimal("0.35")
    assert now["aws/us-east-1a/g6.xlarge/spot"] == Decimal("0.33")


def test_same_prices_make_the_same_book(tmp_path: Path) -> None:
    first, second = (refresh(tmp_path / name, {"gcp": says(L4), "aws": says(G6)}, NOW).path for name in "ab")
    assert first
    assert second
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_unwritable_folder_raises_os_error(tmp_path: Path) -> None:
    (tmp_path / "prices").write_text("a file", encoding="utf-8")
    with pytest.raises(OSError, match="prices"):
        refresh(tmp_path / "prices", {"gcp": says(L4)}, NOW)


def test_changes_of_the_book_are_told_by_cloud(tmp_path: Path) -> None:
    done = refresh(tmp_path, {"gcp": says(L4)}, NOW)
    found = {(c.cloud, c.purchase): c for c in done.changes}
    listed, spot = found["gcp", "on-demand"], found["gcp", "spot"]
    assert (listed.dearer + listed.cheaper, spot.dearer + spot.cheaper) == (1, 1)
    assert found["azure", "on-demand"].not_read == sum(
        o.cloud == "azure" and not o.spot for o in price_book.load()
    )


def test_spot_price_that_stands_still_beside_moving_neighbours_is_flagged(tmp_path: Path) -> None:
    """The snapshot is months old: a fresh quote of the same price is compared with it."""
    old = [
        o for o in price_book.load() if (o.cloud, o.gpu, o.spot) == ("aws", "L4", True) and not o.flags[2:]
    ]
    offers = [o for o in old if o.instance_type == "g6.xlarge"][:6]
    assert len(offers) == 6
    rows = [
        replace(
            as_quote(offer),
            as_of=NOW.date(),
            spot=offer.usd_per_hour * (1 if place == 0 else Decimal("1.2")),
            flags=("zone_id",),
        )
        for place, offer in enumerate(offers)
    ]
    done = refresh(tmp_path, {"skypilot": says(*rows)}, NOW)
    assert [o.key for o in done.offers if "unmoved" in o.flags] == [offers[0].key]
