"""GCP in SkyPilot's catalog: a GPU and its host machine are two rows, whose prices are added.

A GPU row has a GPU, their number and a zone; its host is a row without GPU in the same zone. `shapes.csv` says which
belong together. Also separates reservations from on-demand prices, which the catalog does not do.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from pricing.gpu import canonical
from pricing.sources.instance_types import instance_types
from pricing.sources.skypilot_rows import CatalogRow

# SkyPilot lists GCP's reservations (DWS) as on-demand in regions where their SKU comes first: 43-51 % of the price in the
# other regions (H100, H200: catalog of 2026-09). Otherwise GPU and host prices vary together between regions: within
# 81 % for the same GPU. So a GPU price below this share of the highest, each relative to its host, is a reservation.
RESERVATION_SHARE = Decimal("0.6")
# B200's rows are reservations in every region, so none stands out: 8.055 (flex start) and 11.277 (calendar) USD a GPU,
# where on-demand is 16.11 (SKUs for the Americas as public tables quote them, 2026-07-30). Less is not on-demand.
RESERVATION_BELOW = {"B200": Decimal(12)}

Hosts = Mapping[tuple[str, str | None], CatalogRow]  # by instance type and zone


def join_gpus_to_hosts(rows: Iterable[CatalogRow]) -> tuple[list[CatalogRow], list[str]]:
    """Join each GPU row with every host of its zone that can have it; prices are the sum of both. Also returns notes."""
    hosts: dict[tuple[str, str | None], CatalogRow] = {}
    gpus: list[CatalogRow] = []
    tpus = 0
    for row in rows:
        if row.instance_type and not row.accelerator:
            hosts[row.instance_type, row.zone] = row
        elif row.accelerator.startswith("tpu"):
            tpus += 1
        elif row.accelerator:
            gpus.append(row)
    gpus, reserved = _without_reservations(gpus, hosts)
    found: list[CatalogRow] = []
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
            f"{100 * RESERVATION_SHARE:.0f} % of the same GPU's elsewhere or under a known floor: {_counts(reserved)}."
        )
    return notes


def _counts(of: Counter[str]) -> str:
    return ", ".join(f"{n} of {gpu}" for gpu, n in sorted(of.items()))


def _sum(gpu: Decimal | None, host: Decimal | None) -> Decimal | None:
    return None if gpu is None or host is None else gpu + host


def _carriers(gpu: CatalogRow) -> list[str]:
    """The host types of a GPU row. A3 Mega's H100s have their own row under their own name."""
    name = gpu.accelerator if gpu.accelerator == "H100-MEGA" else canonical(gpu.accelerator)
    return [m.instance_type for m in instance_types("gcp") if m.gpu == name and m.gpus == gpu.count]


def _without_reservations(gpus: list[CatalogRow], hosts: Hosts) -> tuple[list[CatalogRow], Counter[str]]:
    """Remove on-demand prices that are those of a reservation. Returns all rows, and how many prices were removed."""

    def scaled(row: CatalogRow) -> Decimal | None:
        """The on-demand price relative to a host's vCPU, as both are cheaper in a cheap region; A4's hosts are free."""
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
    kept: list[CatalogRow] = []
    dropped: Counter[str] = Counter()
    for row in gpus:
        price = scaled(row)
        if price is not None and (
            price < RESERVATION_SHARE * dearest[row.accelerator, row.count] or _is_reservation_price(row)
        ):
            dropped[row.accelerator] += 1
            kept.append(replace(row, price=None))
        else:
            kept.append(row)
    return kept, dropped


def _is_reservation_price(row: CatalogRow) -> bool:
    floor = RESERVATION_BELOW.get(row.accelerator)
    return floor is not None and row.price is not None and row.price < floor * int(row.count or 1)
