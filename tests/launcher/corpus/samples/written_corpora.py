"""Corpora of every format that the tests of sampling write, and what is true of them."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import csv
import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.files.listing import Listing, find_files
from launcher.corpus.samples.profile import Count, Profile, estimate_profile
from launcher.corpus.samples.sampling import CorpusSample, sample_corpus
from launcher.errors import Problem
from tasks.formats.rows import Columns
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
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


def of(found: CorpusSample, stratum: str) -> Profile:
    return estimate_profile([found.strata[stratum]], 1, 1)


def near(count: Count, truth: float) -> bool:
    """Within twice the 95 % interval."""
    return 2 * count.low - count.mid <= truth <= 2 * count.high - count.mid


def line(size: int) -> str:
    return json.dumps({"id": "a", "text": "word " * (size // 5)}) + "\n"


def hexadecimal(size: int, dice: random.Random) -> str:
    """Text that packs to half its size and no further."""
    return dice.randbytes(size // 2).hex()
