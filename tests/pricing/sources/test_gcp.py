import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.book.validate import validate_quotes
from pricing.gpu import canonical
from pricing.offer import Quote
from pricing.sources import gcp
from pricing.sources.http import HttpRefused
from pricing.sources.result import FetchedPrices, SourceUnavailable
from tests.support.recorded_http import Answer, Recorded, body

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = {"GOOGLE_API_KEY": "secret"}
TOKEN = {"GOOGLE_OAUTH_ACCESS_TOKEN": "secret", "GOOGLE_CLOUD_PROJECT": "books"}


def catalog(url: str, params: Mapping[str, str]) -> bytes:
    name = url.rpartition("/")[2]
    if name == "skus":
        return body("gcp/skus-2.json" if params.get("pageToken") == "two" else "gcp/skus-1.json")
    return body(
        {"machineTypes": "gcp/machine-types.json", "acceleratorTypes": "gcp/accelerator-types.json"}[name]
    )


def fetched(answer: Answer = catalog, environ: Mapping[str, str] = KEY) -> FetchedPrices:
    return gcp.fetch(NOW, Recorded(answer), environ)


def one(
    instance_type: str, region: str = "us-central1", found: FetchedPrices | None = None, **wanted: object
) -> Quote:
    (quote,) = [
        q
        for q in (found or fetched()).quotes
        if (q.instance_type, q.region) == (instance_type, region)
        and all(getattr(q, k) == v for k, v in wanted.items())
    ]
    return quote


def only(*skus: dict[str, Any]) -> Answer:
    return lambda _, __: json.dumps({"skus": list(skus)}).encode()


def sku(description: str, price: str, usage: str = "OnDemand", **changes: Any) -> dict[str, Any]:
    units, _, part = price.partition(".")
    unit_price = {"currencyCode": "USD", "units": units, "nanos": int(part.ljust(9, "0"))}
    info = {
        "effectiveTime": "2026-11-01T00:00:00Z",
        "pricingExpression": {
            "usageUnit": "h",
            "tieredRates": [{"startUsageAmount": 0, "unitPrice": unit_price}],
        },
    }
    return {
        "skuId": f"{description}/{price}",
        "description": description,
        "category": {"resourceFamily": "Compute", "resourceGroup": "GPU", "usageType": usage},
        "serviceRegions": ["us-central1"],
        "pricingInfo": [info],
    } | changes


B200 = "A4 Nvidia B200 (1 gpu slice) running in Americas"


def test_machine_price_is_cores_plus_memory_plus_gpu() -> None:
    quote = one("g2-standard-8")
    assert quote.on_demand == 8 * Decimal("0.024988") + 32 * Decimal("0.002927") + Decimal("0.560040")
    assert quote.spot == 8 * Decimal("0.009995") + 32 * Decimal("0.001171") + Decimal("0.224")
    assert (quote.gpu, quote.gpus, quote.vcpus, quote.memory_gb) == ("L4", 1, 8, 32)


def test_dws_price_is_not_read_as_on_demand() -> None:
    assert one("a3-megagpu-8g").on_demand == Decimal("92.742368")  # and not 48.72 or 45.38


def test_skus_under_other_terms_are_counted() -> None:
    assert (
        "5 GPU SKUs under other terms left out: DWS, commitments, reservations, sole tenancy."
        in fetched().notes
    )


@pytest.mark.parametrize(
    "description",
    [
        "Nvidia Tesla A100 GPU attached to DWS Defined Duration VMs running in Americas",
        "Reserved Nvidia Tesla A100 GPU in Americas in Calendar Mode",
        "DWS Flex Start Nvidia Tesla A100 GPU running in Americas",
        "Commitment v1: Nvidia Tesla A100 GPU running in Americas for 1 Year",
        "Reserved Nvidia Tesla A100 GPU in Americas",
        "Nvidia Tesla A100 Virtual Workstation GPU running in Americas",
    ],
)
def test_description_of_other_terms_is_not_read(description: str) -> None:
    found = fetched(only(sku(B200, "16.11"), sku(description, "1.5")))
    assert {q.gpu for q in found.quotes} == {"B200"}


def test_resource_group_marks_dws_too() -> None:
    category = {"resourceGroup": "DWS", "usageType": "OnDemand"}
    with pytest.raises(SourceUnavailable):
        fetched(only(sku(B200, "8.055", category=category)))


def test_spot_price_listed_as_on_demand_is_a_spot_price() -> None:
    quote = one("a4-highgpu-8g")
    assert (quote.on_demand, quote.spot) == (Decimal("128.88"), 8 * Decimal("4.9542"))


def test_a100_80gb_is_not_the_40gb_one() -> None:
    parts = [
        sku("A2 Instance Core running in Americas", "0.03"),
        sku("Nvidia Tesla A100 80GB GPU running in Americas", "3.9"),
    ]
    ram = sku("A2 Instance Ram running in Americas", "0.004")
    ram["pricingInfo"][0]["pricingExpression"]["usageUnit"] = "GiBy.h"
    assert {q.gpu for q in fetched(only(*parts, ram)).quotes} == {"A100-80GB"}


def test_machine_with_an_unpriced_part_has_no_price() -> None:
    assert not [q for q in fetched().quotes if q.instance_type == "a3-megagpu-8g" and q.spot is not None]
    assert not [q for q in fetched().quotes if q.instance_type.startswith("a2-")]


def test_types_without_price_are_named() -> None:
    assert any(n.startswith("No price for") and "a3-ultragpu-8g" in n for n in fetched().notes)


def test_zero_price_is_not_a_price() -> None:
    assert not [q for q in fetched().quotes if q.region == "us-east4"]


@given(st.decimals(min_value=Decimal("0.000000001"), max_value=1000, places=9))
def test_units_and_nanos_are_one_exact_decimal(price: Decimal) -> None:
    (quote,) = fetched(only(sku(B200, f"{price:f}"))).quotes
    assert quote.on_demand == 8 * price


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("usageUnit", "mo"),
        ("tieredRates", [{"unitPrice": {"units": "0"}}, {"unitPrice": {"units": "1"}}]),
        ("tieredRates", [{"unitPrice": {"currencyCode": "EUR", "units": "16", "nanos": 0}}]),
    ],
)
def test_price_in_another_unit_is_not_read(field: str, value: object) -> None:
    odd = sku(B200, "16.11")
    odd["pricingInfo"][0]["pricingExpression"][field] = value
    with pytest.raises(SourceUnavailable, match="no price of a known GPU machine"):
        fetched(only(odd))


def test_current_price_is_used_and_not_a_future_one() -> None:
    past, coming = sku(B200, "16.11"), sku(B200, "14.5")
    coming["pricingInfo"][0]["effectiveTime"] = "2027-01-01T00:00:00Z"
    past["pricingInfo"] += coming["pricingInfo"]
    assert one("a4-highgpu-8g", found=fetched(only(past))).on_demand == Decimal("128.88")


def test_higher_of_two_prices_of_a_part_is_kept_and_counted() -> None:
    found = fetched(only(sku(B200, "16.11"), sku(B200, "15")))
    assert one("a4-highgpu-8g", found=found).on_demand == Decimal("128.88")
    assert "1 parts have two prices in one region; the higher is kept." in found.notes


def test_regions_are_unverified_without_a_token() -> None:
    found = fetched()
    assert found.offerings is None
    assert all(q.flags == ("region_unverified",) and q.zone is None for q in found.quotes)
    assert any("GOOGLE_OAUTH_ACCESS_TOKEN and GOOGLE_CLOUD_PROJECT" in note for note in found.notes)


def test_zones_that_offer_the_machine_have_a_quote() -> None:
    found = fetched(environ=TOKEN)
    zones = {q.zone for q in found.quotes if (q.instance_type, q.region) == ("g2-standard-8", "us-central1")}
    assert zones == {"us-central1-a", "us-central1-b"}
    assert found.offerings is not None
    assert ("g2-standard-8", "us-central1") in found.offerings


def test_price_without_a_zone_is_left_to_validation() -> None:
    found = fetched(environ=TOKEN)
    nowhere = one("g2-standard-8", "us-east1", found)
    assert nowhere.zone is None
    _, rejected = validate_quotes([nowhere], canonical, offerings=found.offerings)
    assert {r.reason for r in rejected} == {"g2-standard-8 is priced, but not offered, in us-east1"}


def test_n1_machine_needs_its_gpu_in_the_same_zone() -> None:
    found = fetched(environ=TOKEN)
    assert [q.zone for q in found.quotes if q.instance_type == "n1-standard-4"] == ["us-central1-a"]


def test_prices_are_fetched_without_access_to_the_project() -> None:
    def forbidden(url: str, params: Mapping[str, str]) -> bytes:
        if "aggregated" in url:
            raise HttpRefused(403, "compute.googleapis.com answered 403", "check the credentials")
        return catalog(url, params)

    found = fetched(forbidden, TOKEN)
    assert found.offerings is None
    assert any("compute.googleapis.com answered 403" in note for note in found.notes)


def test_page_loop_ends_and_counts_once() -> None:
    def circling(url: str, params: Mapping[str, str]) -> bytes:
        page = json.loads(catalog(url, params))
        return json.dumps(page | {"nextPageToken": "two"}).encode()

    assert fetched(circling).quotes == fetched().quotes
    assert any("led back to one already read" in note for note in fetched(circling).notes)


def test_key_is_in_a_header_and_not_in_the_url() -> None:
    http = Recorded(catalog)
    gcp.fetch(NOW, http, KEY)
    for url, params, headers in http.asked:
        assert "secret" not in f"{url}{params}"
        assert headers == {"X-Goog-Api-Key": "secret"}


def test_token_is_sent_as_a_bearer() -> None:
    http = Recorded(catalog)
    gcp.fetch(NOW, http, TOKEN)
    assert all(headers == {"Authorization": "Bearer secret"} for _, _, headers in http.asked)


def test_missing_key_is_unavailable_with_a_hint() -> None:
    http = Recorded(catalog)
    with pytest.raises(SourceUnavailable, match="need a key") as unanswered:
        gcp.fetch(NOW, http, {})
    assert "GOOGLE_API_KEY" in unanswered.value.hint
    assert not http.asked


def test_response_that_is_not_json_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="not JSON"):
        fetched(lambda _, __: b"<html>")


def test_sku_of_a_new_format_is_unavailable_and_named() -> None:
    with pytest.raises(SourceUnavailable, match="SKU 0001 has a new format"):
        fetched(only({"skuId": "0001"}))


def test_g4_is_cores_plus_memory_plus_its_gpu_that_is_named_without_pro() -> None:
    ram = sku("G4 Instance Ram running in Iowa", "0.01")
    ram["pricingInfo"][0]["pricingExpression"]["usageUnit"] = "GiBy.h"
    parts = (
        sku("G4 Instance Core running in Iowa", "0.02"),
        ram,
        sku("RTX 6000 96GB running in Iowa", "1.5"),
    )
    quote = one("g4-standard-48", found=fetched(only(*parts)))
    assert (quote.gpu, quote.on_demand) == ("RTX-PRO-6000", Decimal(48) * Decimal("0.02") + Decimal("3.3"))
