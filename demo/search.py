"""Ask the vectors something: three queries, each with its nearest documents, so that a person sees what they mean."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from demo.neighbours import best_documents
from tasks.engines.base import embed
from tasks.engines.load import load_encoder
from tasks.formats.vectors.quantize import dequantize
from tasks.models.pieces import ChunkSpec, piece_limit
from tasks.protocol import keys, manifest, receipt
from tasks.stores.base import list_all, read
from tasks.stores.folder import FolderStore

LINE = 96  # characters of a document shown


def search(corpus: Path, vectors: Path, run: str, queries: Sequence[str], k: int = 3) -> None:
    """Print the nearest `k` documents of each query."""
    store = FolderStore(vectors)
    header = manifest.read_header(store, run)
    ids: list[str] = []
    blocks: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    for entry in list_all(store, keys.receipts_prefix(run)):
        body = read(store, entry.key)
        assert body
        for key, _ in receipt.load(body).files:  # none where nothing of it could be embedded
            table = pq.read_table(vectors / key)
            ids += [str(name) for name in table["id"].to_pylist()]
            blocks.append(dequantize(table))
    encoder = load_encoder(header.engine, header.model)
    asked = embed(encoder, queries, ChunkSpec(piece_limit(header.model, None))).vectors
    found = best_documents(asked, np.concatenate(blocks), ids, k)
    wanted = {name for hits in found for name, _ in hits}
    texts = {name: text for name, text in documents(corpus) if name in wanted}
    for query, hits in zip(queries, found, strict=True):
        print(f'"{query}"')
        for name, score in hits:
            first = " ".join(texts[name].split())
            print(f"   {score:.3f}  {name}: {first[:LINE]}{'...' if len(first) > LINE else ''}")


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
