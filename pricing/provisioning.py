"""What it takes to get machines: seconds until one works, how many can be had, and the one that manages them.

Boot is the time from the launch to a machine that runs commands, SkyPilot's runtime included, and not the search
for a free one. Setup is installing the engine. Fetching the model's weights comes on top and is `download_seconds`.
Much here is assumed for want of measurements, and says so in its source; what a finished run measured is better.
"""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import StringIO

# Bytes per second from a model hub onto the disk of a machine. Slow: SkyPilot's storage benchmark reached 92 MB/s
# from S3 onto a default EBS disk (pull request 973, 2022-07). Fast: the hub's own benchmark reached 682 MB/s for
# 5 GB on a machine with 100 Gbit/s (huggingface_hub 1.7.1). Middle: their geometric mean.
DOWNLOAD_SLOW = 92e6
DOWNLOAD_MIDDLE = 250e6
DOWNLOAD_FAST = 682e6


@dataclass(frozen=True, slots=True)
class Boot:
    """Seconds from the launch of a machine until its engine could start, weights apart."""

    seconds_low: float
    seconds_mid: float
    seconds_high: float
    source: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Controller:
    """The machine SkyPilot starts beside a fleet to manage its jobs."""

    instance_type: str
    usd_per_hour: Decimal
    source: str


# SkyPilot 0.14.1 (2026-10-19, sky/jobs/constants.py) asks for 4 vCPUs with 4 GiB each and a disk of 50 GB, stopped
# after 10 idle minutes; the families are the first of its catalogs. In consolidation mode there is none.
CONTROLLERS: dict[str, Controller] = {
    cloud: Controller(
        kind,
        Decimal(usd),
        f"type: SkyPilot 0.14.1; price: {where} on demand, agreed by public code tables, 2026-11",
    )
    for cloud, kind, usd, where in (
        ("aws", "m6i.xlarge", "0.192", "us-east-1"),
        ("azure", "Standard_D4s_v5", "0.192", "eastus"),
        ("gcp", "n2-standard-4", "0.1942", "us-central1"),
    )
}
IDLE_MINUTES = 10  # what the controller is paid for after the last job

# Machines of one GPU type that can be had at once in a region, where anybody showed it.
OBTAINED: dict[str, tuple[int, str]] = {
    "L4": (
        33,
        "406 L4s in 12 regions of a published run (SkyPilot, 2025), which found 47 in one region alone",
    ),
    "V100": (16, "AWS 2023: 3 of 3 zones gave all 16 machines probed for, about two fifths of the time"),
}
# Nobody showed more of any other GPU; a scarce one may well be had less.
OBTAINABLE = (16, "assumed: what was had of V100s")


def cold_start(cloud: str) -> Boot:
    """Boot and setup together; on a cloud nobody timed, assumed."""
    table = _table()
    return table.get(cloud, table["*"])


def download_seconds(parameters: int, bytes_per_parameter: int = 2) -> tuple[float, float, float]:
    """How long fetching the weights takes: low, mid and high."""
    size = parameters * bytes_per_parameter
    return size / DOWNLOAD_FAST, size / DOWNLOAD_MIDDLE, size / DOWNLOAD_SLOW


def controller(cloud: str) -> Controller | None:
    """The jobs controller SkyPilot starts on a cloud by default; None where its type or price is unknown."""
    return CONTROLLERS.get(cloud)


def obtainable(cloud: str, region: str, gpu: str, *, spot: bool) -> int:  # noqa: ARG001 - evidence may come by place
    """How many machines of a GPU to count on in a region at once, unless the user knows better.

    No evidence tells places or purchase kinds apart yet: quotas usually bind first on demand.
    """
    return OBTAINED.get(gpu, OBTAINABLE)[0]


def obtainable_source(gpu: str) -> str:
    """Where that number comes from."""
    return OBTAINED.get(gpu, OBTAINABLE)[1]


@cache
def _table() -> dict[str, Boot]:
    text = files("pricing").joinpath("snapshot", "cold_start.csv").read_text(encoding="utf-8")
    return {
        row["cloud"]: Boot(
            seconds_low=float(row["boot_low"]) + float(row["setup_low"]),
            seconds_mid=float(row["boot_mid"]) + float(row["setup_mid"]),
            seconds_high=float(row["boot_high"]) + float(row["setup_high"]),
            source=f"boot: {row['source']}; setup: {row['setup_source']}",
            as_of=date.fromisoformat(row["as_of"]),
        )
        for row in csv.DictReader(StringIO(text))
    }
