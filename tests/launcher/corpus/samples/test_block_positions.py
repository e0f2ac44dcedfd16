"""Where blocks of a large file start and end, also where lines and texts have no bounds."""

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples import block_positions, sampling
from launcher.corpus.samples.block_positions import PREFIX_BYTES, PREFIX_PLAIN_BYTES, next_line_start
from launcher.corpus.samples.profile import estimate_profile
from launcher.corpus.samples.sampling import READ_WHOLE_BYTES
from tasks.stores.folder import FolderStore
from tests.launcher.corpus.samples.written_corpora import (
    WRITERS,
    Records,
    Truth,
    exactly,
    hexadecimal,
    jsonl_gz,
    jsonl_zst,
    line,
    look,
    near,
    profile,
    refusal,
    table,
    text,
)


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
