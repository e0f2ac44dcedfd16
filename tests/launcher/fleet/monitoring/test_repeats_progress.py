"""Shards of a repeats run count as a machine's work, and its dead workers' leases are released."""

from pathlib import Path

from launcher.fleet.monitoring.repeats_progress import RepeatsProgress
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.ledger.ledger import Ledger
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.keys import manifest_header_key, repeats_run
from tasks.protocol.lease import claim, survey
from tasks.stores.folder import FolderStore
from tests.support.repeated_corpus import launch_repeated, repeated_corpus
from tests.support.runs import NOON
from tests.support.workers import make_worker


def observer(ledger: Ledger, store: FolderStore, header: manifest.Header) -> StoreObserver:
    ledger.runs.create(header.run, "run", "{}", "0" * 64, str(store.root), NOON)
    ledger.shards.add(header.run, manifest.all_shards(store, header))
    return StoreObserver(store, ledger, header)


def test_each_shard_of_a_repeats_run_is_counted_once_for_its_worker(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    repeated_corpus(tmp_path / "in")
    header = launch_repeated(store, tmp_path / "in")
    progress = RepeatsProgress(store, header.run)
    assert (progress.new_workers(), progress.shards, progress.done) == ([], 1, 0)
    make_worker(store, header, tmp_path / "scratch").run()
    assert (progress.new_workers(), progress.done, progress.new_workers()) == (["ann"], 1, [])
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        found = observer(ledger, store, header)
        found.read_receipts()
        found.read_receipts()
        assert found.shards_by_worker == {"ann": 6 + 1}


def test_leases_of_a_dead_worker_in_a_repeats_run_are_released(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    repeated_corpus(tmp_path / "in")
    header = launch_repeated(store, tmp_path / "in")
    run = repeats_run(header.run)
    (shard,) = manifest.all_shards(store, manifest.read_header(store, run))
    lease = claim(store, run, shard, 1, "ann", NOON)
    assert lease
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        found = observer(ledger, store, header)
        assert found.release_leases("bob", utc()) == 0
        assert found.release_leases("ann", utc(), {lease.key: "0" * 8}) == 1
        assert survey(store, run, "00000").crashes == {shard.id: 1}
        assert not ledger.shards.leases(header.run)
        store.erase(manifest_header_key(run))
        assert found.release_leases("ann", utc()) == 0
