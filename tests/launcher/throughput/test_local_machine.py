"""This machine: how many workers it takes, and the names of its GPUs."""

from pathlib import Path

import pytest

from launcher.throughput import local_machine
from launcher.throughput.local_machine import (
    MAX_CPU_WORKERS,
    gpu_names,
    ledger_gpu_name,
    worker_slots,
)


def test_as_many_workers_as_asked_share_the_cores() -> None:
    one, many = worker_slots(1), worker_slots(64)
    assert (one.workers, many.workers) == (1, 64)
    if not one.gpus:
        assert one.threads is not None
        assert one.threads >= 1
        assert many.threads == 1


def test_default_number_of_cpu_workers_is_limited_by_memory() -> None:
    found = worker_slots(None)
    assert 1 <= found.workers <= max(MAX_CPU_WORKERS, found.gpus)


def test_no_more_workers_than_shards() -> None:
    assert worker_slots(4, 1).workers == 1
    assert worker_slots(2, 9).workers == 2


def test_users_choice_of_gpus_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert (worker_slots(None).workers, worker_slots(None).gpus) == (2, 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert worker_slots(None).gpus == 0


def test_gpu_is_kept_under_our_name_of_it_else_under_its_own() -> None:
    assert ledger_gpu_name("NVIDIA L4") == "L4"
    assert ledger_gpu_name("NVIDIA A100-SXM4-80GB") == "A100-80GB"
    assert ledger_gpu_name("Voodoo 2") == "Voodoo 2"
    assert ledger_gpu_name(None) == "cpu"


def test_names_of_the_gpus_come_from_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_machine, "NVIDIA_GPUS", tmp_path)
    assert gpu_names() == []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        text = f"Model: \t\t NVIDIA H200\nIRQ:   \t\t {number}\n"
        (tmp_path / str(number) / "information").write_text(text, encoding="utf-8")
    assert gpu_names() == ["H200", "H200"]
