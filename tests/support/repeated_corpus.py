"""A corpus in which many texts occur in several files, its run, and its repeats run as the launcher writes it."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from launcher.corpus.files.listing import find_files
from launcher.corpus.repeat_counts import TextSize
from launcher.corpus.repeated_texts import CorpusTexts, write_repeats_run
from tasks.engines.batches.piece_hash import piece_hash
from tasks.formats.rows import Columns
from tasks.formats.vectors.quantize import dequantize
from tasks.models.files import HASH_DIMENSIONS
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tasks.protocol import manifest
from tasks.protocol.manifest import Header
from tasks.stores.folder import FolderStore
from tests.support.runs import header_of, receipts_of, shard_of, whole, write_jsonl

COLUMNS = Columns("text", "id")
SIZE = TextSize(tokens_per_character=0.2, limit=512, chunked=False, dimensions=HASH_DIMENSIONS)


def repeated_corpus(root: Path, files: int = 6, rows: int = 100, seed: int = 1) -> dict[str, str]:
    """Files in which 6 of 10 rows have one of 50 texts, and the others a text of their own; the texts by id."""
    root.mkdir(parents=True, exist_ok=True)
    dice = random.Random(seed)
    texts: dict[str, str] = {}
    for number in range(files):
        here: dict[str, str] = {}
        for row in range(rows):
            often = dice.random() < 0.6
            here[f"{number}-{row}"] = (
                f"text of all {dice.randrange(50)}" if often else f"only {number} {row} here"
            )
        write_jsonl(root / f"{number}.jsonl", ({"id": name, "text": text} for name, text in here.items()))
        texts |= here
    return texts


def launch_repeated(
    store: FolderStore, root: Path, files: int = 6, *, size: TextSize = SIZE, **changes: Any
) -> Header:
    """A run over such a corpus, a shard for each file, with its repeats run."""
    shards = [shard_of([whole(root, f"{n}.jsonl", "jsonl")], n) for n in range(files)]
    header = header_of(root, files, text_hash=True, hash_as_text=True, **changes)
    texts = CorpusTexts(find_files(str(root), root), COLUMNS, lambda _: None)
    there, _ = write_repeats_run(store, header, str(store.root), texts, size)
    header = header_of(root, files, text_hash=True, hash_as_text=True, repeats=there, **changes)
    manifest.write(store, header, shards)
    return header


def repeated_pieces(texts: dict[str, str]) -> dict[str, str]:
    """The texts that occur more than once, by the hash of what the model reads, in hexadecimal."""
    often = [text for text, count in Counter(texts.values()).items() if count > 1]
    found = split_texts(HashTokenizer(), often, ChunkSpec(512, None, ""))
    return {piece_hash(one.ids[0]).hex(): text for text, one in zip(often, found, strict=True)}


def rows_out(store: FolderStore, header: Header) -> dict[str, NDArray[np.float32]]:
    """The vectors in the files that the receipts of a run name, by id; no id comes twice."""
    found: dict[str, NDArray[np.float32]] = {}
    for receipt in receipts_of(store, header):
        for key, _ in receipt.files:
            table = pq.read_table(store.root / key)
            ids: list[Any] = table.column("id").to_pylist()
            assert not found.keys() & set(ids)
            found |= dict(zip(ids, dequantize(table), strict=True))
    return found


def embedded(log: Path) -> list[tuple[str, str]]:
    """What a counting worker put through its engine: in which stage, and the hash of the piece."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [(one["stage"], one["hash"]) for one in map(json.loads, lines)]
