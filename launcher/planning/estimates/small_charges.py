"""What a plan says of charges that are not in its dollars: requests, public IPv4 addresses and NAT gateways.

They are small beside the machines, so the plan names them with what they come to. Pure.
"""

from collections.abc import Sequence
from math import ceil

from launcher.format import money
from launcher.money import decimal_of_float
from launcher.planning.estimates.estimate import Estimate
from pricing.charges.small_charges import (
    IPV4_USD_PER_HOUR,
    NAT_USD,
    READS_PER_SHARD,
    REQUESTS,
    WRITES_PER_SHARD,
)

LOCAL = "local"


def small_charges(chosen: Estimate, tokens: float, shard_tokens: int, store: str | None) -> tuple[str, ...]:
    """The charges of a rented fleet that its dollars leave out, in words. `store` is the cloud of the vectors."""
    rented = sorted({a.candidate.cloud for a in chosen.allocations} - {LOCAL})
    if not rented:
        return ()
    return (_requests(ceil(tokens / shard_tokens), store), *_addresses(chosen, rented))


def _requests(shards: int, store: str | None) -> str:
    """About shards, because documents are not cut and the last one is smaller."""
    which = "one shard" if shards == 1 else f"each of {shards:,} shards"
    amount = f"requests to the object store: about {WRITES_PER_SHARD + READS_PER_SHARD} for {which}"
    price = REQUESTS.get(store or "")
    if price is None:
        return f"{amount}; no price known{f' on {store}' if store else ''}"
    return f"{amount}, {money(price.shards_usd(shards))} ({price.source})"


def _addresses(chosen: Estimate, rented: Sequence[str]) -> list[str]:
    """Public IPv4 addresses of the machines, and NAT gateways."""
    lines: list[str] = []
    for cloud in rented:
        if cloud not in IPV4_USD_PER_HOUR:
            continue
        usd, source = IPV4_USD_PER_HOUR[cloud]
        machines = sum(a.machines for a in chosen.allocations if a.candidate.cloud == cloud)
        total = usd * machines * decimal_of_float(chosen.hours.mid)
        gateway, gigabyte = NAT_USD[cloud]
        lines.append(
            f"public IPv4 addresses on {cloud}: ${usd:f} a machine-hour, at most about {money(total)} ({source}); "
            f"behind a NAT gateway of your own ${gateway:f} an hour and ${gigabyte:f} a GB instead"
        )
    others = [cloud for cloud in rented if cloud not in IPV4_USD_PER_HOUR]
    if others:
        lines.append(f"public IPv4 addresses and NAT on {', '.join(others)}: no price known")
    return lines
