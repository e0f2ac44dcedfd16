"""AWS prices through boto3: spot by zone, current and past, and on-demand by region.

Spot prices come from EC2 in each region that the account may use, on-demand prices from the Price List service, which
is in one region and has all of them. Zones are the account's own names (us-east-1a), in which it can launch. The GPUs of
a type come from `shapes.csv`, because AWS counts a fraction of a GPU as one, or as none. Does not know whether a machine
is available: AWS publishes no capacity.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Any

from pricing.offer import Quote
from pricing.sources.instance_types import InstanceType, gpus_by_instance_type
from pricing.sources.result import FetchedPrices, SourceUnavailable, without_trailing_zeros

LINUX = "Linux/UNIX"
PRICE_LIST = "us-east-1"  # region of the Price List service, which has the prices of all regions
SOURCE = "AWS EC2 spot price history and Price List"
CREDENTIALS = (
    "give AWS credentials that may call ec2:DescribeRegions, ec2:DescribeSpotPriceHistory, "
    "ec2:DescribeInstanceTypeOfferings and pricing:GetProducts (aws configure, or AWS_PROFILE)"
)
NO_NETWORK = "check the network, or AWS_ENDPOINT_URL where it is set; without one, plan with --offline"

# The attributes of an ordinary Linux machine in AWS's list, which also has the type with licences, dedicated tenancies
# and reservations.
ORDINARY_ATTRIBUTES = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
# Attributes that older products lack; with another value it is another product (a capacity block, a local zone).
OPTIONAL_ATTRIBUTES = {
    "marketoption": "OnDemand",
    "locationType": "AWS Region",
    "licenseModel": "No License required",
}

Client = Callable[[str, str], Any]  # service, region -> a boto3 client


@dataclass(frozen=True, slots=True)
class SpotPrice:
    """A spot price that holds from `at` until the next one of the same type and zone."""

    instance_type: str
    zone: str
    zone_id: bool  # `zone` is a provider's zone id, because its name was not stated
    at: datetime
    usd_per_hour: Decimal


@dataclass(frozen=True, slots=True)
class ListPrice:
    """The on-demand price and the size of a type in a region."""

    usd_per_hour: Decimal
    vcpus: int | None
    memory_gb: float | None


def fetch(now: datetime, client: Client | None = None) -> FetchedPrices:
    """Fetch both prices of every GPU type in shapes.csv, in every region that the account may use.

    Raises:
        SourceUnavailable: no credentials, no connection, or no prices.
    """
    client = client or _client
    types = gpus_by_instance_type("aws")
    notes: list[str] = []
    with _boto_errors_as_unavailable("regions"):
        regions = [r["RegionName"] for r in client("ec2", "us-east-1").describe_regions()["Regions"]]
    listed: dict[tuple[str, str], ListPrice] = {}
    try:
        with _boto_errors_as_unavailable("price list"):
            listed = on_demand_prices(types, client("pricing", PRICE_LIST))
    except SourceUnavailable as error:
        notes.append(f"No on-demand prices: {error.reason}. To have them, {error.hint}.")
    quotes: list[Quote] = []
    offered: set[tuple[str, str]] = set()
    last_error: SourceUnavailable | None = None
    for region in sorted(regions):
        try:
            with _boto_errors_as_unavailable(region):
                ec2 = client("ec2", region)
                here = _offered_types(ec2, types)
                spot = _spot_price_history(ec2, sorted(types), now, None, None)
        except SourceUnavailable as error:
            last_error = error
            notes.append(f"{region} left out: {error.reason}.")
            continue
        offered |= {(t, region) for t in here}
        quotes += _quotes(region, types.values(), listed, _latest_by_zone(spot), now)
    if not quotes:
        raise last_error or SourceUnavailable("AWS lists no known GPU type", CREDENTIALS)
    unpriced = sorted(set(types) - {q.instance_type for q in quotes})
    if unpriced:
        notes.append(f"No price for {', '.join(unpriced)}.")
    return FetchedPrices(tuple(quotes), frozenset(offered), tuple(notes))


def spot_price_history(
    instance_types: Sequence[str],
    *,
    region: str,
    since: datetime,
    until: datetime,
    zone: str | None = None,
    client: Client | None = None,
) -> tuple[SpotPrice, ...]:
    """Fetch the past spot prices of types in a region or one of its zones, sorted by type, zone and time.

    AWS keeps 90 days, and includes the last change before `since`, so that the price at `since` is known.
    """
    with _boto_errors_as_unavailable(region):
        return _spot_price_history((client or _client)("ec2", region), instance_types, since, until, zone)


def on_demand_prices(instance_types: Iterable[str], pricing: Any) -> dict[tuple[str, str], ListPrice]:
    """Fetch the on-demand price and size of types, by (type, region)."""
    found: dict[tuple[str, str], ListPrice] = {}
    for instance_type in instance_types:
        wanted = {**ORDINARY_ATTRIBUTES, "instanceType": instance_type}
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
        pages = pricing.get_paginator("get_products").paginate(
            ServiceCode="AmazonEC2", FormatVersion="aws_v1", Filters=filters
        )
        for page in pages:
            for text in page["PriceList"]:
                product = json.loads(text)
                attributes = product["product"]["attributes"]
                price = _list_price(product) if _is_ordinary(attributes, wanted) else None
                if price is not None:
                    place = (instance_type, str(attributes["regionCode"]))
                    held = found.get(place)
                    # Products of one type and region differ in attributes that are not filtered: keep the higher price.
                    found[place] = max(held or price, price, key=lambda p: p.usd_per_hour)
    return found


def _is_ordinary(attributes: dict[str, Any], wanted: dict[str, str]) -> bool:
    return (
        all(attributes.get(k) == v for k, v in wanted.items())
        and all(attributes.get(k, v) == v for k, v in OPTIONAL_ATTRIBUTES.items())
        and bool(attributes.get("regionCode"))
    )


def _list_price(product: dict[str, Any]) -> ListPrice | None:
    """The hourly price of a product in USD; None if it has none (China is in yuan), several, or 0."""
    prices: set[Decimal] = set()
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            usd = dimension.get("pricePerUnit", {}).get("USD")
            if usd is not None and dimension.get("unit") == "Hrs":
                prices.add(Decimal(usd))
    prices.discard(Decimal(0))
    if len(prices) != 1:
        return None
    attributes = product["product"]["attributes"]
    vcpus, memory = str(attributes.get("vcpu", "")), str(attributes.get("memory", ""))
    amount, _, unit = memory.replace(",", "").partition(" ")  # "1,152 GiB"
    return ListPrice(
        usd_per_hour=without_trailing_zeros(prices.pop()),
        vcpus=int(vcpus) if vcpus.isdecimal() else None,
        memory_gb=float(amount) if unit == "GiB" else None,
    )


def _offered_types(ec2: Any, types: Iterable[str]) -> set[str]:
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="region", Filters=[{"Name": "instance-type", "Values": sorted(types)}]
    )
    return {offering["InstanceType"] for page in pages for offering in page["InstanceTypeOfferings"]}


def _spot_price_history(
    ec2: Any, types: Sequence[str], since: datetime, until: datetime | None, zone: str | None
) -> tuple[SpotPrice, ...]:
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=list(types),
        ProductDescriptions=[LINUX],
        StartTime=since,
        **({"EndTime": until} if until is not None else {}),
        **({"AvailabilityZone": zone} if zone is not None else {}),
    )
    found: dict[SpotPrice, None] = {}  # pages may overlap
    for page in pages:
        for entry in page["SpotPriceHistory"]:
            if entry.get("ProductDescription", LINUX) == LINUX:  # Windows has another price
                name = entry.get("AvailabilityZone")
                where = str(name or entry["AvailabilityZoneId"])
                price = without_trailing_zeros(Decimal(entry["SpotPrice"]))
                found[
                    SpotPrice(
                        instance_type=entry["InstanceType"],
                        zone=where,
                        zone_id=not name,
                        at=entry["Timestamp"],
                        usd_per_hour=price,
                    )
                ] = None
    return tuple(sorted(found, key=lambda p: (p.instance_type, p.zone, p.at)))


def _latest_by_zone(spot: Iterable[SpotPrice]) -> dict[str, dict[str, SpotPrice]]:
    """The last price of each type and zone; `spot` is sorted by time."""
    last: dict[str, dict[str, SpotPrice]] = defaultdict(dict)
    for price in spot:
        last[price.instance_type][price.zone] = price
    return last


def _quotes(
    region: str,
    types: Iterable[InstanceType],
    listed: dict[tuple[str, str], ListPrice],
    spot: dict[str, dict[str, SpotPrice]],
    now: datetime,
) -> Iterator[Quote]:
    for shape in types:
        price = listed.get((shape.instance_type, region))
        zones: list[SpotPrice | None] = [*spot.get(shape.instance_type, {}).values()]
        if price is None and not zones:
            continue
        for zone in zones or [None]:
            yield Quote(
                cloud="aws",
                region=region,
                zone=zone.zone if zone else None,
                instance_type=shape.instance_type,
                gpu=shape.gpu,
                gpus=shape.gpus,
                vcpus=price.vcpus if price else shape.vcpus,
                memory_gb=price.memory_gb if price else shape.memory_gb,
                on_demand=price.usd_per_hour if price else None,
                spot=zone.usd_per_hour if zone else None,
                as_of=now.date(),  # it holds now, whenever it last changed
                source=SOURCE,
                flags=("zone_id",) if zone and zone.zone_id else (),
            )


def _client(service: str, region: str) -> Any:
    """Create a boto3 client with short timeouts. Imports boto3 here, because only this source needs it."""
    try:
        boto3, config = import_module("boto3"), import_module("botocore.config")
    except ImportError as error:
        raise SourceUnavailable("boto3 is not installed", "pip install 'embedfleet[cloud]'") from error
    timeouts = config.Config(
        connect_timeout=10, read_timeout=30, retries={"mode": "standard", "max_attempts": 4}
    )
    return boto3.client(service, region_name=region, config=timeouts)


@contextmanager
def _boto_errors_as_unavailable(what: str) -> Generator[None]:
    """Raise SourceUnavailable for errors of boto3 and for responses that cannot be read."""
    try:
        errors, parsers = import_module("botocore.exceptions"), import_module("botocore.parsers")
    except ImportError as error:
        raise SourceUnavailable("boto3 is not installed", "pip install 'embedfleet[cloud]'") from error
    try:
        yield
    except errors.ClientError as error:
        said = error.response.get("Error", {})
        reason = (
            f"AWS refused ({what}): {said.get('Code', 'unknown')}, {said.get('Message', 'no reason given')}"
        )
        raise SourceUnavailable(reason.rstrip("."), CREDENTIALS) from error
    except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.TokenRetrievalError) as error:
        raise SourceUnavailable(f"no AWS credentials: {error}", CREDENTIALS) from error
    except (errors.ConnectionError, errors.HTTPClientError) as error:
        raise SourceUnavailable(f"no connection to AWS ({what}): {error}".rstrip("."), NO_NETWORK) from error
    except errors.BotoCoreError as error:  # an unknown profile, an expired login
        raise SourceUnavailable(
            f"AWS could not be asked ({what}): {error}".rstrip("."), CREDENTIALS
        ) from error
    except parsers.ResponseParserError as error:  # an error page of something between us and AWS
        raise SourceUnavailable(f"the response is not from AWS ({what})", NO_NETWORK) from error
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise SourceUnavailable(
            f"AWS's answer ({what}) has a new format: {error!r}", "report this"
        ) from error
