"""Each format from the listing to the vectors: every document of the corpus has its own vector, and no other."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples import sampling
from launcher.corpus.samples.profile import estimate_profile
from launcher.corpus.samples.sampling import sample_corpus
from launcher.corpus.sharding import cut_shards
from launcher.output.verification.input_counts import count_input
from tasks.engines.base import embed
from tasks.engines.hash_engine import HashEncoder
from tasks.formats.rows import Columns
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tasks.protocol import manifest
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.shard import Kind
from tasks.stores.folder import FolderStore
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tasks.worker.monitoring.signals import Signals
from tasks.worker.worker import Worker
from tests.support.documents import pdf, word_of_xml
from tests.support.runs import NOON, column, header_of, receipts_of

COUNT = 60
RECORDS: list[dict[str, Any]] = [
    {
        "id": f"n{n}",
        "text": f"text {n} é " + "word " * (n % 7),
        "doc": {"text": f"inner {n}"},
        "parts": [f"a{n}", "b"],
    }
    for n in range(COUNT)
]
TEXTS = {record["id"]: record["text"] for record in RECORDS}
TABLE = pa.Table.from_pylist(RECORDS)
Build = Callable[[Path], None]


def lines() -> bytes:
    return "".join(json.dumps(record) + "\n" for record in RECORDS).encode()


def arrow(new: Any, codec: Any = None) -> bytes:
    body = io.BytesIO()
    with new(body, TABLE.schema, options=ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(TABLE, max_chunksize=25)
    return body.getvalue()


def tar() -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for record in RECORDS:
            for ending, content in ((".jpg", b"\xff" * 600), (".txt", record["text"].encode())):
                member = tarfile.TarInfo(record["id"] + ending)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return body.getvalue()


def polars_file() -> bytes:
    body = io.BytesIO()
    frame: Any = pl.from_arrow(TABLE)
    frame.write_ipc(body, compression="zstd")
    return body.getvalue()


def at(name: str, body: Callable[[], bytes]) -> Build:
    def build(folder: Path) -> None:
        (folder / name).write_bytes(body())

    return build


def partitions(folder: Path) -> None:
    for record in RECORDS:
        path = folder / f"_id={record['id']}"
        path.mkdir()
        (path / "a.jsonl").write_text(json.dumps({"text": record["text"]}) + "\n")


def save_to_disk(folder: Path) -> None:
    (folder / "data-00000-of-00001.arrow").write_bytes(arrow(ipc.new_stream))
    (folder / "state.json").write_text("{}")


def documents(folder: Path) -> None:
    for record in RECORDS:
        (folder / record["id"]).write_text(record["text"])


def parquet(folder: Path) -> None:
    (folder / "x.parquet").mkdir()
    pq.write_table(TABLE, folder / "x.parquet/part-0.parquet", row_group_size=17)


INNER = {f"n{n}": f"inner {n}" for n in range(COUNT)}
JOINED = {f"n{n}": f"a{n}\nb" for n in range(COUNT)}
SUFFIXES: Mapping[str, Callable[[str], bytes]] = {
    ".pdf": lambda text: pdf([text]),
    ".docx": lambda text: word_of_xml(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"),
    ".html": lambda text: f"<title>x</title><p>{text}".encode(),
    ".md": lambda text: text.encode(),
    ".txt": lambda text: text.encode(),
}


def mixed(folder: Path) -> None:
    """Files of all formats that are a document each; their ids are their paths."""
    for name, text in MIXED.items():
        (folder / name).write_bytes(SUFFIXES[Path(name).suffix](text))


MIXED = {f"n{n}{tuple(SUFFIXES)[n % len(SUFFIXES)]}": f"text number {n}" for n in range(COUNT)}
CASES: Mapping[str, tuple[Build, Columns, Kind | None, Mapping[str, str]]] = {
    "array": (at("a.json", lambda: json.dumps(RECORDS).encode()), Columns("text", "id"), None, TEXTS),
    "pretty array .xz": (
        at("a.json.xz", lambda: lzma.compress(json.dumps(RECORDS, indent=2).encode())),
        Columns("text", "id"),
        None,
        TEXTS,
    ),
    "lines .json.gz": (at("a.json.gz", lambda: gzip.compress(lines())), Columns("text", "id"), None, TEXTS),
    "array in .jsonl": (
        at("a.jsonl", lambda: json.dumps(RECORDS).encode()),
        Columns("text", "id"),
        None,
        TEXTS,
    ),
    ".BZ2": (at("a.JSONL.BZ2", lambda: bz2.compress(lines())), Columns("text", "id"), None, TEXTS),
    "stream": (at("a.arrow", lambda: arrow(ipc.new_stream, "zstd")), Columns("text", "id"), None, TEXTS),
    "file": (at("a.feather", lambda: arrow(ipc.new_file, "lz4")), Columns("text", "id"), None, TEXTS),
    "polars": (at("a.ipc", polars_file), Columns("text", "id"), None, TEXTS),
    "save_to_disk": (save_to_disk, Columns("text", "id"), None, TEXTS),
    "webdataset": (at("a.tar", tar), Columns("txt", None), None, TEXTS),
    "webdataset .tgz": (at("a.tgz", lambda: gzip.compress(tar())), Columns("txt", None), None, TEXTS),
    "documents": (documents, Columns("text", None), "document", TEXTS),
    "mixed documents": (mixed, Columns("text", None), None, MIXED),
    "no ending": (at("part-0", lines), Columns("text", "id"), "jsonl", TEXTS),
    "partitions": (partitions, Columns("text", "_id"), None, TEXTS),
    "folder of Parquet": (parquet, Columns("text", "id"), None, TEXTS),
    "nested JSON": (at("a.jsonl", lines), Columns("doc.text", "id"), None, INNER),
    "nested Parquet": (parquet, Columns("doc.text", "id"), None, INNER),
    "nested Arrow": (at("a.arrow", lambda: arrow(ipc.new_file)), Columns("doc.text", "id"), None, INNER),
    "lists": (parquet, Columns("parts", "id", join="\n"), None, JOINED),
}


@pytest.mark.parametrize("sampled_whole", [True, False], ids=["whole", "sampled"])
@pytest.mark.parametrize("name", CASES)
def test_every_document_gets_its_vector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sampled_whole: bool
) -> None:
    build, columns, kind, wanted = CASES[name]
    source = tmp_path / "in"
    source.mkdir()
    build(source)
    if not sampled_whole and name == "array in .jsonl":
        pytest.skip("refused, see test_beginnings")
    monkeypatch.setattr(sampling, "READ_WHOLE_BYTES", 6 * 2**20 if sampled_whole else 0)
    listing = find_files("in", tmp_path, kind=kind)
    sampled = sample_corpus(listing, columns, HashTokenizer(), ChunkSpec(512))
    profile = estimate_profile(list(sampled.strata.values()), len(listing.files), listing.bytes)
    assert profile.bad_rows.mid == 0
    if sampled_whole:
        assert profile.documents.mid == COUNT
    shards = list(cut_shards(listing, sampled, 150))
    changes: dict[str, Any] = {
        "text": columns.text,
        "id": columns.id,
        "join": columns.join,
        "plain_ids": True,
    }
    header = header_of(source, len(shards), **changes)
    store = FolderStore(tmp_path / "out")
    manifest.write(store, header, shards)
    encoder = HashEncoder()
    (tmp_path / "scratch").mkdir()
    heart = HeartbeatWriter(
        store, Heartbeat(run="run-1", worker="ann", host="here", pid=1, started=NOON), 1_000
    )
    Worker(
        store=store,
        header=header,
        name="ann",
        offset=0,
        encoder=encoder,
        heartbeat=heart,
        scratch=tmp_path / "scratch",
        signals=Signals(),
    ).run()
    receipts = receipts_of(store, header)
    got: dict[str, Any] = {}
    for key in (key for receipt in receipts for key, _ in receipt.files):
        for id_, vector in zip(
            column(store.root / key, "id"), column(store.root / key, "vector"), strict=True
        ):
            assert id_ not in got
            got[id_] = vector
    assert sum(receipt.failed_rows for receipt in receipts) == 0
    assert got.keys() == wanted.keys()
    for id_, text in wanted.items():
        assert np.allclose(got[id_], embed(encoder, [text], ChunkSpec(512)).vectors[0], atol=1e-6), id_
    counted = [
        count_input(FolderStore(source), piece, None) for shard in shards for piece in shard.slices[:1]
    ]
    assert all(one is None or one.rows <= COUNT for one in counted)
