"""Estimate the charges of a run other than machine hours, from receipts at list prices.

Egress of texts and vectors, requests to the store, the first month of the vectors' storage, SkyPilot's controller, and
the machine of a pilot.
What has no price is reported in words. A charge that the ledger has takes precedence over an estimate. Pure, given the
price tables of `pricing`.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.costs.usage.attribution import to_microseconds
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import OtherCharge
from launcher.costs.usage.work_done import Work, WorkDone, work_of
from launcher.money import SECONDS_PER_HOUR, USD_GRAIN, ZERO, decimal_of_float
from pricing import provisioning
from pricing.charges import egress, storage
from pricing.charges.small_charges import READS_PER_SHARD, REQUESTS, WRITES_PER_SHARD
from tasks.protocol.messages.worker_names import machine_and_slot

UNKNOWN_REGION = "?"


@dataclass(frozen=True, slots=True)
class DataRegion:
    """Where the texts or the vectors are stored. `region` is "?" if the job does not say."""

    cloud: str
    region: str


@dataclass(frozen=True, slots=True)
class PilotUse:
    """The pilots of the run: hours of their machine, and its USD an hour; None: unknown."""

    hours: float
    usd_per_hour: Decimal | None


def estimate_charges(
    machine_lives: Sequence[MachineTime],
    receipts: Work,
    corpus: DataRegion | None,
    output: DataRegion | None,
    began: datetime,
    until: datetime,
    known: Collection[str] = (),
    pilot: PilotUse | None = None,
) -> tuple[list[OtherCharge], list[str]]:
    """Estimate charges; also returns sentences on what has no price. `known`: kinds that the ledger has charges of."""
    rented = [m for m in machine_lives if m.cloud != "local"]
    unpriced: list[str] = []
    found: list[OtherCharge] = []
    if pilot is not None and "pilot" not in known:
        found += _pilot(pilot, unpriced)
    if not rented:
        return found, unpriced
    work = work_of(receipts)
    if "egress" not in known:
        charges, notes = _egress(rented, work, corpus, output)
        found += charges
        unpriced += notes
    if output and output.cloud != "local":
        if "requests" not in known:
            found += _requests(output, len(work), unpriced)
        if "storage" not in known:
            found += _storage(output, work, unpriced)
    if "controller" not in known:
        found += _controller(rented, began, until, unpriced)
    return found, unpriced


def _egress(
    rented: Sequence[MachineTime],
    work: WorkDone,
    corpus: DataRegion | None,
    output: DataRegion | None,
) -> tuple[list[OtherCharge], list[str]]:
    """Egress by place: texts to its machines, vectors from them."""
    if corpus is None or output is None or UNKNOWN_REGION in (corpus.region, output.region):
        return [], ["egress: the job does not say in which region its corpus and its output are"]
    places = _bytes_by_place(rented, work)
    charges: list[OtherCharge] = []
    unpriced: list[str] = []
    for (cloud, region), (texts, vectors) in sorted(places.items()):
        parts: list[Decimal | None] = []
        if corpus.cloud != "local":  # upload from the user's machine is not billed by a cloud
            size = egress.gigabytes(corpus.cloud, texts)
            parts.append(egress.transfer_usd(corpus.cloud, corpus.region, cloud, region, size))
        size = egress.gigabytes(cloud, vectors)
        if output.cloud == "local":
            parts.append(egress.internet_usd(cloud, region, size))
        else:
            parts.append(egress.transfer_usd(cloud, region, output.cloud, output.region, size))
        if None in parts:
            unpriced.append(f"egress of {cloud}/{region}: no price known")
            continue
        usd = sum((part for part in parts if part is not None), ZERO).quantize(USD_GRAIN)
        place = f"{cloud}/{region}"
        charges.append(
            OtherCharge("egress", float(texts + vectors), "bytes", usd, estimated=True, place=place)
        )
    return charges, unpriced


def _bytes_by_place(rented: Sequence[MachineTime], work: WorkDone) -> dict[tuple[str, str], tuple[int, int]]:
    """Bytes of texts and of vectors, by the place of the machine life in which a receipt was made."""
    lives = defaultdict[str, list[MachineTime]](list)
    for machine in rented:
        lives[machine.name].append(machine)
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for worker, mine in work.by_worker():
        left = mine
        for life in reversed(lives.get(machine_and_slot(worker, lives)[0], [])):
            begun = work.started[left] >= to_microseconds(life.started)
            if life is lives[life.name][0]:  # work from before the first life is of a wrong clock
                begun[:] = True
            here, left = left[begun], left[~begun]
            if not len(here):
                continue
            key = (life.cloud, life.region or UNKNOWN_REGION)
            texts, vectors = places.get(key, (0, 0))
            places[key] = (
                texts + int(work.input_bytes[here].sum()),
                vectors + int(work.output_bytes[here].sum()),
            )
    return places


def _requests(output: DataRegion, shards: int, unpriced: list[str]) -> list[OtherCharge]:
    price = REQUESTS.get(output.cloud)
    if price is None:
        unpriced.append(f"requests to the store on {output.cloud}: no price known")
        return []
    usd = price.shards_usd(shards).quantize(USD_GRAIN)
    return [
        OtherCharge(
            "requests", float(shards * (WRITES_PER_SHARD + READS_PER_SHARD)), "requests", usd, estimated=True
        )
    ]


def _storage(output: DataRegion, work: WorkDone, unpriced: list[str]) -> list[OtherCharge]:
    size = work.sums.output_bytes
    usd = (
        None
        if output.region == UNKNOWN_REGION
        else storage.storage_month_usd(output.cloud, output.region, size)
    )
    if usd is None:
        unpriced.append("storage of the vectors: no price known in their region")
        return []
    return [OtherCharge("storage", float(size), "bytes for a month", usd.quantize(USD_GRAIN), estimated=True)]


def _pilot(pilot: PilotUse, unpriced: list[str]) -> list[OtherCharge]:
    """The machine of the run's pilots."""
    if pilot.usd_per_hour is None:
        unpriced.append("the pilot's machine: no price known where it is")
        return []
    usd = (pilot.usd_per_hour * decimal_of_float(pilot.hours)).quantize(USD_GRAIN)
    return [OtherCharge("pilot", pilot.hours, "hours", usd, estimated=True)]


def _controller(
    rented: Sequence[MachineTime], began: datetime, until: datetime, unpriced: list[str]
) -> list[OtherCharge]:
    known = [
        c.usd_per_hour
        for cloud in sorted({m.cloud for m in rented})
        if (c := provisioning.jobs_controller(cloud))
    ]
    if not known:
        unpriced.append("SkyPilot's controller: no price known on these clouds")
        return []
    seconds = max(0.0, (until - began).total_seconds()) + 60 * provisioning.CONTROLLER_IDLE_MINUTES
    hours = decimal_of_float(seconds / SECONDS_PER_HOUR)
    return [
        OtherCharge(
            "controller", float(hours), "hours", (min(known) * hours).quantize(USD_GRAIN), estimated=True
        )
    ]
