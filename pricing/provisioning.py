"""Provisioning of machines: cold-start times and the cost of the jobs controller.

Boot is the time from launch to a machine that runs commands, SkyPilot's runtime included, without the search for
capacity (`capacity_wait`). Setup is the installation of the engine. Then come the download of the model's weights
(`download_seconds`), the start of the engine (`engine_start`) and the texts of the first shard (`FIRST_SHARD`).
Many figures are assumed for lack of measurements, and their source says so; what a finished run measured is better.
"""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import StringIO
from itertools import pairwise

# Bytes per second from a model hub onto the disk of a machine. Slow: SkyPilot's storage benchmark reached 92 MB/s
# from S3 onto a default EBS disk (pull request 973, 2022-07). Fast: the hub's own benchmark reached 682 MB/s for
# 5 GB on a machine with 100 Gbit/s (huggingface_hub 1.7.1). Middle: their geometric mean.
DOWNLOAD_SLOW_BYTES_PER_SECOND = 92e6
DOWNLOAD_MIDDLE_BYTES_PER_SECOND = 250e6
DOWNLOAD_FAST_BYTES_PER_SECOND = 682e6


@dataclass(frozen=True, slots=True)
class ColdStartSeconds:
    """Seconds from the launch of a machine until its engine is installed, without the download of weights."""

    seconds_low: float
    seconds_mid: float
    seconds_high: float
    boot: tuple[float, float, float]  # the part until the machine runs commands: low, mid, high
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
# Half of the machine of a jobs controller: the next smaller type of its family, 2 vCPUs and 8 GiB, at half the price, as
# the families are priced by the vCPU. `embedfleet launch --pilot` runs the launcher on one.
PILOT_MACHINES: dict[str, JobsController] = {
    cloud: JobsController(kind, JOBS_CONTROLLERS[cloud].usd_per_hour / 2, "half of the jobs controller's")
    for cloud, kind in (("aws", "m6i.large"), ("azure", "Standard_D2s_v5"), ("gcp", "n2-standard-2"))
}
CONTROLLER_IDLE_MINUTES = 10  # how long the controller is paid for after the last job
# Seconds until the controller takes its first job: the boot of a machine without a GPU, and SkyPilot with its cloud
# libraries installed on it. Assumed: no measurement was found. It is paid for, and the fleet waits for it.
CONTROLLER_START_SECONDS = (120.0, 180.0, 300.0)

# Seconds of waiting for capacity: low, mid and high. Assumed until forecasts exist. Spot: all of what was probed for
# (16 V100s in three AWS zones, 2023) was there about two fifths of the time; SkyPilot tries again after 60 s, then
# after 1.6 times as long each time (0.14.1, RETRY_INIT_GAP_SECONDS), so half come within the second try (60 s) and nine
# tenths within the fifth (555 s). On demand: at once for half, and within one more try for nine tenths.
SPOT_WAIT_SECONDS = (0.0, 60.0, 555.0)
ON_DEMAND_WAIT_SECONDS = (0.0, 0.0, 60.0)

# Seconds from loading the weights until an engine embeds, by parameters of the model. Measured on one H200 with 16 cores
# in November 2026 (vLLM 0.25.1: MiniLM 26.9, bge-large 36.5, a 7B Qwen2 70.4; torch: 10.0, 8.9 and 10.7), nothing
# compiled kept from an earlier start. Between the points it is linear, and beyond them as steep as the last part.
ENGINE_STARTS: dict[str, tuple[tuple[float, float], ...]] = {
    "vllm": ((22.7e6, 26.9), (335e6, 36.5), (7.61e9, 70.4)),
    "torch": ((22.7e6, 9.5), (335e6, 9.5), (7.61e9, 10.7)),
}
# Assumed: a start is at best as much quicker, and on the 4 cores of a small machine as much slower, as this.
ENGINE_START_FASTEST, ENGINE_START_SLOWEST = 0.75, 2.5
# Beyond the start of torch: packed compiles one layer of the model where the GPU has FlashAttention's kernel, and none
# where the machine has kept the code. Assumed: no GPU has measured it; on a CPU a layer of MiniLM took 6 CPU seconds.
COMPILE_SECONDS: dict[str, tuple[float, float, float]] = {"packed": (0.0, 15.0, 60.0)}
# Seconds for the first texts of the first shard to be claimed and read; assumed from a few requests to the store.
FIRST_SHARD_SECONDS = (1.0, 3.0, 10.0)


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


def engine_start(engine: str, parameters: int) -> tuple[float, float, float]:
    """Seconds to start an engine with a model: low, mid and high.

    An engine without measurements is taken as torch, and packed with what it compiles besides.
    """
    points = ENGINE_STARTS.get(engine, ENGINE_STARTS["torch"])
    (left, low), (right, high) = points[-2:]
    for (x1, y1), (x2, y2) in pairwise(points):
        if parameters <= x2:
            (left, low), (right, high) = (x1, y1), (x2, y2)
            break
    middle = low + (high - low) * (max(parameters, points[0][0]) - left) / (right - left)
    quick, usual, slow = COMPILE_SECONDS.get(engine, (0.0, 0.0, 0.0))
    return ENGINE_START_FASTEST * middle + quick, middle + usual, ENGINE_START_SLOWEST * middle + slow


@cache
def machine_start(cloud: str, engine: str, parameters: int) -> tuple[float, float, float]:
    """Seconds from a machine that is there until it embeds, as assumed: low, mid and high.

    Boot, setup, download of the weights, start of the engine, and the texts of the first shard.
    """
    setup = cold_start(cloud)
    parts = (
        (setup.seconds_low, setup.seconds_mid, setup.seconds_high),
        download_seconds(parameters),
        engine_start(engine, parameters),
        FIRST_SHARD_SECONDS,
    )
    low, mid, high = (sum(part[end] for part in parts) for end in range(3))
    return low, mid, high


def capacity_wait(*, spot: bool) -> tuple[float, float, float]:
    """Seconds until a place has a machine to give: low, mid and high."""
    return SPOT_WAIT_SECONDS if spot else ON_DEMAND_WAIT_SECONDS


def jobs_controller(cloud: str) -> JobsController | None:
    """The jobs controller that SkyPilot starts on a cloud by default; None if its type or price is unknown."""
    return JOBS_CONTROLLERS.get(cloud)


def pilot_machine(cloud: str) -> JobsController | None:
    """The machine on which a launcher runs away from the laptop; None on a cloud where we know no such type."""
    return PILOT_MACHINES.get(cloud)


def dearest_controller() -> Decimal:
    """The highest known price of a jobs controller, in USD per hour: an upper bound for other clouds."""
    return max(controller.usd_per_hour for controller in JOBS_CONTROLLERS.values())


@cache
def _table() -> dict[str, ColdStartSeconds]:
    text = files("pricing").joinpath("snapshot", "cold_start.csv").read_text(encoding="utf-8")
    return {
        row["cloud"]: ColdStartSeconds(
            seconds_low=float(row["boot_low"]) + float(row["setup_low"]),
            seconds_mid=float(row["boot_mid"]) + float(row["setup_mid"]),
            seconds_high=float(row["boot_high"]) + float(row["setup_high"]),
            boot=(float(row["boot_low"]), float(row["boot_mid"]), float(row["boot_high"])),
            source=f"boot: {row['source']}; setup: {row['setup_source']}",
            as_of=date.fromisoformat(row["as_of"]),
        )
        for row in csv.DictReader(StringIO(text))
    }
