"""Shards: every byte and row in one of them and in no other, on line ends, the same ones each time."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.corpus.files.listing import Listing, find_files
from launcher.corpus.samples.profile import SampledBlock, Stratum
from launcher.corpus.samples.sampling import CorpusSample, read_footer
from launcher.corpus.samples.text_escapes import TextEscapes
from launcher.corpus.sharding import MAX_SLICES, cut_shards
from tasks.formats.read import read_rows
from tasks.formats.rows import Columns, Document
from tasks.protocol.shard import SLAB, Shard, Slice
from tasks.stores.folder import FolderStore

KINDS = ("jsonl", "jsonl compressed", "text", "csv", "parquet")


def dense(tokens_per_unit: float = 1.0) -> CorpusSample:
    """A sample that found so many tokens in each byte or row."""
    found = CorpusSample(0, Columns("text", "id"), TextEscapes())
    block = SampledBlock(1_000, 1, round(1_000 * tokens_per_unit))
    found.strata = {kind: Stratum(1_000, (block,)) for kind in KINDS}
    return found


def cut(folder: Path, target: int, tokens_per_unit: float = 1.0) -> list[Shard]:
    found, sampled = listing(folder), dense(tokens_per_unit)
    for file in found.files:
        if file.kind == "parquet":
            sampled.footers[file.path] = read_footer(found, found.open(), file, Columns("text", "id"))
    return list(cut_shards(found, sampled, target))


def listing(folder: Path) -> Listing:
    return find_files(str(folder), folder, unit="line")


def pieces(found: Sequence[Shard]) -> list[Slice]:
    return [piece for shard in found for piece in shard.slices]


def ranges(found: Sequence[Shard], path: str) -> list[tuple[int, int | None]]:
    return [(p.start, p.end) for p in pieces(found) if p.path == path]


def lines(folder: Path, name: str, count: int, size: int = 10) -> None:
    (folder / name).write_text("".join(f"{n:0{size - 1}d}\n" for n in range(count)))


def row_groups(path: Path, *sizes: int) -> None:
    schema = pa.schema({"id": pa.int64(), "text": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for size in sizes:
            ids = pa.array(range(size), pa.int64())
            writer.write_table(pa.table({"id": ids, "text": ids.cast(pa.string())}, schema=schema))


# --- lines

some_lines = st.lists(st.text("ab é", max_size=30), min_size=1, max_size=60)


@settings(deadline=None)  # it writes files
@given(some_lines, st.booleans(), st.integers(1, 500))
def test_shards_cover_every_byte_once_on_line_ends(found: list[str], ended: bool, target: int) -> None:
    body = ("\n".join(found) + ("\n" if ended else "")).encode() or b"\n"
    with TemporaryDirectory() as folder:
        (Path(folder) / "a.txt").write_bytes(body)
        edges = ranges(cut(Path(folder), target), "a.txt")
        whole = [(s, len(body) if e is None else e) for s, e in edges]
    assert (whole[0][0], whole[-1][1]) == (0, len(body))
    assert all(left[1] == right[0] for left, right in pairwise(whole))
    assert all(body[start - 1 : start] == b"\n" for start, _ in whole[1:])


@settings(deadline=None)  # it writes files
@given(st.lists(some_lines, min_size=1, max_size=6), st.integers(1, 500))
def test_every_document_of_many_files_is_read_once(files: list[list[str]], target: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, found in enumerate(files):
            (folder / f"{number}.txt").write_text("\n".join(["first", *found]), "utf-8")
        everything = [Slice(f.path, f.version, f.kind) for f in listing(folder).files]
        cuts = pieces(cut(folder, target))
        read = [
            [r for p in some for r in read_rows(FolderStore(folder), p, Columns("text", None))]
            for some in (everything, cuts)
        ]
    assert read[0] == read[1]
    assert sum(isinstance(r, Document) for r in read[1]) >= len(files)


def test_large_file_is_cut_into_shards_of_about_the_target(tmp_path: Path) -> None:
    lines(tmp_path, "a.txt", 1_000)
    found = cut(tmp_path, 1_000)
    assert len(found) == 10
    assert ranges(found, "a.txt") == [(n, n + 1_000) for n in range(0, 10_000, 1_000)]
    assert {(s.bytes, s.tokens) for s in found} == {(1_000, 1_000)}


def test_one_line_is_one_shard_however_long(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word " * 10_000)
    assert ranges(cut(tmp_path, 100), "a.txt") == [(0, 50_000)]


def test_small_files_share_a_shard(tmp_path: Path) -> None:
    for number in range(20):
        lines(tmp_path, f"{number:02d}.txt", 10)  # 100 tokens each
    found = cut(tmp_path, 1_000)
    assert [len(s.slices) for s in found] == [8, 8, 4]  # closed at three quarters of the target
    assert [s.tokens for s in found] == [800, 800, 400]


def test_shard_has_at_most_a_thousand_slices(tmp_path: Path) -> None:
    assert MAX_SLICES == 1_000
    for number in range(1_001):
        (tmp_path / f"{number:04d}.txt").write_text("a\n")
    assert [len(s.slices) for s in cut(tmp_path, 10**6)] == [1_000, 1]


def test_empty_file_is_in_no_shard(tmp_path: Path) -> None:
    lines(tmp_path, "a.txt", 10)
    (tmp_path / "b.txt").touch()
    assert [p.path for p in pieces(cut(tmp_path, 1_000))] == ["a.txt"]


# --- whole files


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz"])
def test_indivisible_file_stays_whole(tmp_path: Path, name: str) -> None:
    body = b"".join(b"%d,word\n" % n for n in range(5_000))
    (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    assert ranges(cut(tmp_path, 100), name) == [(0, None)]


def test_large_indivisible_file_has_a_shard_of_its_own(tmp_path: Path) -> None:
    lines(tmp_path, "a.txt", 10)
    lines(tmp_path, "b.csv", 1_000)
    lines(tmp_path, "c.txt", 10)
    assert [[p.path for p in s.slices] for s in cut(tmp_path, 1_000)] == [["a.txt"], ["b.csv"], ["c.txt"]]


# --- Parquet


@settings(deadline=None)  # it writes files
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 100))
def test_shards_cover_every_row_once(sizes: list[int], target: int) -> None:
    with TemporaryDirectory() as folder:
        row_groups(Path(folder) / "a.parquet", *sizes)
        edges = ranges(cut(Path(folder), target), "a.parquet")
    covered = [row for start, end in edges for row in range(start, end or 0)]
    assert covered == list(range(sum(sizes)))


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    row_groups(tmp_path / "a.parquet", 100, 80, 100)
    assert ranges(cut(tmp_path, 100), "a.parquet") == [(0, 100), (100, 180), (180, 280)]


def test_large_row_group_is_cut_inside(tmp_path: Path) -> None:
    row_groups(tmp_path / "a.parquet", 400)
    assert ranges(cut(tmp_path, 100), "a.parquet") == [(0, 100), (100, 200), (200, 300), (300, 400)]


def test_small_row_groups_share_a_shard(tmp_path: Path) -> None:
    row_groups(tmp_path / "a.parquet", *[10] * 16)
    assert [len(s.slices) for s in cut(tmp_path, 100)] == [8, 8]


def test_bytes_of_the_shards_add_up_to_the_file(tmp_path: Path) -> None:
    row_groups(tmp_path / "a.parquet", 400)
    total = sum(s.bytes for s in cut(tmp_path, 100))
    assert abs(total - (tmp_path / "a.parquet").stat().st_size) <= 4


# --- names


def test_same_corpus_gives_the_same_shards(tmp_path: Path) -> None:
    lines(tmp_path, "a.txt", 1_000)
    row_groups(tmp_path / "b.parquet", 300)
    assert cut(tmp_path, 500) == cut(tmp_path, 500)


def test_changed_file_gives_other_shard_ids(tmp_path: Path) -> None:
    lines(tmp_path, "a.txt", 1_000)
    lines(tmp_path, "b.txt", 1_000)
    before = cut(tmp_path, 1_000)
    lines(tmp_path, "b.txt", 1_001)
    after = cut(tmp_path, 1_000)
    assert {s.id for s in before} & {s.id for s in after} == {s.id for s in before[:10]}


def test_positions_continue_across_slabs(tmp_path: Path) -> None:
    lines(tmp_path, "a.txt", 25_000)
    found = cut(tmp_path, 100)
    assert len(found) == 2_500
    assert [s.position for s in found] == list(range(2_500))
    assert len({s.id for s in found}) == 2_500
    assert [found[n].slab for n in (SLAB - 1, SLAB, 2_499)] == ["00000", "00001", "00002"]
