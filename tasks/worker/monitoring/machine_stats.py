"""Statistics of the machine under a worker: memory, CPU, disk, and the GPU that this process uses.

They answer why a worker is slow; no work depends on them. What cannot be found out is None, never 0. Only the standard
library is needed; GPU figures also need the package nvidia-ml-py and NVIDIA's driver.
"""

import contextlib
import importlib
import os
import resource
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

Stat = float | str | None
Stats = dict[str, Stat]

KIB = 2**10
GPU_NAME_CHARACTERS = 60  # characters of a GPU's name, so that a heartbeat stays small
NVIDIA_GPUS = Path(
    "/proc/driver/nvidia/gpus"
)  # one folder each, of the driver; in a container, of those it was given


def machine_stats(scratch: Path) -> Stats:
    """The present figures, in about 0.1 ms without a GPU. The first call with a GPU loads NVIDIA's library."""
    return _process() | _machine(scratch) | _gpu()


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by CUDA's names: those of CUDA_VISIBLE_DEVICES where it is set."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    return [str(n) for n in range(len(list(NVIDIA_GPUS.glob("*"))))]


def _process() -> Stats:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else KIB  # getrusage(2): kilobytes, but bytes on macOS
    return {
        "rss_bytes": _resident(),
        "peak_rss_bytes": usage.ru_maxrss * unit,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
    }


def _machine(scratch: Path) -> Stats:
    load = disk = None
    with contextlib.suppress(OSError):
        load = round(os.getloadavg()[0], 2)
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(scratch).free
    memory = _memory()
    total, free = memory.get("MemTotal"), memory.get("MemAvailable")
    return {
        "memory_used_bytes": None if total is None or free is None else total - free,
        "memory_total_bytes": total,
        "load": load,  # processes that run or wait for a core, over the last minute
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "disk_free_bytes": disk,
    }


def _resident() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None


def _memory() -> dict[str, int]:
    """/proc/meminfo in bytes; of the machine, also in a container."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            value, _, unit = rest.strip().partition(" ")
            if unit == "kB":
                found[name] = int(value) * KIB
    return found


def _gpu() -> Stats:
    nvml = _nvml()
    if nvml is None:
        return dict.fromkeys(GPU_STATS)
    card = _card(os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("CUDA_DEVICE_ORDER"))
    return {name: None if card is None else _ask(look, nvml, card) for name, look in GPU_STATS.items()}


# A partitioned GPU (MIG) refuses some of these, an old driver or a virtual GPU others: each is asked separately.
GPU_STATS: dict[str, Callable[[Any, Any], Stat]] = {
    "gpu": lambda nvml, card: str(nvml.nvmlDeviceGetName(card))[:GPU_NAME_CHARACTERS],
    "gpu_percent": lambda nvml, card: nvml.nvmlDeviceGetUtilizationRates(card).gpu,
    "gpu_memory_used_bytes": lambda nvml, card: nvml.nvmlDeviceGetMemoryInfo(card).used,
    "gpu_memory_total_bytes": lambda nvml, card: nvml.nvmlDeviceGetMemoryInfo(card).total,
    "gpu_watts": lambda nvml, card: nvml.nvmlDeviceGetPowerUsage(card) / 1_000,
    "gpu_celsius": lambda nvml, card: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU),
}


def _ask(look: Callable[[Any, Any], Stat], nvml: Any, card: Any) -> Stat:
    try:
        return look(nvml, card)
    except (nvml.NVMLError, AttributeError, UnicodeDecodeError):
        return None


@cache
def _nvml() -> Any:
    """NVIDIA's management library, opened once; None where it is not installed or finds no driver."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError, OSError, AttributeError):
        return None
    return nvml


@cache
def _card(chosen: str | None, order: str | None) -> Any:
    """The NVML handle of the GPU that CUDA calls 0 in this process; None where that is not certain."""
    nvml = _nvml()
    first = "0" if chosen is None else chosen.partition(",")[0].strip()
    try:
        if first.startswith("MIG-"):
            return nvml.nvmlDeviceGetHandleByUUID(first)
        cards = [nvml.nvmlDeviceGetHandleByIndex(n) for n in range(nvml.nvmlDeviceGetCount())]
        if first.startswith("GPU-"):  # CUDA takes any beginning that fits one GPU only
            fit = [card for card in cards if str(nvml.nvmlDeviceGetUUID(card)).startswith(first)]
            return fit[0] if len(fit) == 1 else None
        # NVML counts in bus order. CUDA does so only with CUDA_DEVICE_ORDER=PCI_BUS_ID: else it sorts GPUs by speed.
        alike = order == "PCI_BUS_ID" or len({nvml.nvmlDeviceGetName(card) for card in cards}) == 1
        return cards[int(first)] if alike and first.isdecimal() and int(first) < len(cards) else None
    except (nvml.NVMLError, AttributeError, UnicodeDecodeError):
        return None
