"""What a plan says of requests, public addresses and NAT: figures where a price is known, else that none is."""

from decimal import Decimal

from launcher.planning.estimates.estimate import NO_CHARGES, Allocation
from launcher.planning.estimates.small_charges import small_charges
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from pricing.charges.small_charges import REQUESTS
from tests.support.candidates import candidate, sure


def said(cloud: str, store: str | None, machines: int = 4, tokens: float = 1e9) -> tuple[str, ...]:
    requirements = Requirements(tokens=sure(tokens), charges=NO_CHARGES)
    fleet = estimate_fleet((Allocation(candidate(cloud=cloud), machines, tokens),), requirements)
    return small_charges(fleet, tokens, 2**20, store)


def test_requests_are_counted_by_shards_at_the_stores_price() -> None:
    requests, _ = said("aws", "aws")
    assert requests.startswith("requests to the object store: about 5.3 for each of 954 shards, $0.0")
    assert REQUESTS["aws"].shards_usd(1000) == Decimal("0.0173")


def test_one_shard_is_not_each_of_one() -> None:
    assert "about 5.3 for one shard, $" in said("aws", "aws", tokens=1e5)[0]


def test_store_without_a_price_says_so() -> None:
    assert said("aws", "r2")[0].endswith("954 shards; no price known on r2")
    assert said("aws", None)[0].endswith("954 shards; no price known")


def test_addresses_cost_on_aws_and_nat_is_named() -> None:
    (_, addresses) = said("aws", "aws")
    assert addresses.startswith("public IPv4 addresses on aws: $0.005 a machine-hour, at most about $")
    assert "NAT gateway of your own $0.045 an hour and $0.045 a GB" in addresses


def test_addresses_of_other_clouds_are_unknown_and_this_machine_has_none() -> None:
    assert said("gcp", "gcp")[1] == "public IPv4 addresses and NAT on gcp: no price known"
    assert said("local", "aws") == ()
