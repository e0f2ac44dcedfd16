"""Garbage is the files of lost attempts of a finished run, and no other file."""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.finished_run import FinishedRun
from launcher.output.garbage import find_garbage
from launcher.output.repeats_run import RepeatsReceipts, read_repeats_receipts
from tasks.errors import Problem
from tasks.protocol.keys import manifest_header_key, part_key, receipt_key
from tasks.protocol.lease import Lease, claim, give_back
from tasks.protocol.manifest import Header, all_shards, read_header
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import Retry, put_back
from tasks.stores.base import Eraser, Store, list_all, read
from tasks.stores.folder import FolderStore
from tasks.stores.open import open_store
from tests.support.buckets import found_by
from tests.support.finished_run import finished_run, read_through
from tests.support.objectserver import Running
from tests.support.repeated_corpus import launch_repeated, repeated_corpus
from tests.support.runs import NOON, launch
from tests.support.workers import make_worker


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


def finished_receipts(store: Store, header: Header) -> list[Receipt]:
    return list(FinishedRun(store, header).receipts())


def copy_vectors(store: FolderStore, header: Header, name: str) -> str:
    """Write a complete file of the run that no receipt names."""
    key = f"data/{name}.parquet"
    good = finished_receipts(store, header)[0].key
    assert good
    shutil.copy(store.root / good, store.root / key)
    return key


def lost_attempt(store: FolderStore, header: Header, suffix: str = "") -> str:
    """Write the vectors of an attempt that was overtaken, whose lease is still recorded."""
    shard = next(iter(all_shards(store, header)))
    held = claim(store, header.run, shard, 7, "bob", NOON + timedelta(seconds=1))
    assert held
    return copy_vectors(store, header, f"{shard.id}-{held.nonce[:12]}{suffix}")


def found(store: FolderStore, header: Header) -> list[str]:
    return [entry.key for entry in find_garbage(read_through(store, header)).found]


def kept(store: FolderStore, header: Header) -> list[str]:
    return [one.entry.key for one in find_garbage(read_through(store, header)).kept]


@pytest.mark.parametrize("suffix", ["", "-2"])
def test_files_of_an_attempt_with_a_recorded_lease_are_garbage(
    store: FolderStore, tmp_path: Path, suffix: str
) -> None:
    header = finished_run(store, tmp_path)
    key = lost_attempt(store, header, suffix)
    assert found(store, header) == [key]
    assert kept(store, header) == []


def test_a_users_table_derived_from_vectors_is_kept_and_listed(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    key = copy_vectors(store, header, "my-favourites")
    assert found(store, header) == []
    assert kept(store, header) == [key]


def test_a_file_named_like_an_attempt_without_a_lease_is_kept_and_listed(
    store: FolderStore, tmp_path: Path
) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    key = copy_vectors(store, header, f"{shard.id}-feedfeedfeed")
    assert found(store, header) == []
    assert kept(store, header) == [key]


def test_an_attempt_whose_lease_was_given_back_is_kept(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    held = claim(store, header.run, shard, 7, "bob", NOON)
    assert held
    key = copy_vectors(store, header, f"{shard.id}-{held.nonce[:12]}")
    give_back(store, held)
    assert found(store, header) == []
    assert kept(store, header) == [key]


def test_a_copy_that_bears_the_name_of_the_attempt_that_won_is_kept(
    store: FolderStore, tmp_path: Path
) -> None:
    """Its receipt names all files of that attempt, so somebody else wrote this one."""
    header = finished_run(store, tmp_path)
    one = finished_receipts(store, header)[0]
    key = copy_vectors(store, header, f"{one.shard}-{one.nonce[:12]}-1")
    assert found(store, header) == []
    assert kept(store, header) == [key]


def test_files_of_other_runs_and_other_programs_are_not_garbage(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    finished_run(store, tmp_path, "run-2")
    other = launch(store, tmp_path / "in", 3, run="run-3")  # not finished: it has no receipt yet
    claim(store, "run-3", next(iter(all_shards(store, other))), 1, "ann", NOON)
    (store.root / "data" / "notes.txt").write_text("mine")
    with pq.ParquetWriter(store.root / "data" / "mine.parquet", pa.schema([("x", pa.int64())])):
        pass
    assert found(store, header) == []
    assert kept(store, header) == ["data/mine.parquet", "data/notes.txt"]


@pytest.mark.parametrize("body", ["", "{", '{"schema": "embedfleet/receipt/3"}'])
def test_a_damaged_receipt_is_refused_by_name(store: FolderStore, tmp_path: Path, body: str) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    key = receipt_key(header.run, shard.slab, shard.id)
    (store.root / key).write_text(body)
    with pytest.raises(Problem, match=key):
        finished_receipts(store, header)


def test_a_receipt_of_another_shard_is_refused(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    keys = [receipt_key(header.run, shard.slab, shard.id) for shard in all_shards(store, header)]
    shutil.copy(store.root / keys[0], store.root / keys[1])
    with pytest.raises(Problem, match="is of shard"):
        finished_receipts(store, header)


def test_a_missing_receipt_is_refused(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    shard = next(iter(all_shards(store, header)))
    (store.root / receipt_key(header.run, shard.slab, shard.id)).unlink()
    with pytest.raises(Problem, match="1 of 3 shards have no receipt"):
        finished_receipts(store, header)


def test_a_file_that_was_cut_is_refused(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    key = finished_receipts(store, header)[0].key
    assert key
    os.truncate(store.root / key, 100)
    with pytest.raises(Problem, match=f"missing or of another size, the first is {key}"):
        found(store, header)


def test_a_missing_file_that_a_receipt_names_is_refused(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    key = finished_receipts(store, header)[1].key
    assert key
    (store.root / key).unlink()
    with pytest.raises(Problem, match=key) as refused:
        finished_receipts(store, header)
    assert f"embedfleet resume {header.run}" in refused.value.hint


@pytest.mark.parametrize("shards", [0, 2, 5, 5000])
def test_a_header_with_a_wrong_number_of_shards_is_refused(
    store: FolderStore, tmp_path: Path, shards: int
) -> None:
    header = finished_run(store, tmp_path)
    path = store.root / manifest_header_key(header.run)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shards": shards}))
    with pytest.raises(Problem):
        finished_receipts(store, read_header(store, header.run))


# --- links, workers that still write, other runs, in a folder and in a bucket


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "out")
    server: Running = request.getfixturevalue("server")
    found_by(server.address, monkeypatch)
    server.admin.make("bucket")
    return open_store("s3://bucket/out")


def put_vectors(store: Store, header: Header, name: str) -> str:
    """Write a complete file of the run that no receipt names, in any store."""
    good = finished_receipts(store, header)[0].key
    assert good
    key = f"data/{name}.parquet"
    store.put(key, read(store, good) or b"")
    return key


def claimed(store: Store, header: Header, generation: int = 7) -> Lease:
    """The first shard, claimed by a worker that does not know yet that it lost."""
    held = claim(store, header.run, next(iter(all_shards(store, header))), generation, "bob", NOON)
    assert held
    return held


def erase_garbage(store: Store, header: Header) -> list[str]:
    """What `finish` does."""
    garbage = find_garbage(read_through(store, header)).found
    for entry in garbage:
        cast("Eraser", store).erase(entry.key)
    return [entry.key for entry in garbage]


def bytes_of(store: Store, header: Header) -> list[bytes | None]:
    return [read(store, key) for one in finished_receipts(store, header) for key, _ in one.files]


@pytest.mark.parametrize("target", ["a folder", "a file", "nothing", "itself"])
@pytest.mark.parametrize("name", ["mine", "an attempt"])
def test_a_link_is_not_followed_into_deletion(
    store: FolderStore, tmp_path: Path, target: str, name: str
) -> None:
    header = finished_run(store, tmp_path)
    held = claimed(store, header)
    key = f"{held.shard}-{held.nonce[:12]}.parquet" if name == "an attempt" else "mine"
    precious = tmp_path / "precious"
    precious.mkdir()
    good = finished_receipts(store, header)[0].key
    assert good
    shutil.copy(store.root / good, precious / f"{held.shard}-{held.nonce[:12]}.parquet")
    link = store.root / "data" / key
    places = {
        "a folder": precious,
        "a file": next(precious.iterdir()),
        "nothing": tmp_path / "x",
        "itself": link,
    }
    link.symlink_to(places[target])
    before = bytes_of(store, header)
    erase_garbage(store, header)
    assert len(list(precious.iterdir())) == 1
    assert next(precious.iterdir()).read_bytes() == before[0]
    assert bytes_of(store, header) == before


def test_a_data_folder_that_is_a_link_is_cleaned_as_any(store: FolderStore, tmp_path: Path) -> None:
    header = finished_run(store, tmp_path)
    (store.root / "data").rename(tmp_path / "disk")
    (store.root / "data").symlink_to(tmp_path / "disk")
    held = claimed(store, header)
    key = put_vectors(store, header, f"{held.shard}-{held.nonce[:12]}")
    before = bytes_of(store, header)
    assert erase_garbage(store, header) == [key]
    assert bytes_of(store, header) == before


def test_a_worker_that_still_writes_loses_its_file_and_the_run_nothing(
    any_store: Store, tmp_path: Path
) -> None:
    header = finished_run(any_store, tmp_path)
    before = bytes_of(any_store, header)
    held = claimed(any_store, header)
    first = put_vectors(any_store, header, f"{held.shard}-{held.nonce[:12]}")
    assert erase_garbage(any_store, header) == [first]
    second = put_vectors(any_store, header, f"{held.shard}-{held.nonce[:12]}-2")  # it goes on
    assert bytes_of(any_store, header) == before
    assert erase_garbage(any_store, header) == [second]
    assert bytes_of(any_store, header) == before


def test_a_shard_that_is_tried_again_is_refused(any_store: Store, tmp_path: Path) -> None:
    header = finished_run(any_store, tmp_path)
    run = FinishedRun(any_store, header)
    receipts = list(run.receipts())
    shard = next(iter(all_shards(any_store, header)))
    put_back(any_store, header.run, shard.slab, shard.id, Retry(1, 7), "nonce", "a test")
    held = claimed(any_store, header, 8)
    any_store.put(
        f"data/{held.shard}-{held.nonce[:12]}.parquet", read(any_store, receipts[0].key or "") or b""
    )
    with pytest.raises(Problem, match=f"shard {shard.id} of run run-1 is being tried again"):
        find_garbage(run)  # the mark came after the receipts were read
    with pytest.raises(Problem, match="1 of 3 shards have no receipt"):
        finished_receipts(any_store, header)


def test_runs_in_one_output_leave_the_files_of_each_other(any_store: Store, tmp_path: Path) -> None:
    """The same shards by two runs: the names of their files differ in the nonce alone."""
    headers = [finished_run(any_store, tmp_path, run) for run in ("run-1", "run-2")]
    ours, theirs = (claimed(any_store, header) for header in headers)
    keys = [
        put_vectors(any_store, header, f"{held.shard}-{held.nonce[:12]}")
        for header, held in zip(headers, (ours, theirs), strict=True)
    ]
    before = [bytes_of(any_store, header) for header in headers]
    assert erase_garbage(any_store, headers[0]) == keys[:1]
    assert read(any_store, keys[1]) is not None
    assert [bytes_of(any_store, header) for header in headers] == before
    assert erase_garbage(any_store, headers[1]) == keys[1:]
    assert [bytes_of(any_store, header) for header in headers] == before


def test_parts_of_a_finished_run_are_garbage_and_their_files_are_not(
    any_store: Store, tmp_path: Path
) -> None:
    """A receipt after a part names the files of the part, whose attempt is another."""
    header = finished_run(any_store, tmp_path)
    one = finished_receipts(any_store, header)[0]
    shard = next(shard for shard in all_shards(any_store, header) if shard.id == one.shard)
    dead = claimed(any_store, header, 7)
    key = put_vectors(any_store, header, f"{one.shard}-{dead.nonce[:12]}")
    part = part_key(header.run, shard.slab, shard.id, 5, dead.nonce[:12])
    any_store.put(part, b"{}")
    place = receipt_key(header.run, shard.slab, shard.id)
    body = json.loads(read(any_store, place) or b"")
    size = any_store.list(key)[0].size
    file = {"key": key, "digest": body["digest"], "bytes": size, "rows": 1, "tokens": 0, "quarantine": None}
    file |= {"worker": "bob", "started": body["started"], "finished": body["finished"]}
    any_store.put(
        place, json.dumps(body | {"earlier": [file], "output_bytes": body["output_bytes"] + size}).encode()
    )
    assert erase_garbage(any_store, header) == [part]
    assert read(any_store, key) is not None


def test_texts_and_vectors_of_a_repeats_run_are_garbage_and_its_receipts_stay(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    repeated_corpus(tmp_path / "in")
    header = launch_repeated(store, tmp_path / "in")
    make_worker(store, header, tmp_path / "scratch").run()
    before = {entry.key for entry in list_all(store, f"_embedfleet/{header.run}.repeats/")}
    erase_garbage(store, header)
    left = {entry.key for entry in list_all(store, f"_embedfleet/{header.run}.repeats/")}
    gone = {key.split("/")[2] for key in before - left}
    assert gone == {"texts", "vectors"}
    assert {key.split("/")[2] for key in left} == {"manifest", "leases", "receipts"}
    found = read_repeats_receipts(store, header.run)
    assert found
    assert (found.shards, len(found.receipts)) == (1, 1)
    assert read_repeats_receipts(store, header.run, {found.receipts[0].shard}) == RepeatsReceipts(1, ())
    assert read_repeats_receipts(store, "run-2") is None
