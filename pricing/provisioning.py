"""Provisioning of machines: cold-start times, obtainable machines per region, and the cost of the jobs controller.

Boot is the time from launch to a machine that runs commands, SkyPilot's runtime included, without the search for
capacity. Setup is the installation of the engine. Downloading the model's weights is extra, see `download_seconds`.
Many figures are assumed for lack of measurements, and their source says so; what a finished run measured is better.
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
DOWNLOAD_SLOW_BYTES_PER_SECOND = 92e6
DOWNLOAD_MIDDLE_BYTES_PER_SECOND = 250e6
DOWNLOAD_FAST_BYTES_PER_SECOND = 682e6


@dataclass(frozen=True, slots=True)
class ColdStartSeconds:
    """Seconds from the launch of a machine until its engine can start, without the download of weights."""

    seconds_low: float
    seconds_mid: float
    seconds_high: float
    source: str
    as_of: date


@dataclass(frozen=True, slots=True)
class JobsController:
    """The machine that SkyPilot starts next to a fleet to manage its jobs."""

    instance_type: str
    usd_per_hour: Decimal
    source: str


# SkyPilot 0.14.1 (2026-10-19, sky/jobs/constants.py) asks for 4 vCPUs with 4 GiB each and a disk of 50 GB, stopped
# after 10 idle minutes; the families are the first of its catalogs. In consolidation mode there is none.
JOBS_CONTROLLERS: dict[str, JobsController] = {
    cloud: JobsController(
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
CONTROLLER_IDLE_MINUTES = 10  # how long the controller is paid for after the last job

# Machines of one GPU type that were obtained at once in a region, where it was published, with the source.
OBTAINED_MACHINES: dict[str, tuple[int, str]] = {
    "L4": (
        33,
        "406 L4s in 12 regions of a published run (SkyPilot, 2025), which found 47 in one region alone",
    ),
    "V100": (16, "AWS 2023: 3 of 3 zones gave all 16 machines probed for, about two fifths of the time"),
}
# For other GPUs no larger number was published; fewer machines of a scarce GPU may be available.
DEFAULT_OBTAINABLE = (16, "assumed: what was had of V100s")


def cold_start(cloud: str) -> ColdStartSeconds:
    """Boot and setup time of a cloud together; assumed for a cloud without measurements."""
    table = _table()
    return table.get(cloud, table["*"])


def download_seconds(parameters: int, bytes_per_parameter: int = 2) -> tuple[float, float, float]:
    """Seconds to download a model's weights: low, mid and high."""
    size = parameters * bytes_per_parameter
    return (
        size / DOWNLOAD_FAST_BYTES_PER_SECOND,
        size / DOWNLOAD_MIDDLE_BYTES_PER_SECOND,
        size / DOWNLOAD_SLOW_BYTES_PER_SECOND,
    )


def jobs_controller(cloud: str) -> JobsController | None:
    """The jobs controller that SkyPilot starts on a cloud by default; None if its type or price is unknown."""
    return JOBS_CONTROLLERS.get(cloud)


def obtainable_machines(cloud: str, region: str, gpu: str, *, spot: bool) -> int:  # noqa: ARG001 - evidence may come by place
    """How many machines of a GPU can be expected in a region at once, unless the user gives a number.

    There is no evidence yet that differs by place or purchase kind; for on-demand machines the quota is usually lower.
    """
    return OBTAINED_MACHINES.get(gpu, DEFAULT_OBTAINABLE)[0]


def obtainable_source(gpu: str) -> str:
    """The source of `obtainable_machines`."""
    return OBTAINED_MACHINES.get(gpu, DEFAULT_OBTAINABLE)[1]


@cache
def _table() -> dict[str, ColdStartSeconds]:
    text = files("pricing").joinpath("snapshot", "cold_start.csv").read_text(encoding="utf-8")
    return {
        row["cloud"]: ColdStartSeconds(
            seconds_low=float(row["boot_low"]) + float(row["setup_low"]),
            seconds_mid=float(row["boot_mid"]) + float(row["setup_mid"]),
            seconds_high=float(row["boot_high"]) + float(row["setup_high"]),
            source=f"boot: {row['source']}; setup: {row['setup_source']}",
            as_of=date.fromisoformat(row["as_of"]),
        )
        for row in csv.DictReader(StringIO(text))
    }
