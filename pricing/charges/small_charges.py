"""Charges that are small beside machines: requests to object stores, public IPv4 addresses and NAT gateways.

List prices, each with source and date. What is not here has no price that was read. Pure.
"""

from dataclasses import dataclass
from decimal import Decimal

# Claim, vectors, receipt, and sometimes a renewal: measured per shard (docs/architecture.md, requests).
WRITES_PER_SHARD = Decimal("3.3")
# The shard's slice, and a check of what is done; a read costs a tenth of a write or less.
READS_PER_SHARD = Decimal(2)


@dataclass(frozen=True, slots=True)
class RequestPrice:
    """USD per request at list price, standard class."""

    write: Decimal
    read: Decimal
    source: str

    def shards_usd(self, shards: int) -> Decimal:
        """What the requests of so many shards cost."""
        return shards * (WRITES_PER_SHARD * self.write + READS_PER_SHARD * self.read)


REQUESTS = {
    "aws": RequestPrice(Decimal("0.005") / 1000, Decimal("0.0004") / 1000, "S3 us-east-1, 2026-11"),
    "gcp": RequestPrice(
        Decimal("0.005") / 1000, Decimal("0.0004") / 1000, "Cloud Storage, regional, 2026-11"
    ),
}
# USD per hour of a machine for its public IPv4 address. AWS charges it since 2024-02-01, in use or idle.
IPV4_USD_PER_HOUR = {"aws": (Decimal("0.005"), "AWS, since 2024-02-01")}
# A machine that SkyPilot starts has a public address and needs no NAT gateway. Behind one of the account's own, AWS takes
# this for an hour of the gateway and for each GB that it passes on (us-east-1, as a code table of 2026-10 quotes it).
NAT_USD = {"aws": (Decimal("0.045"), Decimal("0.045"))}
