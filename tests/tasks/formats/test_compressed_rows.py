"""Compressed files: the rows of the plain file, and what a damaged one still gives."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.formats.compression import decompressed
from tasks.formats.rows import BadRow
from tasks.protocol.shard import Kind
from tests.support.read_rows import found, jsonl, short

GOOD = b'{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n{"id": "c", "text": "three"}\n'
READ = [(0, "a", "one"), (27, "b", "two"), (54, "c", "three")]


def zst(body: bytes) -> bytes:
    packed: bytes = pa.compress(body, codec="zstd", asbytes=True)
    return packed


def packed(tmp_path: Path, suffix: str, *members: bytes, broken: int = 0) -> Path:
    """A compressed file of several members, with the last `broken` bytes missing."""
    compress = {"gz": gzip.compress, "zst": zst}[suffix]
    body = b"".join(compress(member) for member in members)
    path = tmp_path / f"part.jsonl.{suffix}"
    path.write_bytes(body[: len(body) - broken])
    return path


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_compressed_file_reads_as_the_plain_one(tmp_path: Path, suffix: str) -> None:
    assert short(found(packed(tmp_path, suffix, GOOD), "jsonl")) == READ


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_the_parts_of_a_compressed_file_are_one_file(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path, suffix, GOOD[:35], b"", GOOD[35:40], GOOD[40:])
    assert short(found(path, "jsonl")) == READ


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_compressed_file_of_many_parts_loses_nothing(tmp_path: Path, suffix: str) -> None:
    lines = [json.dumps({"id": n, "text": f"{n} " * (n % 50 + 1)}).encode() + b"\n" for n in range(2_000)]
    members = [b"".join(lines[n : n + 100]) for n in range(0, 2_000, 100)]
    out = found(packed(tmp_path, suffix, *members), "jsonl")
    assert [row.id for row in out] == [str(n) for n in range(2_000)]


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_an_empty_compressed_file_has_no_rows(tmp_path: Path, suffix: str) -> None:
    assert found(packed(tmp_path, suffix, b""), "jsonl") == []


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_truncated_file_gives_what_is_whole_and_one_bad_row(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path, suffix, GOOD * 200, GOOD[:-3], broken=12)
    *good, bad = found(path, "jsonl")
    plain = found(jsonl(tmp_path, GOOD * 201), "jsonl")
    assert short(good) == short(plain)[: len(good)]
    assert len(good) > 540
    assert isinstance(bad, BadRow)
    assert bad.position == plain[len(good)].position
    assert bad.reason.startswith("the file is damaged from here on: ")


@pytest.mark.parametrize("suffix", ["gz", "zst"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "text"])
def test_a_file_that_is_not_compressed_at_all_is_one_bad_row(tmp_path: Path, suffix: str, kind: Kind) -> None:
    path = tmp_path / f"part.jsonl.{suffix}"
    path.write_bytes(GOOD)
    (bad,) = found(path, kind)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("the file is damaged from here on: ")


def test_a_gz_file_whose_checksum_is_wrong_ends_in_a_bad_row(tmp_path: Path) -> None:
    path = packed(tmp_path, "gz", GOOD)
    body = bytearray(path.read_bytes())
    body[-8] ^= 1
    path.write_bytes(body)
    *_, bad = found(path, "jsonl")
    assert isinstance(bad, BadRow)
    assert bad.reason == "the file is damaged from here on: incorrect data check"


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_truncated_table_gives_what_is_whole_and_one_bad_row(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path, suffix, b"id,text\na,one\n" * 1_000, b"b,two\n", broken=12)
    *good, bad = found(path, "csv")
    assert [row.position for row in good] == list(range(len(good)))
    assert len(good) > 1_000
    assert isinstance(bad, BadRow)
    assert bad.position == len(good)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_plain_stream_gives_the_bytes_of_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"part.jsonl{suffix}"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zst}[suffix](GOOD))
    with path.open("rb") as stored, decompressed(stored, path.name) as stream:
        assert stream.read() == GOOD
