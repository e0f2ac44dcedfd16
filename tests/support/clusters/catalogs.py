"""SkyPilot's catalogs for AWS and GCP, written from our own snapshot of prices, so that its optimizer works offline.

    python -m tests.support.clusters.catalogs HOME

What a catalog has and a price book has not (memory of a GPU, an image) is filled in with something that passes.
"""

import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from pricing.book import price_book
from pricing.offer import Offer
from tasks.skypilot_task import ACCELERATORS, ZONE_ID
from tests.support.clusters.skyhome import GPUS, write_csv

HEADER = [
    "InstanceType", "AcceleratorName", "AcceleratorCount", "vCPUs", "MemoryGiB", "Price", "Region", "GpuInfo",
    "SpotPrice", "AvailabilityZone",
]  # fmt: skip
MORE = ["Arch", "LocalDiskType", "LocalDiskSize", "LocalDiskCount", "NVMeSupported"]
CPU_ONLY = (
    ("m6i.large", 2, 8, "0.096"),
    ("m6i.2xlarge", 8, 32, "0.384"),
)  # what its controllers are looked for among


def write(home: Path) -> None:
    """All files under `.sky` of this home."""
    root = home / ".sky" / "catalogs" / "v8"
    write_csv(
        root / "common" / "accelerators.csv",
        ["AcceleratorName", "Clouds"],
        [[g, "['AWS', 'GCP']"] for g in GPUS],
    )
    rows = [[gpu, gib, "nvidia"] for gpu, gib in GPUS.items()]
    write_csv(root / "common" / "metadata.csv", ["GPU", "MemoryGB", "Manufacturer"], rows)
    offers = [o for o in price_book.load() if ACCELERATORS.get(o.gpu, o.gpu) in GPUS]
    write_csv(root / "aws" / "vms.csv", HEADER + MORE, _aws([o for o in offers if o.cloud == "aws"]))
    write_csv(root / "gcp" / "vms.csv", HEADER, _gcp([o for o in offers if o.cloud == "gcp"]))


def _machines(offers: list[Offer]) -> dict[tuple[str, str], list[Offer]]:
    found: dict[tuple[str, str], list[Offer]] = defaultdict(list)
    for offer in offers:
        found[offer.region, offer.instance_type].append(offer)
    return found


def _sizes(offers: list[Offer]) -> dict[str, tuple[int, float]]:
    """vCPUs and memory of each type of machine, the same in all regions: a feed may know them in some only."""
    found: dict[str, tuple[int, float]] = {}
    for one in offers:
        vcpus, memory = found.get(one.instance_type, (0, 0.0))
        found[one.instance_type] = (max(vcpus, int(one.vcpus or 0)), max(memory, float(one.memory_gb or 0)))
    return {kind: (vcpus or 8, memory or 32.0) for kind, (vcpus, memory) in found.items()}


def _info(gpu: str, count: float) -> str:
    gib = GPUS[gpu] * 1024
    one = {"Name": gpu, "Manufacturer": "NVIDIA", "Count": count, "MemoryInfo": {"SizeInMiB": gib}}
    return str({"Gpus": [one], "TotalGpuMemoryInMiB": gib * count})


def _price(offers: list[Offer], purchase: str) -> Decimal | str:
    return min((o.usd_per_hour for o in offers if o.purchase == purchase), default="")  # type: ignore[type-var]


def _aws(offers: list[Offer]) -> list[list[Any]]:
    """A row for each zone; a region without named zones has one."""
    rows: list[list[Any]] = []
    sizes = _sizes(offers)
    for (region, kind), found in _machines(offers).items():
        first = found[0]
        gpu = ACCELERATORS.get(first.gpu, first.gpu)
        zones = sorted({o.zone for o in found if o.zone and ZONE_ID.fullmatch(o.zone)}) or [f"{region}a"]
        for zone in zones:
            spot = [o for o in found if o.zone == zone] or found
            rows.append(
                [kind, gpu, int(first.gpus), *sizes[kind], _price(found, "on-demand"), region,
                 _info(gpu, first.gpus), _price(spot, "spot"), zone, "x86_64", "", "", "", ""]
            )  # fmt: skip
    for region in sorted({offer.region for offer in offers}):
        rows += [
            [kind, "", "", cpus, memory, usd, region, "", "", f"{region}a", "x86_64", "", "", "", ""]
            for kind, cpus, memory, usd in CPU_ONLY
        ]
    return rows


def _gcp(offers: list[Offer]) -> list[list[Any]]:
    """A machine without a GPU and a GPU without a machine, whose prices add up: all on the machine, none on the GPU."""
    rows: list[list[Any]] = []
    sizes = _sizes(offers)
    gpus: dict[tuple[str, str, float], float] = {}
    for (region, kind), found in _machines(offers).items():
        first = found[0]
        gpu = ACCELERATORS.get(first.gpu, first.gpu)
        spot, dear = _price(found, "spot"), _price(found, "on-demand")
        rows.append([kind, "", "", *sizes[kind], dear, region, "", spot, f"{region}-a"])
        gpus[region, gpu, first.gpus] = 0.0
    rows += [
        ["", gpu, int(count), "", "", 0, region, _info(gpu, count), 0, f"{region}-a"]
        for region, gpu, count in gpus
    ]
    return rows


if __name__ == "__main__":
    write(Path(sys.argv[1]))
