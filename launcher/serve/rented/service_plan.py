"""How many machines a service needs for so many queries a second, where they are cheapest, and what they cost. Pure.

Speeds are those of the planner for full batches; a server of single queries fills its batches less, so that half of the
P10 is counted on. Prices are of on-demand machines with one GPU: a query does not wait for a spot machine to come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil

from launcher.errors import Infeasible
from launcher.jobs.job import JobLimits
from launcher.ledger.records import MeasuredSpeed
from launcher.planning.estimates.hosted_apis import HostedApi, HostedWork, price_apis
from launcher.planning.offers.usable_offers import unusable_reason
from launcher.throughput.predict import ModelShape
from launcher.throughput.table import SpeedRow, gpu_rows
from pricing.charges.storage import HOURS_PER_MONTH
from pricing.expected_price import expected_prices
from pricing.gpu import gpus
from pricing.hosted.hosted_apis import MILLION, HostedPrice
from pricing.offer import Offer

USED = 0.5  # of the P10 speed: single queries fill batches less, and load has peaks. A judgement, not a measurement
PLACES = 3  # that SkyServe may try
DAYS_PER_MONTH = Decimal(HOURS_PER_MONTH) / 24


@dataclass(frozen=True, slots=True)
class ServiceChoice:
    """The machines of a service."""

    offers: tuple[Offer, ...]  # one machine type, cheapest place first
    speed: SpeedRow
    usd_per_hour: Decimal
    replica_queries_per_second: float
    replicas: int

    @property
    def usd_per_month(self) -> Decimal:
        """USD a month for all machines."""
        return self.usd_per_hour * self.replicas * HOURS_PER_MONTH


def choose_service(
    shape: ModelShape,
    offers: Sequence[Offer],
    *,
    queries_per_second: float,
    tokens: int,
    now: datetime,
    seen: Sequence[MeasuredSpeed] = (),
    name: str | None = None,
) -> ServiceChoice:
    """The cheapest machines for a load. `tokens` are of a query, `name` is that of a folder in the ledger.

    Raises:
        Infeasible: no offer has a GPU that holds the model and whose speed is known.
    """
    rows = {row.gpu: row for row in gpu_rows(shape, gpus(), [tokens], "vllm", seen=seen, name=name)}
    prices = expected_prices(offers, now)
    limits = JobLimits()
    best: dict[tuple[str, str, str], list[tuple[Decimal, Offer]]] = {}
    for offer in offers:
        row = rows.get(offer.gpu)
        single = not offer.spot and offer.gpus == 1
        if not single or row is None or row.tokens_per_second is None or unusable_reason(offer, limits):
            continue
        key = (offer.cloud, offer.instance_type, offer.gpu)
        best.setdefault(key, []).append((prices[offer.key].usd_per_hour, offer))
    choices = [_choice(places, rows[key[2]], queries_per_second, tokens) for key, places in best.items()]
    if not choices:
        raise Infeasible(
            f"no offer of one GPU holds {shape.name} at a known speed",
            hint=f"embedfleet speed --model {shape.name} says which GPUs hold it",
        )
    return min(choices, key=lambda one: (one.usd_per_month, one.replicas, one.offers[0].key))


def _choice(
    places: Sequence[tuple[Decimal, Offer]], row: SpeedRow, queries_per_second: float, tokens: int
) -> ServiceChoice:
    ranked = sorted(places, key=lambda one: (one[0], one[1].key))
    assert row.tokens_per_second is not None
    rate = USED * row.tokens_per_second.low / tokens
    return ServiceChoice(
        offers=tuple(offer for _, offer in ranked[:PLACES]),
        speed=row,
        usd_per_hour=ranked[0][0],
        replica_queries_per_second=rate,
        replicas=max(1, ceil(queries_per_second / rate)),
    )


def cheapest_hosted(
    model: str, parameters: int | None, dimensions: int, hosted: Sequence[HostedPrice]
) -> HostedApi | None:
    """The cheapest API of the same weights, else of the same class; None: there is none."""
    work = HostedWork(model=model, parameters=parameters, tokens=float(MILLION), dimensions=dimensions)
    apis = price_apis(work, hosted)
    for kind in ("same weights", "same class"):
        of_kind = [api for api in apis if api.relation == kind]
        if of_kind:
            return min(of_kind, key=lambda api: api.usd)
    return None


def break_even(usd_per_month: Decimal, usd_per_million_tokens: Decimal, tokens: int) -> int | None:
    """Queries a day above which so many dollars a month are cheaper than an API; None: the API is free."""
    if usd_per_million_tokens <= 0:
        return None
    a_day = usd_per_month / DAYS_PER_MONTH
    return ceil(a_day * MILLION / (usd_per_million_tokens * tokens))
