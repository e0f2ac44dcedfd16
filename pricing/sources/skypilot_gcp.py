"""GCP in SkyPilot's catalog: a GPU and the machine that carries it are two rows, whose prices add up.

A GPU row names a GPU, a number of them and a zone; the machine is a row without GPU in the same zone. Which goes with
which is in `shapes.csv`. Here also reservations are told from on-demand, which the catalog does not do.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from pricing.gpu import canonical
from pricing.sources.instance_types import shapes
from pricing.sources.skypilot_rows import Row

# SkyPilot files GCP's reservations (DWS) as on-demand where their SKU comes first: 43-51 % of the price in the regions
# where it does not (H100, H200: catalog of 2026-09). Between regions, GPU and host prices otherwise move together:
# within 81 % for the same GPU. So a GPU that costs less than this share of the dearest, each over its host, is no offer.
RESERVED = Decimal("0.6")
# B200's rows are reservations in every region, so none stands out: 8.055 (flex start) and 11.277 (calendar) USD a GPU,
# where on-demand is 16.11 (SKUs for the Americas as public tables quote them, 2026-07-30). Below this is no on-demand.
FLOOR = {"B200": Decimal(12)}

Hosts = Mapping[tuple[str, str | None], Row]  # by instance type and zone


def joined(rows: Iterable[Row]) -> tuple[list[Row], list[str]]:
    """GCP's GPU rows, each on every machine of its zone that may carry it, at the price of both."""
    hosts: dict[tuple[str, str | None], Row] = {}
    gpus: list[Row] = []
    tpus = 0
    for row in rows:
        if row.instance_type and not row.accelerator:
            hosts[row.instance_type, row.zone] = row
        elif row.accelerator.startswith("tpu"):
            tpus += 1
        elif row.accelerator:
            gpus.append(row)
    gpus, reserved = _on_demand_only(gpus, hosts)
    found: list[Row] = []
    alone: Counter[str] = Counter()
    for gpu in gpus:
        carriers = [hosts[t, gpu.zone] for t in _carriers(gpu) if (t, gpu.zone) in hosts]
        if not carriers:
            alone[gpu.accelerator] += 1
        for host in carriers:
            price, spot = _sum(gpu.price, host.price), _sum(gpu.spot, host.spot)
            found.append(
                replace(
                    host, accelerator=gpu.accelerator, count=gpu.count, info=gpu.info, price=price, spot=spot
                )
            )
    return found, _notes(tpus, alone, reserved)


def _notes(tpus: int, alone: Counter[str], reserved: Counter[str]) -> list[str]:
    notes: list[str] = []
    if tpus:
        notes.append(f"gcp: {tpus} TPU rows left out.")
    if alone:
        notes.append(f"gcp: GPU rows without a machine to carry them left out: {_counts(alone)}.")
    if reserved:
        notes.append(
            "gcp: on-demand prices left out as they are what a reservation (DWS) costs, under "
            f"{RESERVED:.0%} of the same GPU's elsewhere or under a known floor: {_counts(reserved)}."
        )
    return notes


def _counts(of: Counter[str]) -> str:
    return ", ".join(f"{n} of {gpu}" for gpu, n in sorted(of.items()))


def _sum(gpu: Decimal | None, host: Decimal | None) -> Decimal | None:
    return None if gpu is None or host is None else gpu + host


def _carriers(gpu: Row) -> list[str]:
    """The machine types a GPU row goes with. A3 Mega's H100s have a row of their own under a name of their own."""
    name = gpu.accelerator if gpu.accelerator == "H100-MEGA" else canonical(gpu.accelerator)
    return [m.instance_type for m in shapes("gcp") if m.gpu == name and m.gpus == gpu.count]


def _on_demand_only(gpus: list[Row], hosts: Hosts) -> tuple[list[Row], Counter[str]]:
    """The same rows without the on-demand prices that are a reservation's, and how many those were."""

    def scaled(row: Row) -> Decimal | None:
        """The on-demand price over that of a host's vCPU, as a cheap region is cheap in both; A4's hosts are free."""
        host = next((hosts[t, row.zone] for t in _carriers(row) if (t, row.zone) in hosts), None)
        if row.price is None or host is None or host.price is None or not host.vcpus:
            return None
        return row.price / (host.price / host.vcpus) if host.price else row.price

    dearest: dict[tuple[str, float | None], Decimal] = {}
    for row in gpus:
        price = scaled(row)
        if price is not None:
            key = (row.accelerator, row.count)
            dearest[key] = max(price, dearest.get(key, price))
    kept: list[Row] = []
    dropped: Counter[str] = Counter()
    for row in gpus:
        price = scaled(row)
        if price is not None and (
            price < RESERVED * dearest[row.accelerator, row.count] or _under_floor(row)
        ):
            dropped[row.accelerator] += 1
            kept.append(replace(row, price=None))
        else:
            kept.append(row)
    return kept, dropped


def _under_floor(row: Row) -> bool:
    floor = FLOOR.get(row.accelerator)
    return floor is not None and row.price is not None and row.price < floor * int(row.count or 1)
