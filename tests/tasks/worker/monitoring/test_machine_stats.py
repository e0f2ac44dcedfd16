"""A worker's machine in figures: real ones here, and NVIDIA's by a library that answers as NVML does."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.worker.monitoring.machine_stats import machine_stats, visible_gpus
from tests.support.paths import ROOT

GPU = ["gpu", "gpu_percent", "gpu_memory_used_bytes", "gpu_memory_total_bytes", "gpu_watts", "gpu_celsius"]

# Three GPUs as NVIDIA's header declares them (nvml.h); the last is of another kind and does not tell its power.
LIBRARY = r"""
#include <string.h>
static int cards[3] = {0, 1, 2};
typedef struct {unsigned gpu, memory;} Rates;
typedef struct {unsigned long long total, free, used;} Memory;
int nvmlInitWithFlags(unsigned flags) {return 0;}
int nvmlDeviceGetCount_v2(unsigned *count) {*count = COUNT; return 0;}
int nvmlDeviceGetHandleByIndex_v2(unsigned n, int **card) {if (n >= COUNT) return 2; *card = cards + n; return 0;}
int nvmlDeviceGetHandleByUUID(const char *id, int **card) {*card = cards + 1; return strcmp(id, "MIG-m") ? 6 : 0;}
int nvmlDeviceGetName(int *card, char *out, unsigned n) {strcpy(out, *card == 2 ? "T4" : "L4"); return 0;}
int nvmlDeviceGetUUID(int *card, char *out, unsigned n) {strcpy(out, "GPU-aa0-x"); out[6] += *card; return 0;}
int nvmlDeviceGetUtilizationRates(int *card, Rates *out) {out->gpu = 90 + *card; return 0;}
int nvmlDeviceGetMemoryInfo(int *card, Memory *out) {out->total = 24000000000ULL; out->used = 5000000000ULL; return 0;}
int nvmlDeviceGetPowerUsage(int *card, unsigned *out) {if (*card == 2) return 3; *out = 71500 + *card; return 0;}
int nvmlDeviceGetTemperature(int *card, int sensor, unsigned *out) {*out = 60 + *card; return 0;}
"""


def test_the_figures_of_this_process_and_machine_are_those_of_the_kernel(tmp_path: Path) -> None:
    found = machine_stats(tmp_path)
    sizes = ["rss_bytes", "peak_rss_bytes", "memory_used_bytes", "memory_total_bytes", "disk_free_bytes"]
    rss, peak, used, total, disk = (found[name] for name in sizes)
    assert isinstance(rss, int)
    assert isinstance(peak, int)
    assert isinstance(used, int)
    assert isinstance(total, int)
    assert 2**20 < rss < total  # an interpreter is larger than a megabyte
    assert 2**20 < peak < total
    assert 0 < used < total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert isinstance(disk, int)
    assert disk > 0
    assert found["cores"] == len(os.sched_getaffinity(0))


def test_allocated_memory_is_measured(tmp_path: Path) -> None:
    before = machine_stats(tmp_path)["rss_bytes"]
    taken = b"x" * 200_000_000
    after = machine_stats(tmp_path)["rss_bytes"]
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after - before > 150_000_000
    del taken
    peak = machine_stats(tmp_path)["peak_rss_bytes"]
    assert isinstance(peak, int)
    assert peak > after - 2**23  # the kernel counts both a little late


def test_missing_scratch_folder_gives_unknown_disk(tmp_path: Path) -> None:
    assert machine_stats(tmp_path / "gone")["disk_free_bytes"] is None


def test_the_figures_are_small_json(tmp_path: Path) -> None:
    assert len(json.dumps(machine_stats(tmp_path))) < 600


def test_cuda_visible_devices_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1a, 5")
    assert visible_gpus() == ["GPU-1a", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []


def measured(tmp_path: Path, before: str = "", **environment: str) -> dict[str, Any]:
    """The gauge as a fresh process sees it."""
    lines = [
        "import json, pathlib",
        "from tasks.worker.monitoring.machine_stats import machine_stats as stats",
    ]
    code = "\n".join([before, *lines, "print(json.dumps(stats(pathlib.Path())))"])
    keep = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=keep | {"LD_LIBRARY_PATH": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return {name: found[name] for name in GPU}


def test_gpu_is_unknown_without_pynvml(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['pynvml'] = None"
    assert measured(tmp_path, hidden) == dict.fromkeys(GPU)


@pytest.fixture
def nvidia(tmp_path: Path) -> Path:
    """A folder for a library in NVIDIA's place."""
    if importlib.util.find_spec("pynvml") is None:
        pytest.skip("the package nvidia-ml-py is not installed")
    return tmp_path


def with_cards(folder: Path, count: int) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    (folder / "nvml.c").write_text(LIBRARY, encoding="ascii")
    command = [compiler, "-shared", "-fPIC", "-w", f"-DCOUNT={count}", "-o", "libnvidia-ml.so.1", "nvml.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def test_gpu_is_unknown_with_a_broken_driver(nvidia: Path) -> None:
    (nvidia / "libnvidia-ml.so.1").write_bytes(b"no library")
    assert measured(nvidia) == dict.fromkeys(GPU)


def test_only_gpu_is_used(nvidia: Path) -> None:
    assert measured(with_cards(nvidia, 1)) == {
        "gpu": "L4",
        "gpu_percent": 90,
        "gpu_memory_used_bytes": 5_000_000_000,
        "gpu_memory_total_bytes": 24_000_000_000,
        "gpu_watts": 71.5,
        "gpu_celsius": 60,
    }


@pytest.mark.parametrize(
    ("chosen", "celsius"),
    [("1", 61), ("1,0", 61), ("GPU-aa1", 61), ("GPU-aa0-x,1", 60), ("MIG-m", 61)],
)
def test_gpu_is_the_first_visible_device(nvidia: Path, chosen: str, celsius: int) -> None:
    assert measured(with_cards(nvidia, 2), CUDA_VISIBLE_DEVICES=chosen)["gpu_celsius"] == celsius


@pytest.mark.parametrize("chosen", ["", "-1", "7", "GPU-aa", "GPU-bb", "MIG-other", "all"])
def test_ambiguous_device_choice_is_unknown(nvidia: Path, chosen: str) -> None:
    assert measured(with_cards(nvidia, 2), CUDA_VISIBLE_DEVICES=chosen) == dict.fromkeys(GPU)


def test_index_among_different_gpus_needs_pci_bus_order(nvidia: Path) -> None:
    with_cards(nvidia, 3)
    assert measured(nvidia, CUDA_VISIBLE_DEVICES="2") == dict.fromkeys(GPU)
    assert measured(nvidia, CUDA_VISIBLE_DEVICES="2", CUDA_DEVICE_ORDER="PCI_BUS_ID")["gpu"] == "T4"


def test_refused_figure_leaves_the_others(nvidia: Path) -> None:
    found = measured(with_cards(nvidia, 3), CUDA_VISIBLE_DEVICES="GPU-aa2")
    assert (found["gpu"], found["gpu_percent"], found["gpu_watts"]) == ("T4", 92, None)
