"""AWS's prices: spot by zone, now and as it was, and on-demand by region, through boto3.

Spot is asked of EC2 in each region the account may use, on-demand of the Price List service, which sits in one
region and knows all. Zones are the account's own names (us-east-1a), in which it can launch. Which GPUs a type has is
in `shapes.csv`: AWS's own answer counts a slice of a GPU as one, or as none. It does not know whether a machine can
be had: AWS publishes no capacity.
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
from pricing.sources.instance_types import Shape, by_type
from pricing.sources.result import Fetched, Unanswered, plain

LINUX = "Linux/UNIX"
PRICE_LIST = "us-east-1"  # the Price List service's own region; it answers for all
SOURCE = "AWS EC2 spot price history and Price List"
CREDENTIALS = (
    "give AWS credentials that may call ec2:DescribeRegions, ec2:DescribeSpotPriceHistory, "
    "ec2:DescribeInstanceTypeOfferings and pricing:GetProducts (aws configure, or AWS_PROFILE)"
)
NO_NETWORK = "check the network, or AWS_ENDPOINT_URL where it is set; without one, plan with --offline"

# What an ordinary Linux machine is in AWS's list, among the same type with licences, tenancies and reservations.
ORDINARY = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
# Further marks, which older products lack: another value is another product (a capacity block, a local zone).
IF_STATED = {"marketoption": "OnDemand", "locationType": "AWS Region", "licenseModel": "No License required"}

Client = Callable[[str, str], Any]  # service, region -> a boto3 client


@dataclass(frozen=True, slots=True)
class SpotPrice:
    """From `at` on, until the next one of the same type and zone, this is what a machine costs."""

    instance_type: str
    zone: str
    zone_id: bool  # the zone is a provider's id, as its name was not stated
    at: datetime
    usd_per_hour: Decimal


@dataclass(frozen=True, slots=True)
class Listed:
    """What the price list says of a type in a region."""

    usd_per_hour: Decimal
    vcpus: int | None
    memory_gb: float | None


def fetch(now: datetime, client: Client | None = None) -> Fetched:
    """Both prices of every GPU type of ours, in every region the account may use."""
    client = client or _client
    types = by_type("aws")
    notes: list[str] = []
    with _answering("regions"):
        regions = [r["RegionName"] for r in client("ec2", "us-east-1").describe_regions()["Regions"]]
    listed: dict[tuple[str, str], Listed] = {}
    try:
        with _answering("price list"):
            listed = on_demand(types, client("pricing", PRICE_LIST))
    except Unanswered as unanswered:
        notes.append(f"No on-demand prices: {unanswered.reason}. To have them, {unanswered.hint}.")
    quotes: list[Quote] = []
    offered: set[tuple[str, str]] = set()
    silent: Unanswered | None = None
    for region in sorted(regions):
        try:
            with _answering(region):
                ec2 = client("ec2", region)
                here = _offered(ec2, types)
                spot = _history(ec2, sorted(types), now, None, None)
        except Unanswered as unanswered:
            silent = unanswered
            notes.append(f"{region} left out: {unanswered.reason}.")
            continue
        offered |= {(t, region) for t in here}
        quotes += _quotes(region, types.values(), listed, _latest(spot), now)
    if not quotes:
        raise silent or Unanswered("AWS lists none of our GPU types", CREDENTIALS)
    unpriced = sorted(set(types) - {q.instance_type for q in quotes})
    if unpriced:
        notes.append(f"No price for {', '.join(unpriced)}.")
    return Fetched(tuple(quotes), frozenset(offered), tuple(notes))


def history(
    instance_types: Sequence[str],
    *,
    region: str,
    since: datetime,
    until: datetime,
    zone: str | None = None,
    client: Client | None = None,
) -> tuple[SpotPrice, ...]:
    """How the spot price of types went in a region or one of its zones, by type, zone and time.

    AWS keeps 90 days, and adds to a span the change before it, so that the price at `since` is known.
    """
    with _answering(region):
        return _history((client or _client)("ec2", region), instance_types, since, until, zone)


def on_demand(instance_types: Iterable[str], pricing: Any) -> dict[tuple[str, str], Listed]:
    """The on-demand price and size of types by (type, region)."""
    found: dict[tuple[str, str], Listed] = {}
    for instance_type in instance_types:
        wanted = {**ORDINARY, "instanceType": instance_type}
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
        pages = pricing.get_paginator("get_products").paginate(
            ServiceCode="AmazonEC2", FormatVersion="aws_v1", Filters=filters
        )
        for page in pages:
            for text in page["PriceList"]:
                product = json.loads(text)
                attributes = product["product"]["attributes"]
                price = _listed(product) if _ordinary(attributes, wanted) else None
                if price is not None:
                    place = (instance_type, str(attributes["regionCode"]))
                    held = found.get(place)
                    # Two products of one type and region differ in what we do not ask for: the dearer is no surprise.
                    found[place] = max(held or price, price, key=lambda p: p.usd_per_hour)
    return found


def _ordinary(attributes: dict[str, Any], wanted: dict[str, str]) -> bool:
    return (
        all(attributes.get(k) == v for k, v in wanted.items())
        and all(attributes.get(k, v) == v for k, v in IF_STATED.items())
        and bool(attributes.get("regionCode"))
    )


def _listed(product: dict[str, Any]) -> Listed | None:
    """The one hourly price in USD of a product; None where it has none (China is in yuan) or it is 0."""
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
    return Listed(
        usd_per_hour=plain(prices.pop()),
        vcpus=int(vcpus) if vcpus.isdecimal() else None,
        memory_gb=float(amount) if unit == "GiB" else None,
    )


def _offered(ec2: Any, types: Iterable[str]) -> set[str]:
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="region", Filters=[{"Name": "instance-type", "Values": sorted(types)}]
    )
    return {offering["InstanceType"] for page in pages for offering in page["InstanceTypeOfferings"]}


def _history(
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
            if entry.get("ProductDescription", LINUX) == LINUX:  # Windows goes by another price
                name = entry.get("AvailabilityZone")
                where = str(name or entry["AvailabilityZoneId"])
                price = plain(Decimal(entry["SpotPrice"]))
                found[SpotPrice(entry["InstanceType"], where, not name, entry["Timestamp"], price)] = None
    return tuple(sorted(found, key=lambda p: (p.instance_type, p.zone, p.at)))


def _latest(spot: Iterable[SpotPrice]) -> dict[str, dict[str, SpotPrice]]:
    """The last price of each type and zone; `spot` is in the order of time."""
    last: dict[str, dict[str, SpotPrice]] = defaultdict(dict)
    for price in spot:
        last[price.instance_type][price.zone] = price
    return last


def _quotes(
    region: str,
    types: Iterable[Shape],
    listed: dict[tuple[str, str], Listed],
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
                as_of=now.date(),  # in force now, whenever it last changed
                source=SOURCE,
                flags=("zone_id",) if zone and zone.zone_id else (),
            )


def _client(service: str, region: str) -> Any:
    """A boto3 client that gives up in seconds. boto3 is imported here, as only this source needs it."""
    try:
        boto3, config = import_module("boto3"), import_module("botocore.config")
    except ImportError as error:
        raise Unanswered("boto3 is not installed", "pip install 'embedfleet[cloud]'") from error
    patience = config.Config(
        connect_timeout=10, read_timeout=30, retries={"mode": "standard", "max_attempts": 4}
    )
    return boto3.client(service, region_name=region, config=patience)


@contextmanager
def _answering(what: str) -> Generator[None]:
    """Turns what boto3 raises, and an answer that cannot be read, into Unanswered."""
    try:
        errors, parsers = import_module("botocore.exceptions"), import_module("botocore.parsers")
    except ImportError as error:
        raise Unanswered("boto3 is not installed", "pip install 'embedfleet[cloud]'") from error
    try:
        yield
    except errors.ClientError as error:
        said = error.response.get("Error", {})
        reason = (
            f"AWS refused ({what}): {said.get('Code', 'unknown')}, {said.get('Message', 'no reason given')}"
        )
        raise Unanswered(reason.rstrip("."), CREDENTIALS) from error
    except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.TokenRetrievalError) as error:
        raise Unanswered(f"no AWS credentials: {error}", CREDENTIALS) from error
    except (errors.ConnectionError, errors.HTTPClientError) as error:
        raise Unanswered(f"no connection to AWS ({what}): {error}".rstrip("."), NO_NETWORK) from error
    except errors.BotoCoreError as error:  # an unknown profile, an expired login
        raise Unanswered(f"AWS could not be asked ({what}): {error}".rstrip("."), CREDENTIALS) from error
    except parsers.ResponseParserError as error:  # an error page of something between us and AWS
        raise Unanswered(f"what came is no answer of AWS's ({what})", NO_NETWORK) from error
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise Unanswered(f"AWS's answer ({what}) has a new shape: {error!r}", "report this") from error
