"""Sampling a corpus: a small one is counted, a large one estimated, and a seed always gives the same figures."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.profile import estimate_profile
from launcher.corpus.samples.sampling import KEPT_TEXTS, READ_WHOLE_BYTES, CorpusSample, sample_corpus
from tasks.formats.rows import Columns
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tests.launcher.corpus.samples.written_corpora import (
    COLUMNS,
    POOL,
    WRITERS,
    Truth,
    exactly,
    jsonl,
    look,
    near,
    of,
    profile,
    text,
)
from tests.support.runs import write_jsonl

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


def test_tokens_of_repeated_texts_are_counted(tmp_path: Path) -> None:
    texts = ["the same words here", "something else", "the same words here", "the same words here"]
    write_jsonl(tmp_path / "a.jsonl", [{"text": text} for text in texts])
    found = sample_corpus(
        find_files(str(tmp_path), tmp_path), Columns("text", None), HashTokenizer(), ChunkSpec(512)
    )
    profile = estimate_profile(list(found.strata.values()), 1, 100)
    assert profile.tokens_repeated is not None
    assert (profile.tokens_repeated.mid, profile.tokens.mid) == (2 * 6, 3 * 6 + 4)
