"""The output has the planned size for every dtype and any columns beside the vectors."""

import random
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.profile import estimate_profile
from launcher.corpus.samples.sampling import sample_corpus
from pricing.charges.storage import vector_bytes
from tasks.engines.batches.piece_hash import piece_hash
from tasks.formats.rows import Columns
from tasks.formats.vectors.quantize import DTYPES
from tasks.formats.vectors.vector_file import VectorFileWriter
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tasks.protocol.dtypes import Dtype
from tests.support.runs import write_jsonl

ROWS = 6_000
DICE = random.Random(3)
POOL = ["".join(DICE.choices("etaoinshrdlu", k=DICE.randint(2, 9))) for _ in range(5_000)]
RECORDS = [
    {
        "id": str(UUID(int=DICE.getrandbits(128))),
        "text": " ".join(DICE.choices(POOL, k=DICE.randint(20, 200))),
    }
    for _ in range(ROWS)
]


@pytest.mark.parametrize("keep", [(), ("text",)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_output_file_has_the_planned_size_within_3_percent(
    tmp_path: Path, dtype: Dtype, keep: tuple[str, ...]
) -> None:
    dimensions = 384
    write_jsonl(tmp_path / "a.jsonl", RECORDS)
    sampled = sample_corpus(
        find_files("a.jsonl", tmp_path), Columns("text", "id", keep), HashTokenizer(), ChunkSpec(512)
    )
    profile = estimate_profile(list(sampled.strata.values()), 1, (tmp_path / "a.jsonl").stat().st_size)
    planned = vector_bytes(round(profile.chunks.mid), dimensions, dtype) + profile.beside.mid
    numbers = np.random.default_rng(1).standard_normal((ROWS, dimensions)).astype(np.float32)
    vectors = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    hashes = [piece_hash([n]) for n in range(ROWS)]
    kept = [[r[k] for k in keep] for r in RECORDS]
    with VectorFileWriter(tmp_path / "v.parquet", dimensions, dtype, keep, hashes="hex") as out:
        out.add([r["id"] for r in RECORDS], [0] * ROWS, vectors, kept, hashes)
    assert (tmp_path / "v.parquet").stat().st_size == pytest.approx(planned, rel=0.03)
