"""The documents of the corpus that `demo.corpus` wrote, for benchmarks."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq


def documents(corpus: Path) -> Iterator[tuple[str, str]]:
    """(id, text) of every document of the demo's corpus."""
    for path in sorted(corpus.glob("*.parquet")):
        table = pq.read_table(path, columns=["id", "text"])
        for name, text in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True):
            yield str(name), str(text)
    for path in sorted(corpus.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield row["id"], row["text"]
