"""GCP on-demand and spot prices from the SKUs of the Cloud Billing Catalog.

A machine's price is the sum of its parts: cores, memory and GPUs have their own SKUs (an A4's GPU includes the rest). A
SKU is identified by its description, and many describe a part under other terms than on-demand: reservations and queues
(DWS), commitments, sole tenancy. So only descriptions known to be a plain price are read; all others are left out, and
those of known GPUs are counted. SKUs have prices for regions that lack the machine, so they are joined with the types
that Compute Engine offers in each zone, if a project is given; otherwise every quote is flagged. Local SSD, which some
types (a2-ultragpu, a3) include, has its own SKU and is not in these prices.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from pricing.offer import Quote
from pricing.sources.http import HTTP_CLIENT, Http, HttpRefused
from pricing.sources.instance_types import InstanceType, instance_types
from pricing.sources.result import FetchedPrices, SourceUnavailable, without_trailing_zeros

COMPUTE_ENGINE = "6F81-5844-456A"  # the service's id in the catalog, the same for all accounts
SKUS = f"https://cloudbilling.googleapis.com/v1/services/{COMPUTE_ENGINE}/skus"
AGGREGATED = "https://compute.googleapis.com/compute/v1/projects/{project}/aggregated"
SOURCE = "GCP Cloud Billing Catalog"
KEY, TOKEN, PROJECT = "GOOGLE_API_KEY", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_CLOUD_PROJECT"
NO_KEY = (
    f"set {KEY} to an API key with the Cloud Billing API, or {TOKEN} to the output of `gcloud auth "
    "print-access-token`"
)
NO_ZONES = f"set {TOKEN} and {PROJECT} to have them checked"

# A plain price of a part is "<part> running in <place>", with these words around it if it is a spot price.
PLAIN_DESCRIPTION = re.compile(
    r"(?P<spot>Spot Preemptible )?(?P<part>.+?)(?P<attached> attached to Spot Preemptible VMs)? (running )?in .+"
)
# The GPU (canonical name) by the part named in a description; Google has renamed some between regions.
GPU_PARTS = {
    "Nvidia Tesla T4 GPU": "T4",
    "Nvidia Tesla P100 GPU": "P100",
    "Nvidia Tesla V100 GPU": "V100",
    "Nvidia L4 GPU": "L4",
    "Nvidia Tesla A100 GPU": "A100-40GB",
    "Nvidia Tesla A100 80GB GPU": "A100-80GB",
    "Nvidia H100 80GB GPU": "H100",
    "Nvidia H100 80GB Plus GPU": "H100-MEGA",
    "Nvidia H100 80GB Mega GPU": "H100-MEGA",
    "Nvidia H100 Mega 80GB GPU": "H100-MEGA",
    "H200 141GB GPU": "H200",
    "Nvidia H200 141GB GPU": "H200",
    "A4 Nvidia B200 (1 gpu slice)": "B200",
    "RTX 6000 96GB": "RTX-PRO-6000",  # of G4, as sky/catalog/data_fetchers/fetch_gcp.py of SkyPilot 0.14.1 reads it
}
# The series under which a type's cores and memory are billed, by the prefix of its name; None: the GPU's price
# includes them.
SERIES = {
    "a2-": "A2",
    "a3-highgpu-": "A3",
    "a3-megagpu-": "A3Plus",
    "a3-ultragpu-": "A3Ultra",
    "a4-": None,
    "g2-": "G2",
    "g4-": "G4",
    "n1-": "N1 Predefined",
}
OTHER_TERMS = re.compile(
    r"\bDWS\b|Calendar|Flex.?Start|Commitment|Reserved|Sole Tenancy|Capacity Optimized", re.IGNORECASE
)
# The accelerator type of GPUs that are attached to a machine of choice (n1).
ACCELERATOR_TYPES = {"T4": "nvidia-tesla-t4", "P100": "nvidia-tesla-p100", "V100": "nvidia-tesla-v100"}
NANO_USD = Decimal(1).scaleb(-9)
MAX_USD_PER_HOUR = 1_000_000  # of a unit; more is a slip of the list

PriceKey = tuple[str, str, bool]  # part, region, spot


@dataclass(slots=True)
class SkuPrices:
    """Prices read from SKUs. `terms` counts SKUs under other terms, `conflicts` parts with two prices."""

    prices: dict[PriceKey, Decimal] = field(default_factory=dict[PriceKey, Decimal])
    seen: set[str] = field(default_factory=set[str])
    terms: int = 0
    conflicts: int = 0
    repeated: bool = False  # a page linked back to one already read


def fetch(now: datetime, http: Http = HTTP_CLIENT, environ: Mapping[str, str] = os.environ) -> FetchedPrices:
    """Fetch both prices of every GPU type in shapes.csv, by zone if the offerings of zones can be read.

    Raises:
        SourceUnavailable: no key, no connection, or no prices.
    """
    key, token, project = (environ.get(name) for name in (KEY, TOKEN, PROJECT))
    if not key and not token:
        raise SourceUnavailable("GCP's prices need a key, and none is set", NO_KEY)
    # In a header, never in the URL: URLs end up in messages and logs.
    headers = {"Authorization": f"Bearer {token}"} if token else {"X-Goog-Api-Key": key or ""}
    read = _read_skus(_pages(http, SKUS, {"currencyCode": "USD", "pageSize": "5000"}, headers), now)
    notes: list[str] = []
    if read.terms:
        notes.append(
            f"{read.terms} GPU SKUs under other terms left out: DWS, commitments, reservations, sole tenancy."
        )
    if read.conflicts:
        notes.append(f"{read.conflicts} parts have two prices in one region; the higher is kept.")
    if read.repeated:
        notes.append("A page of SKUs led back to one already read; the reading stopped there.")
    zones: dict[InstanceType, set[str]] | None = None
    if token and project:
        try:
            zones = _zones_of_types(http, project, headers)
        except HttpRefused as refused:
            notes.append(f"Regions are not checked against the zones' offerings: {refused.reason}.")
    else:
        notes.append(f"Regions are not checked against the zones' offerings: {NO_ZONES}.")
    quotes = tuple(_quotes(read.prices, zones, now))
    if not quotes:
        raise SourceUnavailable(
            "GCP's SKUs have no price of a known GPU machine", "try --source skypilot, and report this"
        )
    notes += _notes_on_unpriced(quotes)
    if zones is None:
        return FetchedPrices(quotes, None, tuple(notes))
    known = frozenset((m.instance_type, _region(z)) for m, where in zones.items() for z in where)
    return FetchedPrices(quotes, known, tuple(notes))


def _pages(
    http: Http, url: str, params: Mapping[str, str], headers: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield every page of a list. Stops at a token that was already used, which would loop forever."""
    tokens: set[str] = set()
    token = ""
    while True:
        body = http.get(url, {**params, **({"pageToken": token} if token else {})}, headers)
        try:
            page = json.loads(body)
            token = page.get("nextPageToken") or ""
        except (ValueError, AttributeError, RecursionError) as error:
            raise SourceUnavailable("GCP's answer is not JSON", "try again later") from error
        if not isinstance(token, str):
            raise SourceUnavailable("GCP's answer has a token that is no text", "try again later")
        if not token:
            yield page
            return
        if token in tokens:
            yield {**page, "repeated": True}
            return
        yield page
        tokens.add(token)


def _read_skus(pages: Iterable[dict[str, Any]], now: datetime) -> SkuPrices:
    read = SkuPrices()
    for page in pages:
        read.repeated = read.repeated or "repeated" in page
        for sku in _listed(page, "skus"):
            name = str(sku.get("skuId") or sku.get("name"))
            if name in read.seen:
                continue
            read.seen.add(name)
            try:
                _add_sku(sku, read, now)
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
                raise SourceUnavailable(
                    f"GCP's SKU {name} has a new format: {error!r:.200}", "report this"
                ) from error
    return read


def _listed(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of a list in an answer.

    Raises:
        SourceUnavailable: it is no list of objects.
    """
    found = body.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in cast("list[object]", found)):
        raise SourceUnavailable(f"GCP's answer has a new format: {key} is no list of objects", "report this")
    return cast("list[dict[str, Any]]", found)


def _add_sku(sku: dict[str, Any], read: SkuPrices, now: datetime) -> None:
    """Add the price of a SKU if it is the plain price of a known part."""
    description, category = str(sku["description"]), sku["category"]
    plain = PLAIN_DESCRIPTION.fullmatch(description)
    part = _part(plain["part"]) if plain else None
    others = OTHER_TERMS.search(f"{description} {category.get('resourceGroup', '')}")
    if others or category.get("usageType") not in {"OnDemand", "Preemptible"}:
        read.terms += any(gpu in description for gpu in GPU_PARTS)
        return
    if plain is None or part is None:
        return
    # Some spot SKUs are listed as OnDemand (B200's), so the description counts too.
    spot = bool(category["usageType"] == "Preemptible" or plain["spot"] or plain["attached"])
    price = _price(sku["pricingInfo"], "GiBy.h" if part.endswith(" Ram") else "h", now)
    if price is None:
        return
    for region in sku["serviceRegions"]:
        if not isinstance(region, str):
            raise TypeError(f"a region is {region!r}")
        held = read.prices.get((part, region, spot), price)
        read.conflicts += held != price
        read.prices[part, region, spot] = max(held, price)


def _part(named: str) -> str | None:
    """The key of a part: the canonical name of a GPU, or "A2 Core" and "A2 Ram"; None if unknown."""
    if named in GPU_PARTS:
        return GPU_PARTS[named]
    for series in SERIES.values():
        if series is not None and named in {f"{series} Instance Core", f"{series} Instance Ram"}:
            return f"{series} {named.rpartition(' ')[2]}"
    return None


def _price(infos: list[dict[str, Any]], unit: str, now: datetime) -> Decimal | None:
    """USD per unit and hour, exact; None if it is 0, tiered, or in another unit or currency."""
    current = [i for i in infos if str(i.get("effectiveTime", ""))[:10] <= f"{now:%Y-%m-%d}"]
    if not current:
        return None
    expression = current[-1]["pricingExpression"]  # in chronological order
    rates = expression["tieredRates"]
    if expression["usageUnit"] != unit or len(rates) != 1:
        return None
    price = rates[0]["unitPrice"]
    if price.get("currencyCode", "USD") != "USD":
        return None
    usd = Decimal(price.get("units") or 0) + int(price.get("nanos") or 0) * NANO_USD
    if not usd.is_finite() or not 0 <= usd < MAX_USD_PER_HOUR:
        raise ValueError(f"a price of {usd}")
    return usd or None


def _zones_of_types(http: Http, project: str, headers: Mapping[str, str]) -> dict[InstanceType, set[str]]:
    """Fetch the zones that offer each machine. GPUs of n1 are attached by choice, so both must be in the zone."""
    types: dict[str, set[str]] = defaultdict(set)
    cards: dict[str, set[str]] = defaultdict(set)
    names = f"({'|'.join(SERIES)}).*"
    root = AGGREGATED.format(project=project)
    lists = (
        ("machineTypes", f'name eq "{names}"', types),
        ("acceleratorTypes", 'name eq "nvidia-.*"', cards),
    )
    for kind, matching, found in lists:
        fields = f"nextPageToken,items/*/{kind}(name)"
        params = {"filter": matching, "maxResults": "500", "fields": fields, "returnPartialSuccess": "true"}
        for page in _pages(http, f"{root}/{kind}", params, headers):
            try:
                for place, held in page.get("items", {}).items():
                    for entry in held.get(kind, []):
                        found[str(entry["name"])].add(str(place).removeprefix("zones/"))
            except (LookupError, TypeError, AttributeError) as error:
                raise SourceUnavailable(
                    f"GCP's list of {kind} has a new format: {error!r:.200}", "report this"
                ) from error
    return {
        m: types[m.instance_type] & cards[ACCELERATOR_TYPES[m.gpu]]
        if m.gpu in ACCELERATOR_TYPES
        else types[m.instance_type]
        for m in instance_types("gcp")
    }


def _quotes(
    prices: Mapping[PriceKey, Decimal], zones: Mapping[InstanceType, set[str]] | None, now: datetime
) -> Iterator[Quote]:
    regions = sorted({region for _, region, _ in prices})
    for shape in instance_types("gcp"):
        for region in regions:
            on_demand = _machine_price(shape, region, prices, spot=False)
            spot = _machine_price(shape, region, prices, spot=True)
            if on_demand is None and spot is None:
                continue
            here = sorted(z for z in zones[shape] if _region(z) == region) if zones is not None else []
            if zones is not None and not here and shape.gpu in ACCELERATOR_TYPES:
                continue  # validation cannot reject it: the type is in the region, only not with this GPU
            # Other types keep one quote if no zone has them, which validation then rejects.
            for zone in here or [None]:
                yield Quote(
                    cloud="gcp",
                    region=region,
                    zone=zone,
                    instance_type=shape.instance_type,
                    gpu=shape.gpu,
                    gpus=shape.gpus,
                    vcpus=shape.vcpus,
                    memory_gb=shape.memory_gb,
                    on_demand=on_demand,
                    spot=spot,
                    as_of=now.date(),
                    source=SOURCE,
                    flags=("region_unverified",) if zones is None else (),
                )


def _machine_price(
    shape: InstanceType, region: str, prices: Mapping[PriceKey, Decimal], *, spot: bool
) -> Decimal | None:
    """The sum of a machine's parts; None if one of them has no price in the region."""
    gpu = prices.get((shape.gpu, region, spot))
    if gpu is None:
        return None
    total = gpu * int(shape.gpus)
    series = next(s for start, s in SERIES.items() if shape.instance_type.startswith(start))
    if series is None:
        return without_trailing_zeros(total)
    core, ram = prices.get((f"{series} Core", region, spot)), prices.get((f"{series} Ram", region, spot))
    if core is None or ram is None or shape.vcpus is None or shape.memory_gb is None:
        return None
    return without_trailing_zeros(total + core * shape.vcpus + ram * Decimal(str(shape.memory_gb)))


def _region(zone: str) -> str:
    return zone.rpartition("-")[0]


def _notes_on_unpriced(quotes: Iterable[Quote]) -> list[str]:
    priced = {(q.instance_type, q.gpu) for q in quotes}
    missing = sorted(
        {m.instance_type for m in instance_types("gcp") if (m.instance_type, m.gpu) not in priced}
    )
    return [f"No price for {', '.join(missing)}."] if missing else []
