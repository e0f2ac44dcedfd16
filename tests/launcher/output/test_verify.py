"""Verification: a good run has no faults, and each fault that can be made is found and told."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.verify import SHOWN, Verdict, verify
from tasks.formats.readers import Bad
from tasks.formats.vector_file import VectorFile, digest
from tasks.protocol import keys, manifest, receipt
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import NOON, header_of, shard_of, whole, write_jsonl

FILES, DOCUMENTS = 4, 6


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over. The third shard holds two bad rows."""

    root: Path
    header: Header

    def verify(self, *, again: bool = False) -> Verdict:
        return verify(FolderStore(self.root), self.header, 0, again, lambda _done, _all: None)

    def faults(self) -> list[str]:
        return self.verify().faults

    def receipt(self, position: int) -> Path:
        paths = self.root.glob(f"_embedfleet/{self.header.run}/receipts/*/*.json")
        return next(p for p in paths if json.loads(p.read_text())["position"] == position)

    def signed(self, position: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.receipt(position).read_text())
        return found

    def sign(self, position: int, **changes: Any) -> None:
        self.receipt(position).write_text(json.dumps(self.signed(position) | changes))

    def data(self, position: int) -> Path:
        return self.root / self.signed(position)["key"]

    def rewrite(self, position: int, change: Callable[[pa.Table], pa.Table], **signed: Any) -> None:
        """Other vectors under a receipt that fits them."""
        path = self.data(position)
        pq.write_table(change(pq.read_table(path)), path)
        self.sign(position, digest=hashlib.sha256(path.read_bytes()).hexdigest(), **signed)


def finish(folder: Path, **changes: Any) -> Finished:
    """Embed `in`, a file a shard."""
    names = sorted(p.name for p in (folder / "in").iterdir())
    shards = [shard_of([whole(folder / "in", name, "jsonl")], n) for n, name in enumerate(names)]
    header = header_of(folder / "in", len(shards), **changes)
    store = FolderStore(folder / "out")
    manifest.write(store, header, shards)
    words = ["--store", str(store.root), "--run", header.run]
    command = [sys.executable, "-m", "tasks.worker", *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return Finished(store.root, header)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("verify")
    (folder / "in").mkdir()
    for file in range(FILES):
        rows: list[Any] = [
            {"id": f"{file}-{n}", "text": f"document {n} of file {file} has " + "many words " * n * 4}
            for n in range(DOCUMENTS)
        ]
        rows += [{"id": "bad-1"}, {"id": "bad-2", "text": " "}] if file == 2 else []
        write_jsonl(folder / "in" / f"{file}.jsonl", rows)
    return finish(folder, tokens=20, overlap=4)


@pytest.fixture
def run(original: Finished, tmp_path: Path) -> Finished:
    shutil.copytree(original.root, tmp_path / "out")
    return Finished(tmp_path / "out", original.header)


def test_a_good_run_has_no_faults(run: Finished) -> None:
    verdict = run.verify(again=True)
    assert (verdict.faults, verdict.fault_count) == ([], 0)
    assert (verdict.shards, verdict.shards_done) == (FILES, FILES)
    assert (verdict.documents, verdict.failed_rows) == (FILES * DOCUMENTS, 2)
    assert verdict.rows == sum(run.signed(n)["chunks"] for n in range(FILES)) > FILES * DOCUMENTS


def test_a_sample_is_embedded_again(run: Finished) -> None:
    verdict = run.verify(again=True)
    assert verdict.resampled == min(64, verdict.rows)
    assert verdict.worst_cosine is not None
    assert verdict.worst_cosine > 0.99999


def test_without_embedding_again_nothing_is_said_of_it(run: Finished) -> None:
    verdict = run.verify()
    assert (verdict.resampled, verdict.worst_cosine) == (0, None)


def test_progress_is_told_shard_by_shard(run: Finished) -> None:
    heard: list[tuple[int, int]] = []
    verify(
        FolderStore(run.root),
        run.header,
        0,
        again=False,
        step=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_half_precision_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": n, "text": f"text number {n}"} for n in range(200)])
    verdict = finish(tmp_path, dtype="float16", dimensions=8).verify(again=True)
    assert verdict.faults == []
    assert verdict.resampled == 64


# --- receipts


def test_a_missing_receipt_is_found(run: Finished) -> None:
    name = run.receipt(1).stem
    run.receipt(1).unlink()
    assert run.faults() == [f"shard 1 ({name}) has no receipt"]
    assert run.verify().shards_done == FILES - 1


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"schema": "embedfleet/receipt/1"}', "\x00\x01"])
def test_a_receipt_that_cannot_be_read_is_found(run: Finished, body: str) -> None:
    run.receipt(1).write_text(body)
    (fault,) = run.faults()
    assert fault.startswith("shard 1: its receipt cannot be read: ")


# --- files


def test_a_missing_file_is_found(run: Finished) -> None:
    key = run.signed(1)["key"]
    run.data(1).unlink()
    assert run.faults() == [f"shard 1: {key} is missing"]


@pytest.mark.parametrize("place", [0, 200, -1])
def test_a_flipped_byte_is_found(run: Finished, place: int) -> None:
    body = bytearray(run.data(1).read_bytes())
    body[place] ^= 1
    run.data(1).write_bytes(body)
    assert run.faults() == [f"shard 1: {run.signed(1)['key']} is not the file that was signed for"]


def test_a_file_that_was_cut_short_is_found(run: Finished) -> None:
    run.data(1).write_bytes(run.data(1).read_bytes()[:-10])
    assert run.faults() == [f"shard 1: {run.signed(1)['key']} is not the file that was signed for"]


def test_the_file_of_another_shard_is_found(run: Finished) -> None:
    other = run.signed(0)
    run.sign(1, key=other["key"], digest=other["digest"], chunks=other["chunks"])
    faults = run.faults()
    assert "shard 1: 6 documents of the input are missing, 6 are not of it" in faults
    assert any(f.endswith("have an id that another row has, too: is corpus.id unique?") for f in faults)


# --- rows


def test_an_extra_row_is_found(run: Finished) -> None:
    count = run.signed(1)["chunks"]
    run.rewrite(1, lambda t: pa.concat_tables([t, t.slice(0, 1)]))
    faults = run.faults()
    assert f"shard 1: {count + 1} rows, but its receipt says {count}" in faults
    assert "1 rows have an id that another row has, too: is corpus.id unique?" in faults


def test_a_row_of_no_document_is_found(run: Finished) -> None:
    def stray(table: pa.Table) -> pa.Table:
        row = table.slice(0, 1)
        return pa.concat_tables([table, row.set_column(0, row.schema.field(0), pa.array(["stray"]))])

    run.rewrite(1, stray, chunks=run.signed(1)["chunks"] + 1)
    assert run.faults() == ["shard 1: 0 documents of the input are missing, 1 are not of it"]


def test_a_missing_document_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: t.slice(1), chunks=run.signed(1)["chunks"] - 1)  # the first has one chunk
    assert run.faults() == ["shard 1: 1 documents of the input are missing, 0 are not of it"]


def test_a_missing_chunk_is_found(run: Finished) -> None:
    last = run.signed(1)["chunks"] - 1

    def without(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table.slice(0, last - 1), table.slice(last)])

    run.rewrite(1, without, chunks=last)
    (fault,) = run.faults()
    assert fault.startswith("shard 1: '1-5' has chunk ")


def reordered(*order: int) -> Callable[[pa.Table], pa.Table]:
    """The first rows in another order (two documents of one chunk, then one of two), and the rest."""
    return lambda t: pa.concat_tables([t.take(list(order)), t.slice(len(order))])


def test_two_documents_have_one_chunk_and_the_third_two(run: Finished) -> None:
    """What the tests of order stand on."""
    assert pq.read_table(run.data(1))["id"].to_pylist()[:5] == ["1-0", "1-1", "1-2", "1-2", "1-3"]


def test_documents_in_another_order_are_found(run: Finished) -> None:
    run.rewrite(1, reordered(0, 2, 3, 1))
    assert run.faults() == ["shard 1: its documents are not in the order of the input, from '1-2' on"]


def test_chunks_in_another_order_are_found(run: Finished) -> None:
    run.rewrite(1, reordered(0, 1, 3, 2))
    assert run.faults() == [
        "shard 1: '1-2' has chunk 1 where 0 is due",
        "shard 1: 0 documents of the input are missing, 1 are not of it",
    ]


def test_a_document_that_is_twice_in_the_output_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: pa.concat_tables([t.slice(0, 1), t]), chunks=run.signed(1)["chunks"] + 1)
    assert run.faults() == [
        "shard 1: 0 documents of the input are missing, 1 are not of it",
        "1 rows have an id that another row has, too: is corpus.id unique?",
    ]


def test_one_document_in_the_place_of_another_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: pa.concat_tables([t.take([3]), t.slice(1)]))
    assert "shard 1: 1 documents of the input are missing, 1 are not of it" in run.faults()


def test_a_missing_first_chunk_is_found(run: Finished) -> None:
    run.rewrite(
        1, lambda t: pa.concat_tables([t.slice(0, 2), t.slice(3)]), chunks=run.signed(1)["chunks"] - 1
    )
    assert run.faults() == ["shard 1: '1-2' has chunk 1 where 0 is due"]


def test_the_last_document_missing_is_found(run: Finished) -> None:
    table = pq.read_table(run.data(1))
    rows = sum(1 for name in table["id"].to_pylist() if name != f"1-{DOCUMENTS - 1}")
    run.rewrite(1, lambda t: t.slice(0, rows), chunks=rows)
    assert run.faults() == ["shard 1: 1 documents of the input are missing, 0 are not of it"]


def test_an_output_without_rows_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: t.slice(0, 0), chunks=0)
    assert run.faults() == [f"shard 1: {DOCUMENTS} documents of the input are missing, 0 are not of it"]


def scaled(factor: float) -> Callable[[pa.Table], pa.Table]:
    """The first vector, longer or shorter."""

    def change(table: pa.Table) -> pa.Table:
        column: Any = table["vector"].combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False).copy()
        flat[: column.type.list_size] *= np.float32(factor)
        return table.set_column(
            2, table.schema.field(2), pa.FixedSizeListArray.from_arrays(pa.array(flat), type=column.type)
        )

    return change


@pytest.mark.parametrize("factor", [0.0, 0.99, 1.01, float("nan"), float("inf")])
def test_a_vector_that_is_not_of_length_1_is_found(run: Finished, factor: float) -> None:
    run.rewrite(1, scaled(factor))
    assert run.faults() == ["shard 1: 1 vectors are not of length 1"]


def test_a_vector_that_points_elsewhere_is_found_by_embedding_again(run: Finished) -> None:
    run.rewrite(1, scaled(-1.0))
    assert run.faults() == []
    verdict = run.verify(again=True)
    assert verdict.worst_cosine is not None
    assert verdict.worst_cosine < -0.999
    assert verdict.faults == ["'1-0' chunk 0: embedded again, its cosine is -1.0000"]


# --- ids


def test_an_id_that_is_twice_in_the_corpus_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in range(2):
        rows = [{"id": "same" if n == 1 else f"{file}-{n}", "text": f"{n} of {file}"} for n in range(3)]
        write_jsonl(tmp_path / "in" / f"{file}.jsonl", rows)
    assert finish(tmp_path).faults() == ["1 rows have an id that another row has, too: is corpus.id unique?"]


def test_neighbours_with_one_id_are_two_documents(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    names = ["a", "same", "same", "b", "a"]
    write_jsonl(tmp_path / "in" / "0.jsonl", [{"id": n, "text": f"{i} words"} for i, n in enumerate(names)])
    verdict = finish(tmp_path).verify(again=True)
    assert verdict.faults == ["2 rows have an id that another row has, too: is corpus.id unique?"]
    assert verdict.documents == len(names)
    assert verdict.resampled == 1  # whose text the others are of, nobody knows


def test_a_second_document_of_one_id_that_is_missing_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": n, "text": f"{i} words"} for i, n in enumerate(["a", "same", "b", "same"])]
    write_jsonl(tmp_path / "in" / "0.jsonl", rows)
    found = finish(tmp_path)
    found.rewrite(0, lambda t: t.slice(0, 3), chunks=3)
    assert found.faults() == ["shard 0: 1 documents of the input are missing, 0 are not of it"]


# --- the quarantine


def test_a_quarantine_that_lost_a_row_is_found(run: Finished) -> None:
    path = run.root / run.signed(2)["quarantine"]
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert run.faults() == ["shard 2: 1 rows in quarantine, but its receipt says 2"]


def test_a_missing_quarantine_is_found(run: Finished) -> None:
    (run.root / run.signed(2)["quarantine"]).unlink()
    assert run.faults() == ["shard 2: 0 rows in quarantine, but its receipt says 2"]


def test_a_receipt_that_hides_failed_rows_is_found(run: Finished) -> None:
    run.sign(2, failed_rows=0, quarantine=None)
    assert run.faults() == ["shard 2: 2 rows of the input are bad, but its receipt says 0"]


def fail_in_the_engine(run: Finished, position: int, document: str, *, listed: bool) -> None:
    """A document that is good in the input, and not in the output for the engine failed on it."""
    lines = Path(run.header.corpus) / f"{position}.jsonl"
    place = 0
    for line in lines.read_text().splitlines(keepends=True):
        if json.loads(line)["id"] == document:
            break
        place += len(line.encode())
    key = run.signed(position)["quarantine"] or f"quarantine-{position}.jsonl"
    row = asdict(Bad(lines.name if listed else "other.jsonl", place, "no finite vector", document))
    with (run.root / key).open("a") as quarantine:
        quarantine.write(json.dumps(row) + "\n")
    signed = run.signed(position)
    kept = [
        n for n, name in enumerate(pq.read_table(run.data(position))["id"].to_pylist()) if name != document
    ]
    run.rewrite(
        position,
        lambda t: t.take(kept),
        chunks=len(kept),
        quarantine=key,
        failed_rows=signed["failed_rows"] + 1,
    )


@pytest.mark.parametrize("position", [1, 2])
@pytest.mark.parametrize("document", [0, 3, DOCUMENTS - 1])
def test_a_document_that_failed_in_the_engine_is_no_fault(
    run: Finished, position: int, document: int
) -> None:
    fail_in_the_engine(run, position, f"{position}-{document}", listed=True)
    verdict = run.verify(again=True)
    assert verdict.faults == []
    assert (verdict.documents, verdict.failed_rows) == (FILES * DOCUMENTS, 3)


def test_a_missing_document_is_not_excused_by_the_row_of_another(run: Finished) -> None:
    fail_in_the_engine(run, 1, "1-3", listed=False)
    assert run.faults() == [
        "shard 1: 0 rows of the input are bad, but its receipt says 1",
        "shard 1: 1 documents of the input are missing, 0 are not of it",
    ]


@pytest.mark.parametrize("line", ["", "[]", "{", '{"file": 1}', "\x00"])
def test_a_line_of_the_quarantine_that_says_nothing_excuses_no_row(run: Finished, line: str) -> None:
    fail_in_the_engine(run, 1, "1-3", listed=True)
    (run.root / run.signed(1)["quarantine"]).write_text(line + "\n")
    assert run.faults() == [
        "shard 1: 0 rows of the input are bad, but its receipt says 1",
        "shard 1: 1 documents of the input are missing, 0 are not of it",
    ]


def test_a_document_that_is_in_the_output_and_in_the_quarantine_is_found(run: Finished) -> None:
    whole_table, chunks = pq.read_table(run.data(1)), run.signed(1)["chunks"]
    fail_in_the_engine(run, 1, "1-3", listed=True)
    run.rewrite(1, lambda _: whole_table, chunks=chunks)
    assert run.faults() == ["shard 1: 0 documents of the input are missing, 1 are not of it"]


# --- memory

MANY = 300_000  # rows of one shard: 77 MB of vectors at
WIDTH = 64  # dimensions

MEASURE = """
import resource, sys
from pathlib import Path
from launcher.verify import verify
from tasks import manifest
from tasks.stores.folder import Folder

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

before = peak()
store = Folder(Path(sys.argv[1]))
verdict = verify(store, manifest.read_header(store, "run-1"), 0, False, lambda _done, _all: None)
assert verdict.faults == sys.argv[2:], verdict.faults
assert verdict.documents == %d, verdict.documents
print((peak() - before) / 2**20)
"""


def large(folder: Path, order: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Path:
    """A run of one shard with many short rows, its output in `order`."""
    (folder / "in").mkdir()
    with gzip.open(folder / "in" / "0.jsonl.gz", "wt", compresslevel=1) as lines:
        lines.writelines(f'{{"id": "row-{n:09d}", "text": "short"}}\n' for n in range(MANY))
    shard = shard_of([whole(folder / "in", "0.jsonl.gz", "jsonl")])
    header = header_of(folder / "in", 1)
    store = FolderStore(folder / "out")
    manifest.write(store, header, [shard])
    path = store.root / "data.parquet"
    vectors = np.eye(WIDTH, dtype=np.float32)
    with VectorFile(path, WIDTH, "float32") as out:
        for part in np.array_split(order(np.arange(MANY)), 10):
            out.add([f"row-{n:09d}" for n in part], [0] * len(part), vectors[part % WIDTH])
    signed = Receipt(
        run=header.run, shard=shard.id, position=0, worker="w", generation=1, nonce="n",
        key=path.name, digest=digest(path), output_bytes=path.stat().st_size, input_bytes=shard.bytes,
        documents=MANY, chunks=MANY, tokens=MANY, tokens_cut=0, failed_rows=0, quarantine=None,
        started=NOON, finished=NOON,
    )  # fmt: skip
    store.put(keys.receipt_key(header.run, shard.slab, shard.id), receipt.dump(signed))
    return store.root


def growth(root: Path, *faults: str) -> float:
    """MiB that verifying takes above the imports, when it finds just these faults."""
    # Under a shell of its own, for a program that starts another passes its own peak on.
    shell = ["sh", "-c", '"$0" "$@"; exit $?']
    words = [*shell, sys.executable, "-c", MEASURE % MANY, str(root), *faults]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def test_memory_does_not_grow_with_the_shard(tmp_path: Path) -> None:
    assert growth(large(tmp_path, lambda n: n)) < 200  # all ids and vectors at once took 460


def test_memory_does_not_grow_much_when_every_row_is_out_of_order(tmp_path: Path) -> None:
    fault = f"shard 0: its documents are not in the order of the input, from 'row-{MANY - 1:09d}' on"
    assert growth(large(tmp_path, np.flip), fault) < 200


# --- telling


def test_every_fault_is_counted_and_the_first_are_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in range(SHOWN + 5):
        write_jsonl(tmp_path / "in" / f"{file:02d}.jsonl", [{"id": file, "text": f"text {file}"}])
    found = finish(tmp_path)
    for path in (found.root / "data").iterdir():
        path.unlink()
    verdict = found.verify()
    assert verdict.fault_count == SHOWN + 5
    assert len(verdict.faults) == SHOWN
