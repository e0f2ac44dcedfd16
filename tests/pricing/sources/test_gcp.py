import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.gpu import canonical
from pricing.offer import Quote
from pricing.sources import gcp
from pricing.sources.http import HttpRefused
from pricing.sources.result import FetchedPrices, SourceUnavailable
from pricing.validate import validate_quotes
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


def test_a_machine_costs_its_cores_memory_and_gpu() -> None:
    quote = one("g2-standard-8")
    assert quote.on_demand == 8 * Decimal("0.024988") + 32 * Decimal("0.002927") + Decimal("0.560040")
    assert quote.spot == 8 * Decimal("0.009995") + 32 * Decimal("0.001171") + Decimal("0.224")
    assert (quote.gpu, quote.gpus, quote.vcpus, quote.memory_gb) == ("L4", 1, 8, 32)


def test_no_dws_price_is_read_as_on_demand() -> None:
    assert one("a3-megagpu-8g").on_demand == Decimal("92.742368")  # and not 48.72 or 45.38


def test_the_skus_under_other_terms_are_counted() -> None:
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
def test_a_description_that_is_no_plain_price_is_not_read(description: str) -> None:
    found = fetched(only(sku(B200, "16.11"), sku(description, "1.5")))
    assert {q.gpu for q in found.quotes} == {"B200"}


def test_a_group_can_say_dws_where_the_description_does_not() -> None:
    category = {"resourceGroup": "DWS", "usageType": "OnDemand"}
    with pytest.raises(SourceUnavailable):
        fetched(only(sku(B200, "8.055", category=category)))


def test_a_spot_price_filed_as_on_demand_is_a_spot_price() -> None:
    quote = one("a4-highgpu-8g")
    assert (quote.on_demand, quote.spot) == (Decimal("128.88"), 8 * Decimal("4.9542"))


def test_an_80_gb_gpu_is_not_the_40_gb_one_whose_name_begins_alike() -> None:
    parts = [
        sku("A2 Instance Core running in Americas", "0.03"),
        sku("Nvidia Tesla A100 80GB GPU running in Americas", "3.9"),
    ]
    ram = sku("A2 Instance Ram running in Americas", "0.004")
    ram["pricingInfo"][0]["pricingExpression"]["usageUnit"] = "GiBy.h"
    assert {q.gpu for q in fetched(only(*parts, ram)).quotes} == {"A100-80GB"}


def test_a_machine_with_a_part_that_has_no_price_has_none() -> None:
    assert not [q for q in fetched().quotes if q.instance_type == "a3-megagpu-8g" and q.spot is not None]
    assert not [q for q in fetched().quotes if q.instance_type.startswith("a2-")]


def test_types_without_any_price_are_named() -> None:
    assert any(n.startswith("No price for") and "a3-ultragpu-8g" in n for n in fetched().notes)


def test_a_price_of_zero_is_a_placeholder_and_no_price() -> None:
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
def test_a_price_by_another_measure_is_not_read(field: str, value: object) -> None:
    odd = sku(B200, "16.11")
    odd["pricingInfo"][0]["pricingExpression"][field] = value
    with pytest.raises(SourceUnavailable, match="no price of a known GPU machine"):
        fetched(only(odd))


def test_the_price_in_force_now_counts_and_not_one_to_come() -> None:
    past, coming = sku(B200, "16.11"), sku(B200, "14.5")
    coming["pricingInfo"][0]["effectiveTime"] = "2027-01-01T00:00:00Z"
    past["pricingInfo"] += coming["pricingInfo"]
    assert one("a4-highgpu-8g", found=fetched(only(past))).on_demand == Decimal("128.88")


def test_of_two_prices_of_a_part_the_higher_is_kept_and_counted() -> None:
    found = fetched(only(sku(B200, "16.11"), sku(B200, "15")))
    assert one("a4-highgpu-8g", found=found).on_demand == Decimal("128.88")
    assert "1 parts have two prices in one region; the higher is kept." in found.notes


def test_without_a_token_every_region_is_unverified_and_the_note_says_what_to_set() -> None:
    found = fetched()
    assert found.offerings is None
    assert all(q.flags == ("region_unverified",) and q.zone is None for q in found.quotes)
    assert any("GOOGLE_OAUTH_ACCESS_TOKEN and GOOGLE_CLOUD_PROJECT" in note for note in found.notes)


def test_with_a_token_there_is_a_quote_for_every_zone_that_offers_the_machine() -> None:
    found = fetched(environ=TOKEN)
    zones = {q.zone for q in found.quotes if (q.instance_type, q.region) == ("g2-standard-8", "us-central1")}
    assert zones == {"us-central1-a", "us-central1-b"}
    assert found.offerings is not None
    assert ("g2-standard-8", "us-central1") in found.offerings


def test_a_price_where_no_zone_has_the_type_is_left_for_the_gate_which_refuses_it() -> None:
    found = fetched(environ=TOKEN)
    nowhere = one("g2-standard-8", "us-east1", found)
    assert nowhere.zone is None
    _, rejected = validate_quotes([nowhere], canonical, offerings=found.offerings)
    assert {r.reason for r in rejected} == {"g2-standard-8 is priced, but not offered, in us-east1"}


def test_a_machine_of_choice_needs_its_gpu_in_the_same_zone() -> None:
    found = fetched(environ=TOKEN)
    assert [q.zone for q in found.quotes if q.instance_type == "n1-standard-4"] == ["us-central1-a"]


def test_where_a_project_may_not_be_asked_prices_come_all_the_same() -> None:
    def forbidden(url: str, params: Mapping[str, str]) -> bytes:
        if "aggregated" in url:
            raise HttpRefused(403, "compute.googleapis.com answered 403", "check the credentials")
        return catalog(url, params)

    found = fetched(forbidden, TOKEN)
    assert found.offerings is None
    assert any("compute.googleapis.com answered 403" in note for note in found.notes)


def test_a_page_that_repeats_ends_the_reading_and_counts_once() -> None:
    def circling(url: str, params: Mapping[str, str]) -> bytes:
        page = json.loads(catalog(url, params))
        return json.dumps(page | {"nextPageToken": "two"}).encode()

    assert fetched(circling).quotes == fetched().quotes
    assert any("led back to one already read" in note for note in fetched(circling).notes)


def test_the_key_goes_into_a_header_and_never_into_the_address() -> None:
    http = Recorded(catalog)
    gcp.fetch(NOW, http, KEY)
    for url, params, headers in http.asked:
        assert "secret" not in f"{url}{params}"
        assert headers == {"X-Goog-Api-Key": "secret"}


def test_a_token_is_sent_as_a_bearer() -> None:
    http = Recorded(catalog)
    gcp.fetch(NOW, http, TOKEN)
    assert all(headers == {"Authorization": "Bearer secret"} for _, _, headers in http.asked)


def test_without_a_key_nobody_is_asked_and_the_hint_names_what_to_set() -> None:
    http = Recorded(catalog)
    with pytest.raises(SourceUnavailable, match="need a key") as unanswered:
        gcp.fetch(NOW, http, {})
    assert "GOOGLE_API_KEY" in unanswered.value.hint
    assert not http.asked


def test_an_answer_that_is_not_json_is_unanswered() -> None:
    with pytest.raises(SourceUnavailable, match="not JSON"):
        fetched(lambda _, __: b"<html>")


def test_a_sku_of_a_new_shape_is_unanswered_and_named() -> None:
    with pytest.raises(SourceUnavailable, match="SKU 0001 has a new format"):
        fetched(only({"skuId": "0001"}))
