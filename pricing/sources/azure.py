"""Azure on-demand and spot prices from the Retail Prices API, which needs no credentials.

Prices are by region; a type's GPUs come from `shapes.csv`. Windows, Low Priority and cloud services are other products
of the same type and are left out. The API also lists a spot price where there is no spot market (18.48 % of
on-demand), which validation rejects. Does not know which regions offer a type.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urlsplit

from pricing.offer import Quote
from pricing.sources.http import HTTP_CLIENT, Http
from pricing.sources.instance_types import InstanceType, instance_types
from pricing.sources.result import FetchedPrices, SourceUnavailable, without_trailing_zeros

PRICES = "https://prices.azure.com/api/retail/prices"
SOURCE = "Azure Retail Prices API"
MAX_USD_PER_HOUR = 1_000_000  # of a machine; more is a slip of the list
TRY_LATER = "try again later, or read SkyPilot's copy: --source skypilot"


@dataclass(frozen=True, slots=True)
class RetailPrice:
    """The price of one type in a region, under one purchase kind."""

    region: str
    spot: bool
    usd_per_hour: Decimal
    since: str  # ISO 8601, so it sorts as text


def fetch(now: datetime, http: Http = HTTP_CLIENT) -> FetchedPrices:
    """Fetch both prices of every GPU type in shapes.csv, in every region that lists it.

    Raises:
        SourceUnavailable: no connection, or no prices.
    """
    quotes: list[Quote] = []
    notes: list[str] = []
    unpriced: list[str] = []
    left_out = 0
    for shape in instance_types("azure"):
        prices: dict[tuple[str, bool], RetailPrice] = {}
        for item in _items(http, shape.instance_type, notes):
            price = _price(item, shape.instance_type, now)
            if price is None:
                left_out += 1
                continue
            held = prices.get((price.region, price.spot))
            if held is not None and held.since == price.since and held.usd_per_hour != price.usd_per_hour:
                notes.append(
                    f"{shape.instance_type} in {price.region} has two prices, {held.usd_per_hour} and "
                    f"{price.usd_per_hour}; the higher is kept."
                )
            prices[price.region, price.spot] = max(
                held or price, price, key=lambda p: (p.since, p.usd_per_hour)
            )
        if not prices:
            unpriced.append(shape.instance_type)
        quotes += _quotes(shape, prices, now)
    if left_out:
        notes.append(
            f"{left_out} prices of other products left out: Windows, Low Priority, reservations, to come."
        )
    if unpriced:
        notes.append(f"No price for {', '.join(unpriced)}.")
    if not quotes:
        raise SourceUnavailable("Azure's price list has no known GPU type", TRY_LATER)
    return FetchedPrices(tuple(quotes), None, tuple(notes))


def _items(http: Http, instance_type: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield every item of every page about one type. Stops at a page that links back to one already read."""
    where = f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armSkuName eq '{instance_type}'"
    url, params = PRICES, {"currencyCode": "USD", "$filter": where}
    read: set[str] = set()
    while url:
        body = http.get(url, params)
        try:
            items, link = _page(body)
            next_host = urlsplit(link).hostname
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise SourceUnavailable(
                f"Azure's answer about {instance_type} is not a price list", TRY_LATER
            ) from error
        yield from items
        read.add(url)
        if link and next_host != urlsplit(PRICES).hostname:
            raise SourceUnavailable(f"Azure's next page is at {next_host}, not its own host", TRY_LATER)
        if link in read:
            notes.append(f"{instance_type}: a page led back to one already read; the reading stopped there.")
            return
        url, params = link, {}  # the link carries the filter


def _page(body: bytes) -> tuple[list[dict[str, Any]], str]:
    """The items of a page, and the link to the next one.

    Raises:
        ValueError, LookupError, TypeError, RecursionError: it is no page of a price list.
    """
    page = json.loads(body, parse_float=Decimal)
    items: object = page["Items"]
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in cast("list[object]", items)):
        raise TypeError("its items are no list of objects")
    return cast("list[dict[str, Any]]", items), str(page.get("NextPageLink") or "")


def _price(item: dict[str, Any], instance_type: str, now: datetime) -> RetailPrice | None:
    """The current price of a Linux machine of this type; None if the item is another product or a future price."""
    product, meter, sku = (str(item.get(k, "")) for k in ("productName", "meterName", "skuName"))
    named = f"{meter} {sku}".casefold()
    since = str(item.get("effectiveStartDate", ""))
    amount = item.get("retailPrice")
    if (
        item.get("armSkuName") != instance_type
        or item.get("type") != "Consumption"
        or item.get("unitOfMeasure") != "1 Hour"
        or item.get("currencyCode") != "USD"
        or not item.get("armRegionName")
        or " win" in product.casefold()  # "Windows", and for some H100 types only "Win"
        or "cloud services" in product.casefold()
        or "cloudservices" in product.casefold()
        or "low priority" in named
        or since[:10] > f"{now:%Y-%m-%d}"
        or not isinstance(amount, int | Decimal)
        or not 0 < amount < MAX_USD_PER_HOUR
    ):
        return None
    return RetailPrice(
        str(item["armRegionName"]).lower(), "spot" in named, without_trailing_zeros(Decimal(amount)), since
    )


def _quotes(
    shape: InstanceType, prices: dict[tuple[str, bool], RetailPrice], now: datetime
) -> Iterator[Quote]:
    for region in sorted({region for region, _ in prices}):
        on_demand, spot = prices.get((region, False)), prices.get((region, True))
        yield Quote(
            cloud="azure",
            region=region,
            zone=None,
            instance_type=shape.instance_type,
            gpu=shape.gpu,
            gpus=shape.gpus,
            vcpus=shape.vcpus,
            memory_gb=shape.memory_gb,
            on_demand=on_demand.usd_per_hour if on_demand else None,
            spot=spot.usd_per_hour if spot else None,
            as_of=now.date(),
            source=SOURCE,
        )
