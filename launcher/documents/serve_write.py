"""What `serve --write` says of the service that it wrote, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDocument:
    """A service of SkyServe with vLLM: how many machines for so many queries, and what they cost."""

    schema: str = "embedfleet/serve-write/1"
    run: str
    file: str
    gpu: str
    instance_type: str
    places: tuple[str, ...]  # cheapest first
    usd_per_hour: Decimal  # of one machine in the cheapest place, on demand
    queries_per_second: float  # asked for
    tokens_per_query: int
    replica_queries_per_second: float  # that one machine takes with a margin
    replicas: int
    usd_per_month: Decimal  # of all machines, 730 hours
    speed_source: str  # of the tokens per second
    hosted: str | None  # the cheapest hosted API of the same weights, else of the same class
    hosted_same_weights: bool | None  # None: there is no API to compare with
    break_even_queries_per_day: int | None  # above which the machines are cheaper than that API
    request: Mapping[str, int | str]  # what a client must send with every request
    prompts: Mapping[str, str]  # what it must put before texts
    notes: tuple[str, ...]
