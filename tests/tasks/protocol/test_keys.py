"""Keys are a file format: other programs and earlier versions look for these very names."""

import re
from pathlib import Path

import pytest

from tasks.protocol import keys

ROOT = Path(__file__).parents[3]


def test_keys_are_those_of_the_version_before() -> None:
    assert [
        keys.plan_key("r"),
        keys.probe_key("r"),
        keys.manifest_header_key("r"),
        keys.manifest_slab_key("r", 7),
        keys.base_dataset_key("r"),
        keys.dataset_key("r"),
        keys.control_key("r"),
        keys.machine_control_key("r", "r-l0m0-0"),
        keys.lease_key("r", "00007", "ab", 3),
        keys.receipt_key("r", "00007", "ab"),
        keys.part_key("r", "00007", "ab", 40, "c0ffee"),
        keys.quarantine_key("r", "00007", "ab-c0ffee"),
        keys.vectors_key("ab-c0ffee"),
        keys.heartbeat_key("r", "m-0r1"),
        keys.DOCTOR_PROBE_KEY,
    ] == [
        "_embedfleet/r/plan.json",
        "_embedfleet/r/probe",
        "_embedfleet/r/manifest/run.json",
        "_embedfleet/r/manifest/slab-00007.jsonl",
        "_embedfleet/r/manifest/base.json",
        "_embedfleet/r/dataset.parquet",
        "_embedfleet/r/control.json",
        "_embedfleet/r/control/r-l0m0-0.json",
        "_embedfleet/r/leases/00007/ab/000003",
        "_embedfleet/r/receipts/00007/ab.json",
        "_embedfleet/r/parts/00007/ab/000000000040-c0ffee.json",
        "_embedfleet/r/quarantine/00007/ab-c0ffee.jsonl",
        "data/ab-c0ffee.parquet",
        "_embedfleet/r/workers/m-0r1.json",
        "_embedfleet/probe/doctor",
    ]


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        (keys.leases_prefix("r", "00007"), keys.lease_key("r", "00007", "ab", 1)),
        (keys.receipts_prefix("r"), keys.receipt_key("r", "00007", "ab")),
        (keys.receipts_prefix("r", "00007"), keys.receipt_key("r", "00007", "ab")),
        (keys.parts_prefix("r"), keys.part_key("r", "00007", "ab", 1, "c")),
        (keys.parts_prefix("r", "00007"), keys.part_key("r", "00007", "ab", 1, "c")),
        (keys.parts_prefix("r", "00007", "ab"), keys.part_key("r", "00007", "ab", 1, "c")),
        (keys.quarantine_prefix("r"), keys.quarantine_key("r", "00007", "a")),
        (keys.heartbeats_prefix("r"), keys.heartbeat_key("r", "m-0")),
        (keys.heartbeats_prefix("r", "m-"), keys.heartbeat_key("r", "m-0")),
        (keys.VECTORS_PREFIX, keys.vectors_key("a")),
        (keys.RUNS_PREFIX, keys.plan_key("r")),
    ],
)
def test_a_listing_by_prefix_finds_the_key(prefix: str, key: str) -> None:
    assert key.startswith(prefix)


def test_a_key_names_its_run_and_its_worker() -> None:
    assert keys.run_of(keys.plan_key("run-1")) == "run-1"
    assert keys.worker_of(keys.heartbeat_key("run-1", "m-0r1")) == "m-0r1"
    assert keys.worker_of(keys.heartbeat_key("run-1", "m.json")) == "m.json"


def test_the_last_part_by_key_reaches_furthest() -> None:
    reach = (9, 10, 1_000_000)
    found = [keys.part_key("r", "00000", "ab", rows, "c") for rows in reach]
    assert found == sorted(found)


def test_no_other_file_builds_keys() -> None:
    pattern = re.compile(
        r"""f?["'](?:[^"']*\{[^"'{}]*\}/(?:leases|receipts|parts|quarantine|workers|manifest)/|_embedfleet/[^"']*\{|data/[^"']*\{)"""
    )
    files = [path for folder in ("launcher", "tasks") for path in (ROOT / folder).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        if path != ROOT / "tasks/protocol/keys.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line)
    ]
    assert found == []
