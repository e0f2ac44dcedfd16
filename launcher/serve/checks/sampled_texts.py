"""Rows of a run with their stored vectors and the texts that they were made of, to ask a server for the same."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from launcher.errors import Problem
from launcher.output.vector_sample import sample_vectors
from launcher.output.verification.shard_files import ReceiptReader
from launcher.vectors.read_dataset import Dataset
from tasks.formats.rows import Document
from tasks.protocol import manifest
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import SLAB, Shard
from tasks.stores.open import open_store
from tasks.worker.reading.input_rows import rows_of

SHARDS = 8  # whose input is read
MOST_CHARACTERS = 200_000  # of a text: a longer one is not asked for


@dataclass(frozen=True, slots=True)
class SampledText:
    """A row of the output: its text, which chunk of it the vector is of, and the vector."""

    id: str
    chunk: int
    text: str
    vector: NDArray[np.float32]


def sample_texts(dataset: Dataset, rows: int, seed: int) -> list[SampledText]:
    """Up to so many rows of the run, from a few of its shards. Rows of earlier runs in its dataset are not sampled.

    Raises:
        Problem: no text of the run can be read again.
    """
    header, store = dataset.header, dataset.store
    manifest.check_corpus_reachable(header)
    dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
    chosen = sorted(dice.sample(range(header.shards), min(SHARDS, header.shards)))
    reader = ReceiptReader(store)
    shards: dict[str, Shard] = {}
    receipts: list[Receipt] = []
    for position in chosen:
        shard = manifest.read_slab(store, header.run, position // SLAB, header.shards)[position % SLAB]
        receipt = reader.read(header, shard)
        if isinstance(receipt, Receipt):
            shards[shard.id] = shard
            receipts.append(receipt)
    found = sample_vectors(store, receipts, rows, SHARDS)
    texts: list[SampledText] = []
    if found is not None:
        for shard_id in dict.fromkeys(found.shards):
            places = [n for n, name in enumerate(found.shards) if name == shard_id]
            known = _texts(dataset, shards[shard_id], {found.ids[n] for n in places})
            texts += [
                SampledText(found.ids[n], found.chunks[n], known[found.ids[n]], found.vectors[n])
                for n in places
                if found.ids[n] in known
            ]
    if not texts:
        raise Problem(
            f"no text of run {dataset.run} can be read again",
            hint=f"its corpus is at {header.corpus}; embedfleet verify {dataset.run} says what is missing",
        )
    return texts


def _texts(dataset: Dataset, shard: Shard, wanted: set[str]) -> dict[str, str]:
    """The texts of these documents; not those that come twice, or that are too long."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for row in rows_of(dataset.header, open_store(dataset.header.corpus), shard):
        if isinstance(row, Document) and row.id in wanted:
            if row.id in found:
                twice.add(row.id)
            found[row.id] = row.text
    return {name: text for name, text in found.items() if name not in twice and len(text) <= MOST_CHARACTERS}


def short_texts(texts: Sequence[SampledText], count: int) -> list[str]:
    """Texts to measure latency with: short as queries are. None was given before, so that no cache knows one."""
    mark = secrets.token_hex(4)
    return [f"{mark} {n} {texts[n % len(texts)].text[:100]}" for n in range(count)]
