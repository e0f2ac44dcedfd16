"""What must be in the output, and whether it is: shares no code with the product.

The corpus is read with `json`, receipts with `json`, vectors with pyarrow; what vector a text must have is worked out
here from the definition of the hash engine. Reads the output through nothing but `files`: names and bytes.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

DIMENSIONS = 32

Names = Callable[[str], list[str]]  # keys that begin so
Bytes = Callable[[str], bytes]


@dataclass
class Verdict:
    """Rows that are not there, that are there twice, and that have another vector than they must."""

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    different: int = 0
    strange: int = 0  # of no text of the corpus
    faults: list[str] = field(default_factory=list[str])
    losers: int = 0  # files that no receipt names: work that was done twice, or not to its end
    files: int = 0

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.different or self.strange or self.faults)


def vector(text: str) -> NDArray[np.float32]:
    """What the hash engine makes of a text: its words and marks as numbers, a seed from them, a direction from that."""
    words = re.findall(r"\w+|[^\w\s]", text)
    numbers = [1, *(3 + zlib.crc32(word.encode("utf-8", "surrogatepass")) % 30_000 for word in words), 2]
    seed = zlib.crc32(np.array(numbers, np.int64).tobytes())
    found = np.random.default_rng(seed).standard_normal(DIMENSIONS, np.float32)
    return found / np.linalg.norm(found[None], axis=1)[0]


def expected(corpus: Path) -> dict[str, NDArray[np.float32]]:
    """By id, the vector of every text."""
    found: dict[str, NDArray[np.float32]] = {}
    for path in sorted(corpus.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[row["id"]] = vector(row["text"])
    return found


def check(
    run: str, shards: int, wanted: Mapping[str, NDArray[np.float32]], names: Names, read: Bytes
) -> Verdict:
    """Hold the whole output against what it must be."""
    verdict = Verdict()
    receipts = [json.loads(read(key)) for key in names(f"_embedfleet/{run}/receipts/")]
    by_shard = Counter(str(receipt["shard"]) for receipt in receipts)
    if len(by_shard) != shards or set(by_shard.values()) != {1}:
        verdict.faults.append(
            f"{len(receipts)} receipts of {len(by_shard)} shards, and there are {shards} shards"
        )
    seen: Counter[str] = Counter()
    named: set[str] = set()
    for receipt in receipts:
        if receipt["fault"]:
            verdict.faults.append(f"shard {receipt['position']}: {receipt['fault']}")
        for key, digest in files_of(receipt):
            named.add(key)
            body = read(key)
            if sha256(body).hexdigest() != digest:
                verdict.faults.append(f"{key} is not the file that was signed for")
            _rows(body, wanted, seen, verdict)
    verdict.lost = sum(1 for name in wanted if name not in seen)
    verdict.doubled = sum(count - 1 for name, count in seen.items() if name in wanted)
    present = set(names("data/"))
    verdict.files, verdict.losers = len(named), len(present - named)
    return verdict


def files_of(receipt: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Key and digest of each file of a shard."""
    files = [(file["key"], file["digest"]) for file in receipt["earlier"]]
    return files + ([(receipt["key"], receipt["digest"])] if receipt["key"] else [])


def _rows(
    body: bytes, wanted: Mapping[str, NDArray[np.float32]], seen: "Counter[str]", verdict: Verdict
) -> None:
    table: Any = pq.read_table(io.BytesIO(body))
    verdict.rows += table.num_rows
    for name, found in zip(table["id"].to_pylist(), table["vector"].to_pylist(), strict=True):
        seen[name] += 1
        if name not in wanted:
            verdict.strange += 1
        elif not np.allclose(np.array(found, np.float32), wanted[name], rtol=0, atol=1e-6):
            verdict.different += 1
