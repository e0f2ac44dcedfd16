"""How much of a sampled file is held at once: batches, blocks of Parquet and what a dictionary unpacks to."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples import block_positions, sampling
from launcher.corpus.samples.block_positions import BLOCKS_PER_STRATUM
from launcher.corpus.samples.profile import estimate_profile
from launcher.corpus.samples.sampling import BATCH_CHARACTERS, sample_corpus
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tests.launcher.corpus.samples.written_corpora import (
    COLUMNS,
    CUT,
    hexadecimal,
    jsonl,
    look,
    near,
    of,
    parquet,
)


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
