import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.book.validate import validate_quotes
from pricing.gpu import canonical
from pricing.offer import FLAGS, Quote
from pricing.sources import skypilot
from pricing.sources.http import HttpRefused
from pricing.sources.result import FetchedPrices, SourceUnavailable
from pricing.sources.skypilot import MIRROR, PUBLISHED, parse_catalog
from pricing.sources.skypilot_rows import UnreadableCatalogError
from tests.support.recorded_http import PRICES, Recorded, body

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CATALOGS = PRICES / "skypilot"


def published(url: str, _: Mapping[str, str]) -> bytes:
    path = CATALOGS / url.removeprefix(PUBLISHED).removeprefix(MIRROR).strip("/")
    if not path.exists():
        raise HttpRefused(404, f"{url} answered 404", "check the address")
    return path.read_bytes()


def no_network(_: str, __: Mapping[str, str]) -> bytes:
    raise SourceUnavailable("no connection to GitHub", "check the network")


def read(cloud: str, version: str = "v8") -> list[Quote]:
    return parse_catalog(cloud, body(f"skypilot/{version}/{cloud}/vms.csv").decode(), NOW.date(), "a test")[0]


def notes(cloud: str) -> list[str]:
    return parse_catalog(cloud, body(f"skypilot/v8/{cloud}/vms.csv").decode(), NOW.date(), "a test")[1]


def one(quotes: list[Quote], **wanted: object) -> Quote:
    (found,) = [q for q in quotes if all(getattr(q, k) == v for k, v in wanted.items())]
    return found


@pytest.fixture
def everything(tmp_path: Path) -> FetchedPrices:
    return skypilot.fetch(NOW, Recorded(published), tmp_path)


def test_aws_prices_are_exact() -> None:
    quote = one(read("aws"), instance_type="g6.xlarge", zone="use1-az1")
    assert (quote.on_demand, quote.spot) == (Decimal("0.8048"), Decimal("0.352700"))
    assert (quote.gpu, quote.gpus, quote.vcpus, quote.memory_gb) == ("L4", 1.0, 4, 16.0)


def test_aws_zone_ids_are_flagged() -> None:
    assert all(q.flags == ("zone_id",) for q in read("aws"))


def test_empty_spot_price_is_unknown() -> None:
    assert one(read("aws"), instance_type="g6.xlarge", zone="use1-az2").spot is None


def test_fraction_of_a_gpu_is_a_fraction() -> None:
    assert one(read("aws"), instance_type="g6f.large").gpus == 0.125
    assert one(read("azure"), instance_type="Standard_NV6ads_A10_v5").gpus == 0.167


def test_machine_without_gpu_is_no_quote() -> None:
    assert not [q for q in read("aws") if q.instance_type == "c3.xlarge"]
    assert not [q for q in read("azure") if q.instance_type == "Standard_M64s"]


def test_gcp_price_is_gpu_plus_host() -> None:
    quote = one(read("gcp"), instance_type="g2-standard-4")
    assert quote.on_demand == Decimal("0.56004") + Decimal("0.14676")
    assert quote.spot == Decimal("0.2231") + Decimal("0.05869")
    assert (quote.gpu, quote.vcpus, quote.memory_gb, quote.zone) == ("L4", 4, 16.0, "us-central1-a")


def test_gpu_is_joined_with_every_host_of_its_zone() -> None:
    zone = [q.instance_type for q in read("gcp") if q.gpu == "L4" and q.zone == "us-central1-a"]
    assert zone == ["g2-standard-4", "g2-standard-8"]


def test_n1_gpu_is_joined_with_the_small_host() -> None:
    assert one(read("gcp"), gpu="T4").on_demand == Decimal("0.35") + Decimal("0.19")


def test_a4_host_is_free() -> None:
    assert one(read("gcp"), instance_type="a4-highgpu-8g").on_demand == Decimal("128.88")


def test_a3_mega_gpus_are_joined_with_a3_mega_alone() -> None:
    quote = one(read("gcp"), instance_type="a3-megagpu-8g")
    assert (quote.gpu, quote.on_demand) == ("H100-MEGA", Decimal("82.75421") + Decimal("9.46006"))


def test_gpu_without_a_host_is_counted_and_left_out() -> None:
    assert not [q for q in read("gcp") if q.region == "us-east4" and q.gpu == "L4"]
    assert "gcp: GPU rows without a machine to carry them left out: 1 of L4." in notes("gcp")


def test_reservation_price_is_removed_and_spot_price_kept() -> None:
    quote = one(read("gcp"), instance_type="a3-highgpu-8g", region="us-central1")
    assert quote.on_demand is None
    assert quote.spot == Decimal("23.9408") + Decimal("2.88933")
    assert any("(DWS) costs" in note and note.endswith(": 2 of H100.") for note in notes("gcp"))


@pytest.mark.parametrize("price", ["64.44", "90.216"])
def test_reservation_in_every_region_is_found_by_its_bound(price: str) -> None:
    text = body("skypilot/v8/gcp/vms.csv").decode().replace("128.88", price)
    quotes, _ = parse_catalog("gcp", text, NOW.date(), "a test")
    quote = one(quotes, instance_type="a4-highgpu-8g")
    assert (quote.on_demand, quote.spot) == (None, Decimal("39.6336"))


def test_expensive_region_makes_no_reservation() -> None:
    for region in ("us-east4", "europe-west4"):
        assert one(read("gcp"), instance_type="a3-highgpu-8g", region=region).on_demand is not None
    assert one(read("gcp"), instance_type="g2-standard-8", region="us-west4").on_demand is not None


def test_tpus_are_counted_and_left_out() -> None:
    assert "gcp: 1 TPU rows left out." in notes("gcp")


def test_azure_gpu_count_is_corrected() -> None:
    assert one(read("azure"), instance_type="Standard_ND96isr_H100_v5").gpus == 8


def test_azure_h100_variant_is_that_of_the_instance_type() -> None:
    quote = one(read("azure"), instance_type="Standard_NC40ads_H100_v5")
    assert (quote.gpu, "gpu_by_instance_type" in quote.flags) == ("H100-NVL", True)


def test_type_without_gpu_has_that_of_the_table() -> None:
    assert one(read("azure"), instance_type="Standard_NC8ads_A10_v4").gpu == "A10"


def test_price_of_zero_is_unknown_and_counted() -> None:
    quote = one(read("azure"), instance_type="Standard_NC80adis_H100_v5")
    assert (quote.on_demand, quote.spot) == (None, None)
    assert "azure: 2 prices of 0 are read as unknown." in notes("azure")


def test_memory_determines_the_gpu_variant() -> None:
    gpus = {q.instance_type: q.gpu for q in [*read("vast"), *read("lambda")]}
    assert gpus == {
        "1x-H100_NVL-32-65536": "H100-NVL",
        "2x-A100_SXM4-32-65536": "A100-40GB",  # 81920 MiB of two
        "1x-A100_PCIE-32-65536": "A100-80GB",
        "gpu_8x_v100": "V100",  # 16384 MiB of one
        "gpu_1x_h100_pcie": "H100-PCIe",
    }


def test_market_gpu_without_memory_is_flagged() -> None:
    head = "InstanceType,AcceleratorName,AcceleratorCount,Price,Region\n"
    (quote,), _ = parse_catalog("vast", head + "1x-A100,A100,1,0.9,US\n", NOW.date(), "a test")
    assert (quote.gpu, quote.flags) == ("A100", ("gpu_variant_unsure",))


@pytest.mark.parametrize("cloud", ["lambda", "runpod"])
def test_cloud_that_lists_all_types_in_all_regions_is_flagged(cloud: str) -> None:
    assert all("region_unverified" in q.flags for q in read(cloud))


@pytest.mark.parametrize(("cloud", "version"), [("hyperstack", "v8"), ("azure", "v8"), ("do", "v6")])
def test_hand_edited_catalog_is_undated(cloud: str, version: str) -> None:
    assert all("as_of_unknown" in q.flags for q in read(cloud, version))


@given(st.permutations(body("skypilot/v8/nebius/vms.csv").decode().split("\n", 1)[0].split(",")))
def test_order_of_columns_does_not_matter(order: list[str]) -> None:
    header = body("skypilot/v8/nebius/vms.csv").decode().split("\n", 1)[0].split(",")
    cells = ["gpu-l40s", "L40S", "1", "8", "32", "1.5484", "eu-north1", "L40S", "0.7"]
    line = dict(zip(header, cells, strict=True))
    text = ",".join(order) + "\n" + ",".join(line[name] for name in order) + "\n"
    (quote,), _ = parse_catalog("nebius", text, NOW.date(), "a test")
    assert (quote.instance_type, quote.gpu, quote.on_demand, quote.spot) == (
        "gpu-l40s",
        "L40S",
        Decimal("1.5484"),
        Decimal("0.7"),
    )


def test_optional_columns_may_be_missing() -> None:
    text = "Price,Region,InstanceType,AcceleratorName,AcceleratorCount\n1.5,eu,gpu-l40s,L40S,1\n"
    (quote,), said = parse_catalog("nebius", text, NOW.date(), "a test")
    assert (quote.spot, quote.zone, quote.vcpus, quote.memory_gb, said) == (None, None, None, None, [])


def test_missing_required_column_is_named() -> None:
    with pytest.raises(UnreadableCatalogError, match="no column Price"):
        parse_catalog(
            "nebius", "InstanceType,AcceleratorName,AcceleratorCount,Region\n", NOW.date(), "a test"
        )


def test_unreadable_line_is_counted_and_the_rest_kept() -> None:
    text = (
        "InstanceType,AcceleratorName,AcceleratorCount,Price,Region\na,L4,1,much,eu\n\nb,L4,1,0.9,eu\nc,L4\n"
    )
    quotes, said = parse_catalog("nebius", text, NOW.date(), "a test")
    assert [q.instance_type for q in quotes] == ["b"]
    assert said == ["nebius: 2 lines cannot be read, the first is line 2."]


def test_older_version_is_read_if_the_new_one_lacks_the_cloud(
    everything: FetchedPrices,
) -> None:
    assert {q.cloud for q in everything.quotes} == set(skypilot.CLOUDS)
    assert {q.source for q in everything.quotes if q.cloud == "do"} == {"SkyPilot catalog v6/do, published"}


def test_every_flag_is_known(everything: FetchedPrices) -> None:
    assert {f for q in everything.quotes for f in q.flags} <= set(FLAGS)


def test_offerings_are_those_of_generated_catalogs(everything: FetchedPrices) -> None:
    assert everything.offerings is not None
    assert ("g2-standard-8", "us-west4") in everything.offerings
    assert not [t for t, _ in everything.offerings if t.startswith(("gpu_", "1x_"))]


def test_least_bid_of_an_auction_is_no_price() -> None:
    (quote,) = read("mithril")
    assert (quote.on_demand, quote.spot) == (None, Decimal(1))
    assert "floor" in quote.flags


def test_resellers_bare_h100_is_taken_for_the_slower_form() -> None:
    plain, sxm = read("shadeform")
    assert (plain.gpu, "gpu_variant_unsure" in plain.flags) == ("H100-PCIe", True)
    assert (sxm.gpu, "gpu_variant_unsure" in sxm.flags) == ("H100", False)


def test_a100_without_its_memory_in_the_name_is_told_by_it() -> None:
    assert [one(read(cloud), gpu="A100-80GB").gpus for cloud in ("cudo", "seeweb")] == [1, 1]
    assert one(read("oci"), instance_type="BM.GPU4.8").gpu == "A100-40GB"


def test_row_without_a_region_is_rejected() -> None:
    _, rejected = validate_quotes(read("seeweb"), canonical)
    assert {r.reason for r in rejected} == {"no cloud, region or instance type"}


def test_validation_accepts_and_rejects_as_expected(everything: FetchedPrices) -> None:
    offers, rejected = validate_quotes(everything.quotes, canonical)
    assert {o.cloud for o in offers} == set(skypilot.CLOUDS)
    reasons = {(r.quote.instance_type, r.reason) for r in rejected}
    assert ("g5g.2xlarge", "no facts about GPU 'T4g'") in reasons
    assert (
        "1x_A100-80GB_SECURE",
        "spot equals on-demand: no spare capacity, or copied, but no offer",
    ) in reasons


def test_fresh_local_copy_is_read_without_network(tmp_path: Path) -> None:
    home = copied(tmp_path, NOW - timedelta(hours=1))
    http = Recorded(no_network)
    fetched = skypilot.fetch(NOW, http, home)
    assert not http.asked
    assert one(list(fetched.quotes), gpu="L40S").source == "SkyPilot catalog v8/nebius, this machine's copy"


def test_published_catalog_replaces_an_old_copy(tmp_path: Path) -> None:
    fetched = skypilot.fetch(NOW, Recorded(published), copied(tmp_path, NOW - timedelta(days=3)))
    assert one(list(fetched.quotes), gpu="L40S").as_of == NOW.date()


def test_old_copy_is_read_without_network_after_one_attempt(
    tmp_path: Path,
) -> None:
    http = Recorded(no_network)
    fetched = skypilot.fetch(NOW, http, copied(tmp_path, NOW - timedelta(days=3)))
    assert one(list(fetched.quotes), gpu="L40S").as_of == (NOW - timedelta(days=3)).date()
    assert "nebius: SkyPilot's copy of 2026-11-20, as no connection to GitHub." in fetched.notes
    assert len(http.asked) == 1


def test_clouds_without_a_catalog_are_one_note_with_the_reason(tmp_path: Path) -> None:
    copytree(CATALOGS / "v8" / "nebius", tmp_path / ".sky" / "catalogs" / "v8" / "nebius")
    fetched = skypilot.fetch(NOW, Recorded(no_network), tmp_path / ".sky" / "catalogs")
    (unread,) = [note for note in fetched.notes if note.endswith(": no connection to GitHub.")]
    assert {"aws", "gcp", "lambda"} <= set(unread.partition(":")[0].split(", "))
    assert "nebius" not in unread


def test_touched_copy_is_as_old_as_its_digest(tmp_path: Path) -> None:
    home = copied(tmp_path, NOW)
    digest = home / "v8" / ".meta" / "nebius" / "vms.csv.md5"
    digest.parent.mkdir(parents=True)
    digest.write_text("d41d8cd98f00b204e9800998ecf8427e")
    stamp(digest, NOW - timedelta(days=20))
    fetched = skypilot.fetch(NOW, Recorded(no_network), home)
    assert one(list(fetched.quotes), gpu="L40S").as_of == (NOW - timedelta(days=20)).date()


def test_newest_version_has_the_highest_number(tmp_path: Path) -> None:
    home = copied(tmp_path, NOW)
    copytree(CATALOGS / "v8" / "nebius", home / "v10" / "nebius")
    for path in (home / "v10").rglob("*.csv"):
        stamp(path, NOW)
    fetched = skypilot.fetch(NOW, Recorded(no_network), home)
    assert one(list(fetched.quotes), gpu="L40S").source.startswith("SkyPilot catalog v10/nebius")


def test_mirror_is_used_when_github_rate_limits(tmp_path: Path) -> None:
    def limited(url: str, params: Mapping[str, str]) -> bytes:
        if url.startswith(PUBLISHED):
            raise HttpRefused(429, "too many requests", "try again later")
        return published(url, params)

    assert skypilot.fetch(NOW, Recorded(limited), tmp_path).quotes


def test_no_copy_and_no_network_is_unavailable_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no connection to GitHub") as unanswered:
        skypilot.fetch(NOW, Recorded(no_network), tmp_path)
    assert unanswered.value.hint == "check the network"


def copied(home: Path, at: datetime) -> Path:
    copytree(CATALOGS, home, dirs_exist_ok=True)
    for path in home.rglob("*.csv"):
        stamp(path, at)
    return home


def stamp(path: Path, at: datetime) -> None:
    os.utime(path, (at.timestamp(), at.timestamp()))
