import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pricing.book.validate import validate_quotes
from pricing.gpu import canonical
from pricing.offer import Quote
from pricing.sources import azure
from pricing.sources.result import FetchedPrices, SourceUnavailable
from tests.support.recorded_http import Answer, Recorded, body

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TYPES = {"NC4as_T4_v3": "t4-page-1", "NC40ads_H100_v5": "h100", "NV6ads_A10_v5": "a10"}


def retail(url: str, params: Mapping[str, str]) -> bytes:
    if "$skip=5" in url:
        return body("azure/t4-page-2.json")
    wanted = params["$filter"].rpartition("Standard_")[2].rstrip("'")
    return body(f"azure/{TYPES.get(wanted, 'none')}.json")


def fetched(answer: Answer = retail) -> FetchedPrices:
    return azure.fetch(NOW, Recorded(answer))


def one(instance_type: str, region: str, answer: Answer = retail) -> Quote:
    (quote,) = [
        q
        for q in fetched(answer).quotes
        if (q.instance_type, q.region) == (f"Standard_{instance_type}", region)
    ]
    return quote


def changed(**changes: object) -> Answer:
    """The price list with other fields in the first item of the T4's first page."""

    def answer(url: str, params: Mapping[str, str]) -> bytes:
        page = json.loads(retail(url, params))
        if "NC4as_T4_v3" in params.get("$filter", ""):
            page["Items"][0] |= changes
        return json.dumps(page).encode()

    return answer


def test_type_has_both_prices_of_its_region() -> None:
    quote = one("NC4as_T4_v3", "eastus")
    assert (quote.on_demand, quote.spot) == (Decimal("0.526"), Decimal("0.1893600001"))
    assert (quote.gpu, quote.gpus, quote.vcpus, quote.memory_gb, quote.zone) == ("T4", 1, 4, 28, None)


def test_other_products_and_future_prices_are_left_out_and_counted() -> None:
    assert (
        "5 prices of other products left out: Windows, Low Priority, reservations, to come."
        in fetched().notes
    )


def test_short_win_in_a_product_name_is_windows() -> None:
    assert one("NC40ads_H100_v5", "eastus").on_demand == Decimal("6.98")


def test_pages_are_followed_to_the_last() -> None:
    assert one("NC4as_T4_v3", "westus3").on_demand == Decimal("0.526")


def test_page_loop_ends_and_items_count_once() -> None:
    def circling(url: str, params: Mapping[str, str]) -> bytes:
        return body("azure/t4-page-2-again.json") if "$skip=5" in url else retail(url, params)

    assert one("NC4as_T4_v3", "westus3", circling).spot == Decimal("0.0972048")
    assert any("a page led back" in note for note in fetched(circling).notes)


def test_next_page_on_another_host_is_not_followed() -> None:
    def lured(_: str, __: Mapping[str, str]) -> bytes:
        return json.dumps({"Items": [], "NextPageLink": "https://prices.example/api"}).encode()

    with pytest.raises(SourceUnavailable, match=r"next page is at prices\.example"):
        fetched(lured)


def test_placeholder_is_left_to_validation() -> None:
    quote = one("NC4as_T4_v3", "westus3")
    assert quote.spot == quote.on_demand * Decimal("0.1848") if quote.on_demand else False
    assert [r.purchase for r in validate_quotes([quote], canonical)[1]] == ["spot"]


def test_sixth_of_a_gpu_is_a_fraction() -> None:
    assert one("NV6ads_A10_v5", "eastus").gpus == 0.167


def test_later_effective_price_wins() -> None:
    later = changed(retailPrice=0.6, effectiveStartDate="2026-05-01T00:00:00Z")
    assert one("NC4as_T4_v3", "eastus", later).on_demand == Decimal("0.6")


def test_higher_of_two_prices_of_one_day_is_kept_with_a_note() -> None:
    both = changed(retailPrice=0.6)
    assert one("NC4as_T4_v3", "eastus", both).on_demand == Decimal("0.6")
    assert any("has two prices" in note for note in fetched(both).notes)


@pytest.mark.parametrize(
    "change",
    [
        {"retailPrice": 0.0},
        {"retailPrice": "0.5"},
        {"currencyCode": "EUR"},
        {"unitOfMeasure": "1 Month"},
        {"type": "DevTestConsumption"},
        {"armRegionName": ""},
        {"productName": "NCasT4_v3 Series Cloud Services"},
    ],
)
def test_other_than_hourly_linux_prices_are_left_out(change: dict[str, object]) -> None:
    alone = changed(**change)

    def first_page(url: str, params: Mapping[str, str]) -> bytes:
        page = json.loads(alone(url, params))
        return json.dumps(page | {"Items": page["Items"][:1], "NextPageLink": None}).encode()

    assert "Standard_NC4as_T4_v3" not in {q.instance_type for q in fetched(first_page).quotes}


def test_type_without_a_price_is_named() -> None:
    assert any(
        note.startswith("No price for") and "Standard_ND96isr_H200_v5" in note for note in fetched().notes
    )


def test_azure_needs_no_credentials_and_has_no_offerings() -> None:
    http = Recorded(retail)
    assert azure.fetch(NOW, http).offerings is None
    assert not any(headers for _, _, headers in http.asked)


def test_response_that_is_not_a_price_list_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="not a price list"):
        fetched(lambda _, __: b"<html>maintenance</html>")


def test_list_without_known_types_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="no known GPU type"):
        fetched(lambda _, __: body("azure/none.json"))
