"""A rebuilt ledger never calls a machine ended that may still work, and one damaged object does not stop the rest."""

import json
import os
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.costs.run_costs import spend_so_far, spent_so_far
from launcher.costs.shared_spend import LifeSpend, SpendRecord
from launcher.fleet.budget.recorded_spend import note_recorded
from launcher.fleet.budget.spend_records import SpendRecords
from launcher.fleet.recovery.rebuild_ledger import Rebuilt, rebuild
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine, MachineState, RunState
from launcher.planning.saved import plan_file
from launcher.planning.saved.plan_file import BadPlan
from tasks.clock import utc
from tasks.protocol import documents, keys, manifest
from tasks.protocol.lease import claim
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.skypilot_task import machine_prefix
from tasks.stores.folder import FolderStore
from tests.support import sample_plan
from tests.support.finished_run import finished_run
from tests.support.runs import header_of, shards_of

SHARDS = 3


def put_plan(store: FolderStore, run: str, plan: dict[str, Any]) -> None:
    body = {key: value for key, value in plan.items() if key != "digest"} | {"run": run}
    store.put(keys.plan_key(run), json.dumps(plan_file.signed(body)).encode())


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A finished run `run-1` of this machine, with three shards by the worker ann."""
    store = FolderStore(tmp_path / "out")
    finished_run(store, tmp_path, shards=SHARDS)
    plan = sample_plan.local()
    plan["lots"][0]["usd_per_hour"] = "1.5"
    put_plan(store, "run-1", plan)
    beat(store, "ann", "done")
    return store


def rebuilt(store: FolderStore, tmp_path: Path, run: str = "run-1") -> tuple[Rebuilt, Ledger]:
    ledger = Ledger.open(tmp_path / "second" / "ledger.db")
    return rebuild(ledger, store, str(store.root), run), ledger


def beat(store: FolderStore, worker: str, state: str, run: str = "run-1", age: float = 0) -> None:
    """The last heartbeat of a worker, written so many seconds ago."""
    at = utc() - timedelta(seconds=age)
    one = Heartbeat(
        run=run,
        worker=worker,
        host="here",
        pid=1,
        started=at - timedelta(hours=1),
        ready=at,
        state=state,
        at=at,
    )
    store.put(keys.heartbeat_key(run, worker), heartbeat.dump(one))
    os.utime(store.root / keys.heartbeat_key(run, worker), (at.timestamp(), at.timestamp()))


def machines(ledger: Ledger, run: str = "run-1") -> dict[str, Machine]:
    return {machine.name: machine for machine in ledger.machines.of_run(run)}


def receipt_path(store: FolderStore) -> Path:
    return min((store.root / "_embedfleet/run-1/receipts/00000").iterdir())


# --- machines


@pytest.mark.parametrize(
    ("state", "age", "ends_as"),
    [
        ("working", 5, MachineState.INTENDED),  # it may still work, here or on another laptop
        ("starting", 5, MachineState.INTENDED),
        ("working", 600, MachineState.LOST),
        ("done", 5, MachineState.STOPPED),
        ("failed", 5, MachineState.LOST),
    ],
)
def test_worker_of_a_laptop_is_ended_by_its_word_or_its_silence(
    store: FolderStore, tmp_path: Path, state: str, age: float, ends_as: MachineState
) -> None:
    beat(store, "bob", state, age=age)
    _, ledger = rebuilt(store, tmp_path)
    bob = machines(ledger)["bob"]
    assert bob.state == ends_as
    assert (bob.ended is None) == (ends_as == MachineState.INTENDED)
    assert machines(ledger)["ann"].state != MachineState.INTENDED


def rented(tmp_path: Path, *states: str) -> tuple[Rebuilt, Ledger]:
    """A rebuilt run of rented machines: one worker each, in these states, silent for a day."""
    store = FolderStore(tmp_path / "rented")
    run = "reviews-1a2b3c4d"
    put_plan(store, run, sample_plan.plan())
    manifest.write(store, header_of(tmp_path, SHARDS, run=run), shards_of(SHARDS))
    for number, state in enumerate(states):
        beat(store, f"{machine_prefix(run)}-l0m{number}-1-0", state, run=run, age=86_400)
    return rebuilt(store, tmp_path, run)


def test_rented_machine_that_did_not_say_goodbye_is_not_called_ended(tmp_path: Path) -> None:
    found, ledger = rented(tmp_path, "working", "done")
    working, done = machines(ledger, found.run.id).values()
    assert (working.state, working.ended) == (MachineState.INTENDED, None)
    assert (done.state, done.ended is None) == (MachineState.STOPPED, False)
    assert (working.cloud, working.lot) == ("aws", 0)
    assert found.run.state == RunState.RUNNING


def record(store: FolderStore, run: str, *lives: LifeSpend) -> None:
    """What a launcher that is gone wrote down as spent."""
    at = utc()
    SpendRecords(store, run, "gone").write(
        SpendRecord(run=run, launcher="gone", by="ann@laptop", at=at, lives=lives)
    )


def life(machine: str, number: int, usd: int, *, ended: bool = True, cloud: str = "aws") -> LifeSpend:
    """A life at $2 an hour that began a day ago."""
    return LifeSpend(
        machine=machine,
        life=str(number) if cloud != "local" else f"{number}:{machine}",
        cloud=cloud,
        usd=Decimal(usd),
        usd_per_hour=Decimal(2),
        started=utc() - timedelta(days=1),
        ended=ended,
    )


def test_every_recorded_life_of_a_rented_machine_costs_what_was_recorded(tmp_path: Path) -> None:
    run = "reviews-1a2b3c4d"
    name = f"{machine_prefix(run)}-l0m0-1"
    store = FolderStore(tmp_path / "rented")
    record(store, run, life(name, 0, 5), life(name, 1, 3), life(f"{name}2", 0, 7))  # the last left no sign
    found, ledger = rented(tmp_path, "done")
    assert [one.number for one in ledger.machines.lives(found.run.id)] == [0, 1]
    assert spent_so_far(ledger, found.run.id, utc()) == 15


def test_total_is_not_called_known_while_the_end_of_a_recorded_machine_is_not(
    store: FolderStore, tmp_path: Path
) -> None:
    record(store, "run-1", life("zed", 7, 2, cloud="local"))
    before = spend_so_far(rebuilt(store, tmp_path)[1], "run-1", utc())
    assert before.usd is not None
    record(store, "run-1", life("zed", 7, 2, cloud="local"), life("zoe", 8, 4, cloud="local", ended=False))
    _, ledger = rebuilt(store, tmp_path)
    spend = spend_so_far(ledger, "run-1", utc())
    assert (spend.usd, spend.known_usd) == (None, before.known_usd + 4)
    record(store, "run-1", life("zed", 7, 2, cloud="local"), life("zoe", 8, 6, cloud="local"))
    rebuilt(store, tmp_path)
    assert spend_so_far(ledger, "run-1", utc()).usd == before.known_usd + 6


def test_ledger_that_saw_less_of_a_process_than_was_recorded_counts_the_record(
    store: FolderStore, tmp_path: Path
) -> None:
    """A ledger from before the end of a run knows only the last heartbeats of its workers."""
    _, ledger = rebuilt(store, tmp_path)
    known = spend_so_far(ledger, "run-1", utc()).known_usd
    record(store, "run-1", life("ann", 1, 50, cloud="local"))
    note_recorded(ledger, store, "run-1", utc())
    assert known < 50
    assert spend_so_far(ledger, "run-1", utc()).usd == 50


def test_record_of_what_was_spent_that_cannot_be_read_is_named(store: FolderStore, tmp_path: Path) -> None:
    store.put(keys.spent_key("run-1", "gone"), b"{")
    found, ledger = rebuilt(store, tmp_path)
    assert found.unreadable == (keys.budget_prefix("run-1"),)
    assert spent_so_far(ledger, "run-1", utc()) is None


def test_what_rented_machines_cost_is_unknown_and_not_nothing(tmp_path: Path) -> None:
    found, ledger = rented(tmp_path, "working")
    assert [life.ended for life in ledger.machines.lives(found.run.id)] == [None]
    assert spent_so_far(ledger, found.run.id, utc()) is None


def test_machine_whose_heartbeat_is_damaged_costs_an_unknown_amount(
    store: FolderStore, tmp_path: Path
) -> None:
    (store.root / keys.heartbeat_key("run-1", "ann")).write_bytes(b"\xff{")
    found, ledger = rebuilt(store, tmp_path)
    assert found.unreadable == (keys.heartbeat_key("run-1", "ann"),)
    ann = machines(ledger)["ann"]
    assert (ann.state, ann.usd_per_hour) == (MachineState.LOST, None)
    assert ann.ended == max(one.finished for one in ledger.shards.receipts("run-1"))
    assert spent_so_far(ledger, "run-1", utc()) is None


def test_machine_of_a_laptop_costs_what_the_plan_says(store: FolderStore, tmp_path: Path) -> None:
    _, ledger = rebuilt(store, tmp_path)
    assert machines(ledger)["ann"].usd_per_hour == Decimal("1.5") / sample_plan.saved_local().lots[0].workers


# --- damaged objects


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b"[]", b"\x00\xff", b'{"schema": "embedfleet/receipt/9"}']
)
def test_damaged_receipt_is_named_and_the_others_are_read(
    store: FolderStore, tmp_path: Path, body: bytes
) -> None:
    path = receipt_path(store)
    path.write_bytes(body)
    found, ledger = rebuilt(store, tmp_path)
    assert found.unreadable == (str(path.relative_to(store.root)),)
    assert ledger.shards.progress("run-1").shards_done == SHARDS - 1
    assert found.run.state == RunState.STOPPED  # it is not finished while a receipt cannot be read


@pytest.mark.parametrize(
    "change",
    [
        {"run": "another"},
        {"shard": "f" * 16},
        {"documents": 10**30},
        {"documents": -5},
        {"tokens": "many"},
        {"key": "../precious.txt"},
        {"quarantine": "/etc/passwd", "failed_rows": 1},
        {"started": "2026-11-28T10:00:00"},
        {"started": "9999-12-31T23:59:59+00:00"},
        {"stages": {"x": "y"}},
    ],
    ids=str,
)
def test_receipt_that_lies_is_named(store: FolderStore, tmp_path: Path, change: dict[str, Any]) -> None:
    path = receipt_path(store)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    found, ledger = rebuilt(store, tmp_path)
    assert found.unreadable == (str(path.relative_to(store.root)),)
    assert ledger.shards.progress("run-1").shards_done == SHARDS - 1


def test_receipt_of_no_shard_of_the_run_is_named(store: FolderStore, tmp_path: Path) -> None:
    stray = receipt_path(store).with_name("0123456789abcdef.json")
    stray.write_text(receipt_path(store).read_text().replace(receipt_path(store).stem, stray.stem))
    found, ledger = rebuilt(store, tmp_path)
    assert found.unreadable == (str(stray.relative_to(store.root)),)
    assert ledger.shards.progress("run-1").shards_done == SHARDS
    assert found.run.state == RunState.DONE


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", False),  # it was given back
        (b"garbage", False),  # no longer than the mark of a lease that is free: nothing of it is read
        (b"garbage that is as long as a lease", True),
        (b'{"worker": "a/b", "nonce": "n", "claimed": "2026-01-01T00:00:00Z"}', True),
    ],
)
def test_damaged_lease_is_named(store: FolderStore, tmp_path: Path, body: bytes, named: bool) -> None:
    header = manifest.read_header(store, "run-1")
    first = next(iter(manifest.all_shards(store, header)))
    lease = claim(store, "run-1", first, 7, "bob", utc())
    assert lease
    (store.root / lease.key).write_bytes(body)
    found, _ = rebuilt(store, tmp_path)
    assert found.unreadable == ((lease.key,) if named else ())


@pytest.mark.parametrize("name", ["\u00b2", "99999999999999999999999", "1", "000001.tmp", "-00001"])
def test_stray_file_among_leases_is_no_lease(store: FolderStore, tmp_path: Path, name: str) -> None:
    folder = next((store.root / "_embedfleet/run-1/leases/00000").iterdir())
    (folder / name).write_text("x")
    found, _ = rebuilt(store, tmp_path)
    assert found.unreadable == ()


def test_damaged_slab_is_named_and_its_receipts_are_not_lost(store: FolderStore, tmp_path: Path) -> None:
    slab = store.root / keys.manifest_slab_key("run-1", 0)
    before = slab.read_bytes()
    slab.write_bytes(b"garbage\n")
    found, ledger = rebuilt(store, tmp_path)
    assert str(slab.relative_to(store.root)) in found.unreadable
    assert found.run.state == RunState.STOPPED
    slab.write_bytes(before)
    again = rebuild(ledger, store, str(store.root), "run-1")
    assert again.unreadable == ()
    assert ledger.shards.progress("run-1").shards_done == SHARDS


def test_header_of_more_shards_than_its_slab_holds_is_damage(store: FolderStore, tmp_path: Path) -> None:
    header = manifest.read_header(store, "run-1")
    (store.root / keys.manifest_header_key("run-1")).unlink()
    with pytest.raises(ValueError, match="3 shards, but the header says 5"):
        manifest.write(store, replace(header, shards=5), manifest.all_shards(store, header))
    body = documents.encode(replace(header, shards=5), manifest.SCHEMA)
    (store.root / keys.manifest_header_key("run-1")).write_bytes(body)
    found, _ = rebuilt(store, tmp_path)
    assert keys.manifest_slab_key("run-1", 0) in found.unreadable


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[]", b"{", b"[" * 100_000])
def test_damaged_plan_is_a_problem_of_its_run(store: FolderStore, tmp_path: Path, text: bytes) -> None:
    (store.root / keys.plan_key("run-1")).write_bytes(text)
    with pytest.raises(BadPlan):
        rebuilt(store, tmp_path)


def test_folder_that_was_copied_under_another_name_is_refused(store: FolderStore, tmp_path: Path) -> None:
    store.put(keys.plan_key("copy"), (store.root / keys.plan_key("run-1")).read_bytes())
    with pytest.raises(BadPlan, match="is the plan of run run-1"):
        rebuilt(store, tmp_path, "copy")
