"""Verification: a good run has no faults, and each fault that a test makes is found and described."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.verification.verify import SHOWN_FAULTS, verify
from launcher.output.verification.verify_report import VerifyReport
from tasks.formats.rows import BadRow
from tasks.formats.vectors.vector_file import VectorFileWriter, sha256_of
from tasks.protocol import keys, manifest, receipt
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import NOON, header_of, shard_of, whole, write_jsonl

FILES, DOCUMENTS = 4, 6


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run. The third shard has two bad rows."""

    root: Path
    header: Header

    def verify(self, *, embed_again: bool = False) -> VerifyReport:
        store = FolderStore(self.root)
        return verify(store, self.header, 0, embed_again=embed_again, progress=lambda _done, _all: None)

    def faults(self) -> list[str]:
        return list(self.verify().faults)

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
        """Change the vectors of a shard, and its receipt so that it fits them."""
        path = self.data(position)
        pq.write_table(change(pq.read_table(path)), path)
        self.sign(position, digest=hashlib.sha256(path.read_bytes()).hexdigest(), **signed)


def finish(folder: Path, **changes: Any) -> Finished:
    """Embed the folder `in` with a worker, each file one shard."""
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


def test_good_run_has_no_faults(run: Finished) -> None:
    report = run.verify(embed_again=True)
    assert (report.faults, report.fault_count) == ((), 0)
    assert (report.shards, report.shards_done) == (FILES, FILES)
    assert (report.documents, report.failed_rows) == (FILES * DOCUMENTS, 2)
    assert report.rows == sum(run.signed(n)["chunks"] for n in range(FILES)) > FILES * DOCUMENTS


def test_sample_is_embedded_again(run: Finished) -> None:
    report = run.verify(embed_again=True)
    assert report.resampled == min(64, report.rows)
    assert report.worst_cosine is not None
    assert report.worst_cosine > 0.99999


def test_no_cosine_without_embedding_again(run: Finished) -> None:
    report = run.verify()
    assert (report.resampled, report.worst_cosine) == (0, None)


def test_progress_is_called_after_each_shard(run: Finished) -> None:
    calls: list[tuple[int, int]] = []
    verify(
        FolderStore(run.root),
        run.header,
        0,
        embed_again=False,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_half_precision_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": n, "text": f"text number {n}"} for n in range(200)])
    report = finish(tmp_path, dtype="float16", dimensions=8).verify(embed_again=True)
    assert report.faults == ()
    assert report.resampled == 64


# --- receipts


def test_missing_receipt_is_found(run: Finished) -> None:
    name = run.receipt(1).stem
    run.receipt(1).unlink()
    assert run.faults() == [f"shard 1 ({name}) has no receipt"]
    assert run.verify().shards_done == FILES - 1


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"schema": "embedfleet/receipt/1"}', "\x00\x01"])
def test_unreadable_receipt_is_found(run: Finished, body: str) -> None:
    run.receipt(1).write_text(body)
    (fault,) = run.faults()
    assert fault.startswith("shard 1: its receipt _embedfleet/")
    assert ".json cannot be read: " in fault


# --- files


def test_missing_file_is_found(run: Finished) -> None:
    key = run.signed(1)["key"]
    run.data(1).unlink()
    assert run.faults() == [f"shard 1: {key} is missing"]


@pytest.mark.parametrize("place", [0, 200, -1])
def test_flipped_byte_is_found(run: Finished, place: int) -> None:
    body = bytearray(run.data(1).read_bytes())
    body[place] ^= 1
    run.data(1).write_bytes(body)
    assert run.faults() == [
        f"shard 1: {run.signed(1)['key']} is not the file that its receipt names (SHA-256)"
    ]


def test_truncated_file_is_found(run: Finished) -> None:
    run.data(1).write_bytes(run.data(1).read_bytes()[:-10])
    assert run.faults() == [
        f"shard 1: {run.signed(1)['key']} is not the file that its receipt names (SHA-256)"
    ]


def test_file_of_another_shard_is_found(run: Finished) -> None:
    other = run.signed(0)
    run.sign(1, key=other["key"], digest=other["digest"], chunks=other["chunks"])
    faults = run.faults()
    assert "shard 1: 6 documents of the input missing, 6 not in the input" in faults
    assert any("rows have an id that another row has, too" in f for f in faults)


# --- rows


def test_extra_row_is_found(run: Finished) -> None:
    count = run.signed(1)["chunks"]
    run.rewrite(1, lambda t: pa.concat_tables([t, t.slice(0, 1)]))
    faults = run.faults()
    assert f"shard 1: {count + 1} rows, but its receipt says {count}" in faults
    assert any(f.startswith("1 row has an id that another row has, too") for f in faults)


def test_row_of_no_document_is_found(run: Finished) -> None:
    def stray(table: pa.Table) -> pa.Table:
        row = table.slice(0, 1)
        return pa.concat_tables([table, row.set_column(0, row.schema.field(0), pa.array(["stray"]))])

    run.rewrite(1, stray, chunks=run.signed(1)["chunks"] + 1)
    assert run.faults() == ["shard 1: 0 documents of the input missing, 1 not in the input"]


def test_missing_document_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: t.slice(1), chunks=run.signed(1)["chunks"] - 1)  # the first has one chunk
    assert run.faults() == ["shard 1: 1 document of the input missing, 0 not in the input"]


def test_missing_chunk_is_found(run: Finished) -> None:
    last = run.signed(1)["chunks"] - 1

    def without(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table.slice(0, last - 1), table.slice(last)])

    run.rewrite(1, without, chunks=last)
    (fault,) = run.faults()
    assert fault.startswith("shard 1: '1-5' has chunk ")


def reordered(*order: int) -> Callable[[pa.Table], pa.Table]:
    """Reorder the first rows: two documents of one chunk, then one of two."""
    return lambda t: pa.concat_tables([t.take(list(order)), t.slice(len(order))])


def test_first_documents_have_one_one_and_two_chunks(run: Finished) -> None:
    """The tests of order rely on this."""
    assert pq.read_table(run.data(1))["id"].to_pylist()[:5] == ["1-0", "1-1", "1-2", "1-2", "1-3"]


def test_documents_in_another_order_are_found(run: Finished) -> None:
    run.rewrite(1, reordered(0, 2, 3, 1))
    assert run.faults() == ["shard 1: its documents are not in the order of the input, from '1-2' on"]


def test_chunks_in_another_order_are_found(run: Finished) -> None:
    run.rewrite(1, reordered(0, 1, 3, 2))
    assert run.faults() == [
        "shard 1: '1-2' has chunk 1 where chunk 0 is expected",
        "shard 1: 0 documents of the input missing, 1 not in the input",
    ]


def test_document_twice_in_the_output_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: pa.concat_tables([t.slice(0, 1), t]), chunks=run.signed(1)["chunks"] + 1)
    assert run.faults() == [
        "shard 1: 0 documents of the input missing, 1 not in the input",
        "1 row has an id that another row has, too, such as '1-0' in 1.jsonl twice",
    ]


def test_document_in_the_place_of_another_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: pa.concat_tables([t.take([3]), t.slice(1)]))
    assert "shard 1: 1 document of the input missing, 1 not in the input" in run.faults()


def test_missing_first_chunk_is_found(run: Finished) -> None:
    run.rewrite(
        1, lambda t: pa.concat_tables([t.slice(0, 2), t.slice(3)]), chunks=run.signed(1)["chunks"] - 1
    )
    assert run.faults() == ["shard 1: '1-2' has chunk 1 where chunk 0 is expected"]


def test_missing_last_document_is_found(run: Finished) -> None:
    table = pq.read_table(run.data(1))
    rows = sum(1 for name in table["id"].to_pylist() if name != f"1-{DOCUMENTS - 1}")
    run.rewrite(1, lambda t: t.slice(0, rows), chunks=rows)
    assert run.faults() == ["shard 1: 1 document of the input missing, 0 not in the input"]


def test_output_without_rows_is_found(run: Finished) -> None:
    run.rewrite(1, lambda t: t.slice(0, 0), chunks=0)
    assert run.faults() == [f"shard 1: {DOCUMENTS} documents of the input missing, 0 not in the input"]


def scaled(factor: float) -> Callable[[pa.Table], pa.Table]:
    """Multiply the first vector."""

    def change(table: pa.Table) -> pa.Table:
        column: Any = table["vector"].combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False).copy()
        flat[: column.type.list_size] *= np.float32(factor)
        return table.set_column(
            2, table.schema.field(2), pa.FixedSizeListArray.from_arrays(pa.array(flat), type=column.type)
        )

    return change


@pytest.mark.parametrize("factor", [0.0, 0.99, 1.01, float("nan"), float("inf")])
def test_vector_of_another_length_is_found(run: Finished, factor: float) -> None:
    run.rewrite(1, scaled(factor))
    assert run.faults() == ["shard 1: 1 vector not of length 1"]


def test_wrong_direction_is_found_by_embedding_again(run: Finished) -> None:
    run.rewrite(1, scaled(-1.0))
    assert run.faults() == []
    report = run.verify(embed_again=True)
    assert report.worst_cosine is not None
    assert report.worst_cosine < -0.999
    assert report.faults == ("'1-0' chunk 0: embedded again, its cosine is -1.0000",)


# --- ids


def test_duplicate_id_in_the_corpus_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in range(2):
        rows = [{"id": "same" if n == 1 else f"{file}-{n}", "text": f"{n} of {file}"} for n in range(3)]
        write_jsonl(tmp_path / "in" / f"{file}.jsonl", rows)
    assert finish(tmp_path).faults() == [
        "1 row has an id that another row has, too, such as 'same' in 0.jsonl and 1.jsonl"
    ]


def test_neighbours_with_one_id_count_as_two_documents(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    names = ["a", "same", "same", "b", "a"]
    write_jsonl(tmp_path / "in" / "0.jsonl", [{"id": n, "text": f"{i} words"} for i, n in enumerate(names)])
    report = finish(tmp_path).verify(embed_again=True)
    assert report.faults == (
        "2 rows have an id that another row has, too, such as 'a' in 0.jsonl twice, 'same' in 0.jsonl twice",
    )
    assert report.documents == len(names)
    assert report.resampled == 1  # the texts of the others are ambiguous


def test_missing_second_document_of_an_id_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": n, "text": f"{i} words"} for i, n in enumerate(["a", "same", "b", "same"])]
    write_jsonl(tmp_path / "in" / "0.jsonl", rows)
    found = finish(tmp_path)
    found.rewrite(0, lambda t: t.slice(0, 3), chunks=3)
    assert found.faults() == ["shard 0: 1 document of the input missing, 0 not in the input"]


# --- the quarantine


def test_quarantine_that_lost_a_row_is_found(run: Finished) -> None:
    path = run.root / run.signed(2)["quarantine"]
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert run.faults() == ["shard 2: 1 row in quarantine, but its receipt says 2"]


def test_missing_quarantine_is_found(run: Finished) -> None:
    (run.root / run.signed(2)["quarantine"]).unlink()
    assert run.faults() == ["shard 2: 0 rows in quarantine, but its receipt says 2"]


def test_receipt_that_hides_failed_rows_is_found(run: Finished) -> None:
    run.sign(2, failed_rows=0, quarantine=None)
    assert run.faults() == ["shard 2: 2 bad rows in the input, but its receipt says 0"]


def fail_in_the_engine(run: Finished, position: int, document: str, *, listed: bool) -> None:
    """Make a readable document of the input one that the engine failed on: in quarantine, not in the output."""
    lines = Path(run.header.corpus) / f"{position}.jsonl"
    place = 0
    for line in lines.read_text().splitlines(keepends=True):
        if json.loads(line)["id"] == document:
            break
        place += len(line.encode())
    key = run.signed(position)["quarantine"] or keys.quarantine_key(run.header.run, "00000", f"q-{position}")
    row = asdict(BadRow(lines.name if listed else "other.jsonl", place, "no finite vector", document))
    (run.root / key).parent.mkdir(parents=True, exist_ok=True)
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
def test_document_that_failed_in_the_engine_is_no_fault(run: Finished, position: int, document: int) -> None:
    fail_in_the_engine(run, position, f"{position}-{document}", listed=True)
    report = run.verify(embed_again=True)
    assert report.faults == ()
    assert (report.documents, report.failed_rows) == (FILES * DOCUMENTS, 3)


def test_quarantine_of_another_row_does_not_excuse_a_missing_document(run: Finished) -> None:
    fail_in_the_engine(run, 1, "1-3", listed=False)
    assert run.faults() == [
        "shard 1: 0 bad rows in the input, but its receipt says 1",
        "shard 1: 1 document of the input missing, 0 not in the input",
    ]


@pytest.mark.parametrize("line", ["", "[]", "{", '{"file": 1}', "\x00"])
def test_malformed_line_of_the_quarantine_excuses_no_row(run: Finished, line: str) -> None:
    fail_in_the_engine(run, 1, "1-3", listed=True)
    (run.root / run.signed(1)["quarantine"]).write_text(line + "\n")
    assert run.faults() == [
        "shard 1: 0 bad rows in the input, but its receipt says 1",
        "shard 1: 1 document of the input missing, 0 not in the input",
    ]


def test_document_in_output_and_quarantine_is_found(run: Finished) -> None:
    whole_table, chunks = pq.read_table(run.data(1)), run.signed(1)["chunks"]
    fail_in_the_engine(run, 1, "1-3", listed=True)
    run.rewrite(1, lambda _: whole_table, chunks=chunks)
    assert run.faults() == ["shard 1: 0 documents of the input missing, 1 not in the input"]


# --- memory

MANY = 300_000  # rows of one shard: 77 MB of vectors at
WIDTH = 64  # dimensions

MEASURE = """
import resource, sys
from pathlib import Path
from launcher.output.verification.verify import verify
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

before = peak()
store = FolderStore(Path(sys.argv[1]))
header = manifest.read_header(store, "run-1")
report = verify(store, header, 0, embed_again=False, progress=lambda _done, _all: None)
assert list(report.faults) == sys.argv[2:], report.faults
assert report.documents == %d, report.documents
print((peak() - before) / 2**20)
"""


def large(folder: Path, order: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Path:
    """Make a run of one shard with many short rows, its output in `order`."""
    (folder / "in").mkdir()
    with gzip.open(folder / "in" / "0.jsonl.gz", "wt", compresslevel=1) as lines:
        lines.writelines(f'{{"id": "row-{n:09d}", "text": "short"}}\n' for n in range(MANY))
    shard = shard_of([whole(folder / "in", "0.jsonl.gz", "jsonl")])
    header = header_of(folder / "in", 1)
    store = FolderStore(folder / "out")
    manifest.write(store, header, [shard])
    path = store.root / "data" / "large.parquet"
    path.parent.mkdir()
    vectors = np.eye(WIDTH, dtype=np.float32)
    with VectorFileWriter(path, WIDTH, "float32") as out:
        for part in np.array_split(order(np.arange(MANY)), 10):
            out.add([f"row-{n:09d}" for n in part], [0] * len(part), vectors[part % WIDTH])
    signed = Receipt(
        run=header.run, shard=shard.id, position=0, worker="w", generation=1, nonce="n",
        key=f"data/{path.name}", digest=sha256_of(path), output_bytes=path.stat().st_size, input_bytes=shard.bytes,
        documents=MANY, chunks=MANY, tokens=MANY, tokens_cut=0, failed_rows=0, quarantine=None,
        started=NOON, finished=NOON,
    )  # fmt: skip
    store.put(keys.receipt_key(header.run, shard.slab, shard.id), receipt.dump(signed))
    return store.root


def growth(root: Path, *faults: str) -> float:
    """Measure the MiB that verifying takes above the imports, where it finds just these faults."""
    # Under a shell of its own, because a program that starts another passes its own peak on.
    shell = ["sh", "-c", '"$0" "$@"; exit $?']
    words = [*shell, sys.executable, "-c", MEASURE % MANY, str(root), *faults]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def test_memory_does_not_grow_with_the_shard(tmp_path: Path) -> None:
    assert growth(large(tmp_path, lambda n: n)) < 200  # all ids and vectors at once took 460


def test_memory_is_bounded_when_every_row_is_out_of_order(tmp_path: Path) -> None:
    fault = f"shard 0: its documents are not in the order of the input, from 'row-{MANY - 1:09d}' on"
    assert growth(large(tmp_path, np.flip), fault) < 200


# --- report


def test_all_faults_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in range(SHOWN_FAULTS + 5):
        write_jsonl(tmp_path / "in" / f"{file:02d}.jsonl", [{"id": file, "text": f"text {file}"}])
    found = finish(tmp_path)
    for path in (found.root / "data").iterdir():
        path.unlink()
    report = found.verify()
    assert report.fault_count == SHOWN_FAULTS + 5
    assert len(report.faults) == SHOWN_FAULTS


# --- reduced precision


def turned(angle: float) -> Callable[[pa.Table], pa.Table]:
    """Turn every vector in the plane of its first two numbers' axes: what a less exact computation does, but known."""

    def change(table: pa.Table) -> pa.Table:
        column: Any = table["vector"].combine_chunks()
        rows = column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1).copy()
        side = np.roll(rows, 1, axis=1)
        side -= (side * rows).sum(1, keepdims=True) * rows
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        rows = (np.cos(angle) * rows + np.sin(angle) * side).astype(np.float32)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), type=column.type)
        return table.set_column(2, table.schema.field(2), vectors)

    return change


@pytest.mark.parametrize(("angle", "faulty"), [(0.24, False), (0.40, True)])  # cosines of 0.971 and 0.921
def test_run_in_fp8_may_be_less_exact_and_not_wrong(run: Finished, angle: float, faulty: bool) -> None:
    for position in range(FILES):
        run.rewrite(position, turned(angle))
    assert run.verify(embed_again=True).fault_count > 0
    reduced = Finished(run.root, replace(run.header, precision="fp8"))
    assert (reduced.verify(embed_again=True).fault_count > 0) == faulty


def test_a_signed_file_that_cannot_be_read_is_a_fault(run: Finished) -> None:
    path = run.data(1)
    column = pq.read_metadata(path).row_group(0).column(2)
    body = bytearray(path.read_bytes())
    body[column.data_page_offset + column.total_compressed_size - 4] ^= 1
    path.write_bytes(body)
    run.sign(1, digest=hashlib.sha256(body).hexdigest())
    faults = run.faults()
    assert any("its file of vectors cannot be read from row 0 on: " in fault for fault in faults)
    assert all(fault.startswith("shard 1") or "dataset" in fault for fault in faults)


OTHER_FORMS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "it has no column 'chunk' of type int32": lambda t: t.drop_columns(["chunk"]),
    "it has no column 'id' of type string": lambda t: t.set_column(0, "key", t["id"]),
    "it has no column 'vector' of lists of float of one length": lambda t: t.set_column(
        2, "vector", t["vector"].cast(pa.list_(pa.float32()))
    ),
    "its metadata has '' for embedfleet.dtype": lambda t: t.replace_schema_metadata({}),
    "its column 'id' has missing values": lambda t: t.set_column(
        0, "id", pa.array([None, *t["id"].to_pylist()[1:]])
    ),
}


@pytest.mark.parametrize("fault", OTHER_FORMS)
def test_a_signed_file_of_another_form_is_a_fault(run: Finished, fault: str) -> None:
    run.rewrite(1, OTHER_FORMS[fault])
    faults = run.faults()
    assert any("cannot be read" in one and fault in one for one in faults), faults
