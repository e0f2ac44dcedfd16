"""The sample: a small corpus is counted, a large one estimated, and the same corpus always gives the same figures."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import csv
import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.files.listing import Listing, find_files
from launcher.corpus.samples import block_positions, sampling
from launcher.corpus.samples.block_positions import (
    BLOCKS_PER_STRATUM,
    PREFIX_BYTES,
    PREFIX_PLAIN_BYTES,
    next_line_start,
)
from launcher.corpus.samples.profile import Count, Profile, Stratum, estimate_profile
from launcher.corpus.samples.sampling import (
    BATCH_CHARACTERS,
    KEPT_TEXTS,
    READ_WHOLE_BYTES,
    CorpusSample,
    sample_corpus,
)
from launcher.errors import Problem
from tasks.formats.rows import Columns
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tasks.stores.folder import FolderStore
from tests.support.runs import write_jsonl

COLUMNS = Columns("text", "id")
CUT = ChunkSpec(512)
DICE = random.Random(7)
POOL = ["".join(DICE.choices("etaoinshrdlu", k=DICE.randint(2, 9))) for _ in range(20_000)]


@dataclass
class Truth:
    """What was written of one kind."""

    documents: int = 0
    tokens: int = 0
    tokens_cut: int = 0
    bytes: int = 0
    ids: list[str] = field(default_factory=list[str])

    def texts(self, size: int, dice: random.Random, log_words: float = 4.5) -> list[dict[str, str]]:
        """Records of about `size` bytes of text, of very different length."""
        records: list[dict[str, str]] = []
        end = self.bytes + size
        while self.bytes < end:
            words = min(3_000, max(1, int(dice.lognormvariate(log_words, 1.1))))
            start = dice.randrange(len(POOL) - words)
            text = " ".join(POOL[start : start + words])
            records.append({"id": f"d{dice.getrandbits(60)}", "text": text})
            self.documents += 1
            self.bytes += len(text)
            self.tokens += min(512, words + 2)
            self.tokens_cut += max(0, words - 510)
        self.ids += [r["id"] for r in records]
        return records


def look(
    folder: Path, columns: Columns = COLUMNS, seed: int = 0, path: str = "."
) -> tuple[Listing, CorpusSample]:
    listing = find_files(path, folder, unit="line")
    return listing, sample_corpus(listing, columns, HashTokenizer(), CUT, seed)


def profile(folder: Path, columns: Columns = COLUMNS, path: str = ".") -> Profile:
    listing, found = look(folder, columns, path=path)
    return estimate_profile(list(found.strata.values()), len(listing.files), listing.bytes)


def refusal(folder: Path, columns: Columns = COLUMNS) -> Problem:
    with pytest.raises(Problem) as caught:
        look(folder, columns)
    return caught.value


def exactly(number: float) -> Count:
    return Count(number, number, number)


Records = Sequence[dict[str, str]]


def jsonl(path: Path, records: Records) -> None:
    write_jsonl(path, records)


def jsonl_gz(path: Path, records: Records) -> None:
    body = "".join(json.dumps(r) + "\n" for r in records)
    path.write_bytes(gzip.compress(body.encode(), 1, mtime=0))


def jsonl_zst(path: Path, records: Records) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write("".join(json.dumps(r) + "\n" for r in records).encode())


def table(path: Path, records: Records) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["id", "text"])
        writer.writeheader()
        writer.writerows(records)


def parquet(path: Path, records: Records) -> None:
    pq.write_table(pa.Table.from_pylist(list(records)), path, row_group_size=1_000)


def text(path: Path, records: Records) -> None:
    path.write_text("".join(r["text"] + "\n" for r in records))


WRITERS: dict[str, Callable[[Path, Records], None]] = {
    ".jsonl": jsonl,
    ".jsonl.gz": jsonl_gz,
    ".jsonl.zst": jsonl_zst,
    ".csv": table,
    ".parquet": parquet,
    ".txt": text,
}
# suffix, stratum, files, bytes of text in each, logarithm of the median words of a text
LARGE = [
    (".jsonl", "jsonl", 3, 3_000_000, 4.5),
    (".parquet", "parquet", 3, 1_800_000, 2.7),
    (".jsonl.gz", "jsonl compressed", 24, 200_000, 4.5),
    (".csv", "csv", 30, 100_000, 4.5),
    (".txt", "text", 2, 4_000_000, 4.5),
]
STRATA = [stratum for _, stratum, *_ in LARGE]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Truth]]:
    """30 MB of text in every format, and what was written."""
    folder = tmp_path_factory.mktemp("large")
    truths: dict[str, Truth] = {}
    dice = random.Random(11)
    for suffix, stratum, files, size, log_words in LARGE:
        truth = truths[stratum] = Truth()
        for number in range(files):
            # .zst beside .gz: both are of the stratum of compressed lines
            name = suffix.replace(".gz", ".zst") if number % 3 == 2 else suffix
            WRITERS[name](folder / f"{number:02d}{name}", truth.texts(size, dice, log_words))
    return folder, truths


@pytest.fixture(scope="module")
def looked(large: tuple[Path, dict[str, Truth]]) -> CorpusSample:
    return look(large[0])[1]


def of(found: CorpusSample, stratum: str) -> Profile:
    return estimate_profile([found.strata[stratum]], 1, 1)


def near(count: Count, truth: float) -> bool:
    """Within twice the 95 % interval."""
    return 2 * count.low - count.mid <= truth <= 2 * count.high - count.mid


# --- a small corpus


@pytest.mark.parametrize("suffix", [*WRITERS])
def test_small_corpus_is_counted(tmp_path: Path, suffix: str) -> None:
    truth, dice = Truth(), random.Random(3)
    for number in range(3):
        WRITERS[suffix](tmp_path / f"{number}{suffix}", truth.texts(40_000, dice))
    found = profile(tmp_path)
    assert found.documents == found.chunks == exactly(truth.documents)
    assert found.tokens == exactly(truth.tokens)
    assert found.tokens_cut == exactly(truth.tokens_cut)
    assert found.bytes == exactly(truth.bytes)
    assert found.sampled == truth.documents


def test_small_corpus_of_every_format_is_counted(tmp_path: Path) -> None:
    truth, dice = Truth(), random.Random(4)
    for suffix, write in WRITERS.items():
        write(tmp_path / f"a{suffix}", truth.texts(20_000, dice))
    found = profile(tmp_path)
    assert (found.documents, found.tokens) == (exactly(truth.documents), exactly(truth.tokens))
    assert found.files == 6


def test_chunks_are_counted_with_their_overlap(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "a", "text": "word " * 100}])
    listing = find_files(".", tmp_path)
    found = sample_corpus(
        listing, COLUMNS, HashTokenizer(), ChunkSpec(42, 10)
    )  # 40 words, then 30 new ones each, with 2 special
    (block,) = found.strata["jsonl"].blocks
    assert (block.documents, block.chunks, block.tokens) == (1, 3, 100 + 2 * 10 + 3 * 2)


def test_bad_rows_are_counted_and_not_tokenised(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "text": "one"}\n{"id": 2}\n{broken\n{"id": 4, "text": "four"}\n')
    found = profile(tmp_path)
    assert (found.documents, found.bad_rows, found.tokens) == (exactly(2), exactly(2), exactly(6))


def test_empty_file_changes_nothing(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "text": "one two"}])
    (tmp_path / "b.jsonl").touch()
    assert profile(tmp_path).tokens == exactly(4)


def test_parquet_without_rows_changes_nothing(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "text": "one two"}])
    pq.write_table(
        pa.table({"id": pa.array([], "int64"), "text": pa.array([], "string")}), tmp_path / "b.parquet"
    )
    assert profile(tmp_path).tokens == exactly(4)


# --- a large corpus


def test_large_corpus_is_not_read_whole(large: tuple[Path, dict[str, Truth]], looked: CorpusSample) -> None:
    assert find_files(".", large[0]).bytes > READ_WHOLE_BYTES
    assert not any(s.complete for s in looked.strata.values())


def test_large_corpus_has_a_stratum_for_each_kind(looked: CorpusSample) -> None:
    assert sorted(looked.strata) == sorted(STRATA)


@pytest.mark.parametrize("stratum", STRATA)
def test_estimated_tokens_are_near_the_truth(
    large: tuple[Path, dict[str, Truth]], looked: CorpusSample, stratum: str
) -> None:
    tokens = of(looked, stratum).tokens
    assert near(tokens, large[1][stratum].tokens)
    assert tokens.high - tokens.low < 0.5 * tokens.mid


@pytest.mark.parametrize("stratum", STRATA)
def test_estimated_documents_are_near_the_truth(
    large: tuple[Path, dict[str, Truth]], looked: CorpusSample, stratum: str
) -> None:
    assert near(of(looked, stratum).documents, large[1][stratum].documents)


@pytest.mark.parametrize("stratum", STRATA)
def test_estimated_bytes_are_near_the_truth(
    large: tuple[Path, dict[str, Truth]], looked: CorpusSample, stratum: str
) -> None:
    assert near(of(looked, stratum).bytes, large[1][stratum].bytes)


def test_estimated_truncated_tokens_are_near_the_truth(
    large: tuple[Path, dict[str, Truth]], looked: CorpusSample
) -> None:
    found = estimate_profile(list(looked.strata.values()), 1, 1).tokens_cut
    assert near(found, sum(t.tokens_cut for t in large[1].values()))


def test_rows_of_parquet_are_known_from_footers(
    large: tuple[Path, dict[str, Truth]], looked: CorpusSample
) -> None:
    assert looked.strata["parquet"].units == large[1]["parquet"].documents


def test_another_seed_gives_a_similar_profile(large: tuple[Path, dict[str, Truth]]) -> None:
    truth = sum(t.tokens for t in large[1].values())
    found = estimate_profile(list(look(large[0], seed=1)[1].strata.values()), 1, 1)
    assert near(found.tokens, truth)


def test_same_seed_gives_the_same_profile(large: tuple[Path, dict[str, Truth]], looked: CorpusSample) -> None:
    again = look(large[0])[1]
    assert again.strata == looked.strata
    assert again.texts == looked.texts


def test_some_texts_are_kept_to_measure_speed(looked: CorpusSample) -> None:
    assert len(looked.texts) == KEPT_TEXTS
    assert all(t.split()[0] in POOL for t in looked.texts)


def test_no_place_is_sampled_twice(looked: CorpusSample) -> None:
    for stratum in looked.strata.values():
        assert sum(b.units for b in stratum.blocks) < stratum.units


def test_large_corpus_of_small_files_is_estimated(tmp_path: Path) -> None:
    truth, dice = Truth(), random.Random(12)
    for number in range(500):
        jsonl(tmp_path / f"{number}.jsonl", truth.texts(16_000, dice))
    found = profile(tmp_path)
    assert near(found.documents, truth.documents)
    assert near(found.tokens, truth.tokens)


def test_few_lines_beside_a_large_corpus_are_counted(tmp_path: Path) -> None:
    truth, dice = Truth(), random.Random(13)
    text(tmp_path / "a.txt", truth.texts(7_000_000, dice))
    few = Truth()
    jsonl(tmp_path / "b.jsonl", few.texts(300_000, dice))
    (stratum,) = [s for name, s in look(tmp_path)[1].strata.items() if name == "jsonl"]
    assert stratum.complete
    assert sum(b.tokens for b in stratum.blocks) == few.tokens


def test_parquet_without_rows_beside_a_large_corpus_changes_nothing(tmp_path: Path) -> None:
    text(tmp_path / "a.txt", Truth().texts(7_000_000, random.Random(14)))
    alone = profile(tmp_path).tokens
    empty = {"id": pa.array([], "int64"), "text": pa.array([], "string")}
    pq.write_table(pa.table(empty), tmp_path / "b.parquet")
    assert profile(tmp_path).tokens == alone


# --- lines without measure


def line(size: int) -> str:
    return json.dumps({"id": "a", "text": "word " * (size // 5)}) + "\n"


def test_large_file_of_one_line_is_sampled(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line(7_000_000))
    found = profile(tmp_path)
    assert (found.documents, found.tokens) == (exactly(1), exactly(512))


def test_too_long_line_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line(9_000_000))
    problem = refusal(tmp_path)
    assert str(problem).startswith("no text in the corpus: a.jsonl: over-long line: ")


def test_few_huge_lines_are_not_missed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line(3_000_000) * 3)
    assert near(profile(tmp_path).documents, 3)


def test_next_line_starts_after_the_end_of_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\r\n\nfour")
    file = find_files("a.jsonl", tmp_path).files[0]
    assert [next_line_start(FolderStore(tmp_path), file, p) for p in range(15)] == [
        0,
        4,
        4,
        4,
        4,
        9,
        9,
        9,
        9,
        9,
        10,
        14,
        14,
        14,
        14,
    ]


# --- blocks without measure


def hexadecimal(size: int, dice: random.Random) -> str:
    """Text that packs to half its size and no further."""
    return dice.randbytes(size // 2).hex()


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst", ".csv"])
def test_first_text_longer_than_a_prefix_is_sampled(tmp_path: Path, suffix: str) -> None:
    dice = random.Random(15)
    for number in range(20):
        WRITERS[suffix](
            tmp_path / f"{number}{suffix}", [{"id": str(number), "text": hexadecimal(800_000, dice)}]
        )
    assert find_files(".", tmp_path).bytes > READ_WHOLE_BYTES
    assert profile(tmp_path).documents == exactly(20)


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst", ".csv"])
def test_long_texts_among_short_ones_are_not_missed(tmp_path: Path, suffix: str) -> None:
    """Each prefix ends within a long text as a rule: leaving these out would triple the documents."""
    dice = random.Random(16)
    documents = 0
    for number in range(60):
        sizes = [dice.choice([1_000] * 4 + [100_000]) for _ in range(30)]
        documents += len(sizes)
        WRITERS[suffix](
            tmp_path / f"{number}{suffix}", [{"id": "x", "text": hexadecimal(n, dice)} for n in sizes]
        )
    (stratum,) = look(tmp_path)[1].strata.values()
    found = estimate_profile([stratum], 1, 1).documents
    assert not stratum.complete
    assert near(found, documents)
    assert found.mid == pytest.approx(documents, rel=0.25)


def test_record_of_many_lines_is_not_cut(tmp_path: Path) -> None:
    body = "line\n" * 2_000
    for number in range(60):
        table(tmp_path / f"{number}.csv", [{"id": str(n), "text": body} for n in range(20)])
    (stratum,) = look(tmp_path)[1].strata.values()
    assert not stratum.complete
    assert all(b.bytes == b.documents * len(body) for b in stratum.blocks)


def test_too_long_line_in_compressed_files_is_a_bad_row(tmp_path: Path) -> None:
    dice = random.Random(17)
    jsonl_gz(tmp_path / "a.jsonl.gz", [{"id": "a", "text": hexadecimal(14_000_000, dice)}])
    assert find_files(".", tmp_path).bytes > READ_WHOLE_BYTES
    assert str(refusal(tmp_path)).startswith("no text in the corpus: a.jsonl.gz: over-long line: ")


@pytest.mark.parametrize("write", [jsonl_gz, jsonl_zst])
def test_highly_compressed_file_is_not_decompressed_whole(
    tmp_path: Path, write: Callable[[Path, Records], None]
) -> None:
    suffix = write.__name__.removeprefix("jsonl_")
    text(tmp_path / "a.txt", Truth().texts(7_000_000, random.Random(18)))
    write(tmp_path / f"b.jsonl.{suffix}", [{"id": "x", "text": "word " * 200}] * 40_000)
    stratum = look(tmp_path)[1].strata["jsonl compressed"]
    (block,) = stratum.blocks
    assert PREFIX_PLAIN_BYTES * 0.9 < block.bytes < PREFIX_PLAIN_BYTES
    assert block.units < min(PREFIX_BYTES, stratum.units)
    # the first of what repeats takes more room than the others, and these are few hundred bytes
    assert estimate_profile([stratum], 1, 1).documents.mid == pytest.approx(40_000, rel=0.15)


def test_every_prefix_is_counted_before_the_next_is_read(
    many_compressed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def record(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def call(*given: object) -> object:
            calls.append(name)
            return real(*given)

        monkeypatch.setattr(module, name, call)

    record(block_positions, "_read_prefix")
    record(sampling, "_count_block")
    look(many_compressed)
    assert calls == ["_read_prefix", "_count_block"] * 20


def test_blocks_of_parquet_are_smaller_where_texts_are_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as many rows each, wherever the long ones lie."""
    monkeypatch.setattr(sampling, "BATCH_CHARACTERS", 2**15)
    dice = random.Random(19)
    sizes = [dice.choice([20, 4_000, 9_000]) for _ in range(4_000)]
    records = [{"id": "x", "text": hexadecimal(n, dice)} for n in sorted(sizes)]
    parquet(tmp_path / "a.parquet", records)
    (stratum,) = look(tmp_path)[1].strata.values()
    (rows,) = {b.units for b in stratum.blocks}
    assert rows == pytest.approx(2**15 / (sum(sizes) / len(sizes)), rel=0.2)
    assert sum(b.bytes for b in stratum.blocks) < 1.2 * BLOCKS_PER_STRATUM * 2**15
    assert near(estimate_profile([stratum], 1, 1).bytes, sum(sizes))


def test_texts_tokenised_together_are_few_when_they_are_long(tmp_path: Path) -> None:
    class Counting(HashTokenizer):
        most = 0

        def ids(self, texts: Sequence[str]) -> list[list[int]]:
            self.most = max(self.most, sum(map(len, texts)))
            return super().ids(texts)

    jsonl(tmp_path / "a.jsonl", [{"id": "x", "text": "word " * 20_000}] * 50)
    words = Counting()
    found = sample_corpus(find_files(".", tmp_path), COLUMNS, words, CUT)
    assert sum(b.documents for b in found.strata["jsonl"].blocks) == 50
    assert BATCH_CHARACTERS < words.most <= BATCH_CHARACTERS + 100_000


# --- what is refused


@pytest.mark.parametrize("name", ["id", "text"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    pq.write_table(pa.Table.from_arrays(columns, ["id", "text", name]), tmp_path / "a.parquet")
    problem = refusal(tmp_path)
    assert str(problem) == f"a.parquet has 2 columns named {name!r}"
    assert problem.hint == "rename all but one of them, or name another column in the job file"


def test_two_columns_of_a_name_that_is_not_read_are_accepted(tmp_path: Path) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, ["id", "text", "n", "n"]), tmp_path / "a.parquet")
    assert profile(tmp_path).documents == exactly(1)


def test_missing_parquet_column_is_a_problem_that_lists_the_columns(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", [{"id": "1", "body": "one", "title": "two"}])
    problem = refusal(tmp_path)
    assert str(problem) == "a.parquet has no column 'text'; it has 'id', 'body', 'title'"
    assert problem.hint == "set corpus.text to the column or key that holds the text, as a string"


def test_missing_id_column_of_parquet_is_a_problem(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", [{"text": "one"}])
    assert str(refusal(tmp_path)) == "a.parquet has no column 'id'; it has 'text'"


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_missing_column_of_lines_is_a_problem_with_the_first_bad_row(tmp_path: Path, suffix: str) -> None:
    WRITERS[suffix](tmp_path / f"a{suffix}", [{"id": "1", "text": "one"}])
    problem = refusal(tmp_path, Columns("body", "id"))
    said = "no text in the corpus: a{}: no text: 'body' is missing or null; the line has 'id', 'text'"
    assert str(problem) == said.format(suffix)
    assert problem.hint == "set corpus.text to the column or key that holds the text, as a string"


def test_damaged_parquet_file_is_a_problem_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet(path, [{"id": "1", "text": "one"}])
    path.write_bytes(path.read_bytes()[:-9])
    problem = refusal(tmp_path)
    assert str(problem).startswith(f"cannot read {path}: ")
    assert problem.hint == "move the file away, or repair it"


def test_file_that_is_not_parquet_is_a_problem_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("these are no columns")
    assert str(refusal(tmp_path)).startswith(f"cannot read {tmp_path / 'a.parquet'}: ")


def test_damaged_gz_of_a_small_corpus_is_counted_up_to_the_damage(tmp_path: Path) -> None:
    truth = Truth()
    path = tmp_path / "a.jsonl.gz"
    jsonl_gz(path, truth.texts(400_000, random.Random(5)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = profile(tmp_path)
    assert found.bad_rows == exactly(1)
    assert 0 < found.documents.mid < truth.documents


@pytest.fixture
def many_compressed(tmp_path: Path) -> Path:
    """More than a small corpus, in which one file can be damaged."""
    body = "".join(json.dumps(r) + "\n" for r in Truth().texts(200_000, random.Random(6)))
    for number in range(20):
        # stored, not compressed: the corpus is large at little cost
        (tmp_path / f"{number:02d}.jsonl.gz").write_bytes(gzip.compress(body.encode() * 2, 0, mtime=0))
    assert find_files(".", tmp_path).bytes > READ_WHOLE_BYTES
    return tmp_path


def test_gz_that_is_no_gzip_is_a_problem_that_names_it(many_compressed: Path) -> None:
    path = many_compressed / "07.jsonl.gz"
    path.write_bytes(b"these are no bytes of gzip\n" * 9_999)
    assert str(refusal(many_compressed)) == "07.jsonl.gz is not compressed, and no gzip as its name says"


def test_damaged_gz_is_read_up_to_the_damage(many_compressed: Path) -> None:
    path = many_compressed / "07.jsonl.gz"
    body = bytearray(gzip.compress(b'{"id": "x", "text": "a few words"}\n' * 99_999, 1))
    body += random.Random(8).randbytes(2**17)
    body[4_500:4_600] = bytes(100)
    path.write_bytes(body)
    assert profile(many_compressed).documents.mid > 0


def test_gz_of_several_members_is_read_whole(many_compressed: Path) -> None:
    path = many_compressed / "07.jsonl.gz"
    part = gzip.compress(b'{"id": "x", "text": "one two three"}\n' * 10)
    path.write_bytes(part * 500)
    alone = look(many_compressed, path="07.jsonl.gz")[1].strata["jsonl compressed"]
    assert isinstance(alone, Stratum)
    assert sum(b.documents for b in alone.blocks) == 5_000


def test_tokens_of_repeated_texts_are_counted(tmp_path: Path) -> None:
    texts = ["the same words here", "something else", "the same words here", "the same words here"]
    write_jsonl(tmp_path / "a.jsonl", [{"text": text} for text in texts])
    found = sample_corpus(
        find_files(str(tmp_path), tmp_path), Columns("text", None), HashTokenizer(), ChunkSpec(512)
    )
    profile = estimate_profile(list(found.strata.values()), 1, 100)
    assert profile.tokens_repeated is not None
    assert (profile.tokens_repeated.mid, profile.tokens.mid) == (2 * 6, 3 * 6 + 4)


def test_parquet_that_unpacks_to_far_more_than_its_size_is_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text of 4 MiB, in a dictionary a thousand times, took minutes."""
    monkeypatch.setattr(sampling, "MOST_PARQUET_CHARACTERS", 2**19)
    monkeypatch.setattr(sampling, "BATCH_CHARACTERS", 2**16)
    body, rows = "word " * 2**14, 500
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([body]))
    pq.write_table(
        pa.table({"id": [f"r{n}" for n in range(rows)], "text": texts}),
        tmp_path / "a.parquet",
        row_group_size=100,
    )
    found = look(tmp_path)[1]
    blocks = found.strata["parquet"].blocks
    assert sum(block.documents for block in blocks) <= block_positions.BLOCKS_PER_STRATUM
    seen = of(found, "parquet")
    assert near(seen.documents, rows)
    assert near(seen.bytes, rows * len(body))
    assert not found.warnings()
