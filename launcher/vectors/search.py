"""Search a dataset: embed a query as the run embedded its texts, and rank all of its vectors exactly.

No index: every vector is compared, a batch in memory at a time (`exact_search`). The texts of the hits come from the
corpus (`hit_texts`). The query has the run's model, pooling, longest piece and dimensions. Its prompt is the one for
queries in the run's manifest; where an earlier version wrote none there, the model's own for queries, else that of the
run.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from launcher.errors import Usage
from launcher.vectors.exact_search import nearest_rows
from launcher.vectors.hit_texts import texts_of_hits
from launcher.vectors.query_encoder import RunEncoder, load_run_encoder, query_prompt
from launcher.vectors.read_dataset import Dataset
from launcher.vectors.shard_texts import HitPlace, HitText
from tasks.errors import Problem
from tasks.formats.vectors.vector_file import TEXT_HASH
from tasks.models.fingerprint import check_model

OWN_COLUMNS = ("id", "chunk", "vector", TEXT_HASH)
MOST_HITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A vector near the query."""

    rank: int  # from 1
    score: float  # cosine of the two vectors
    id: str  # of the document
    chunk: int
    kept: Mapping[str, str | None]  # the columns that `output.keep` names
    text: str | None = None  # what the model read for this vector, without its prompt
    text_missing: str | None = None  # why `text` is None, where it was looked for
    file: str | None = None  # of the corpus, relative to its root, where it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The nearest vectors, the best first; equal ones in the order of the corpus."""

    schema: str = "embedfleet/search/1"
    run: str
    output: str
    query: str
    model: str
    prompt: str  # put before the query; "" is none
    prompt_from: (
        str  # "argument", "manifest" (the run's for queries), else "model" (its own) or "run" (of its texts)
    )
    query_tokens_cut: int  # of the query, lost to truncation
    vectors: int  # that were compared
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    score: float
    row: int  # of the dataset
    values: Mapping[str, Any]  # of its columns but the vector


def search(
    dataset: Dataset, query: str, k: int = 10, prompt: str | None = None, *, texts: bool = True
) -> SearchResult:
    """The `k` vectors of the dataset that are nearest to a text.

    Args:
        dataset: what is searched.
        query: the text.
        k: how many to return; fewer where the dataset has fewer.
        prompt: put before the query; None: the run's for queries.
        texts: read the texts of the hits from the corpus. Where that fails the hits say why.

    Raises:
        Usage: the query is empty, or `k` is not from 1 to 10,000.
        Problem: the model cannot be loaded here, or a file of the dataset cannot be read.
    """
    if not query.strip():
        raise Usage("the query is empty", hint="write what to search for")
    if not 1 <= k <= MOST_HITS:
        raise Usage(f"k is {k}", hint=f"give 1 to {MOST_HITS:,}")
    header = dataset.header
    check_model(header.model, header.model_fingerprint)  # another model of this name would rank by nonsense
    chosen = query_prompt(header, prompt)
    encoder = load_run_encoder(header)
    vector, cut = _embed(encoder, query, chosen.text)
    if len(vector) != dataset.dimensions:
        raise Problem(
            f"the model {header.model} gives {len(vector):,} dimensions, and the vectors have {dataset.dimensions:,}",
            hint="put the model of the run back, or embed again",
        )
    best = _best(dataset, vector, k)
    return SearchResult(
        run=dataset.run,
        output=dataset.output,
        query=query,
        model=header.model,
        prompt=chosen.text,
        prompt_from=chosen.source,
        query_tokens_cut=cut,
        vectors=dataset.rows,
        hits=_with_texts(dataset, encoder, best) if texts else _hits(best),
    )


def _embed(encoder: RunEncoder, query: str, prompt: str) -> tuple[NDArray[np.float32], int]:
    """The unit vector of the query, and the tokens of it that were cut."""
    piece = encoder.pieces([query], prompt)[0]
    vector = encoder.encode(piece.ids, prompt)[0]
    if not np.isfinite(vector).all():
        raise Problem("the model gave no vector for the query", hint="write another query")
    return vector, piece.cut


def nearest(dataset: Dataset, query: NDArray[np.float32], k: int) -> tuple[Hit, ...]:
    """The `k` vectors nearest to a query's, each compared. `query` has length 1 and the dataset's dimensions."""
    return _hits(_best(dataset, query, k))


def _best(dataset: Dataset, query: NDArray[np.float32], k: int) -> list[_Candidate]:
    best: list[_Candidate] = []
    first = 0
    columns = [name for name in dataset.stored.names if name != "scale"]
    for batch in dataset.batches("float32", columns):
        column: Any = batch.column("vector")
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, len(query))
        found = zip(*nearest_rows(matrix, query, k), strict=True)
        least = best[-1].score if len(best) == k else -np.inf
        new = [
            _Candidate(float(score), first + int(row), _row(batch, int(row)))
            for row, score in found
            if score > least  # an equal one of an earlier batch comes first
        ]
        best = sorted([*best, *new], key=lambda one: (-one.score, one.row))[:k]
        first += batch.num_rows
    return best


def _hits(best: Sequence[_Candidate]) -> tuple[Hit, ...]:
    return tuple(_hit(rank, one) for rank, one in enumerate(best, 1))


def _with_texts(dataset: Dataset, encoder: RunEncoder, best: Sequence[_Candidate]) -> tuple[Hit, ...]:
    """The hits with their texts: as the run keeps them, else from the corpus."""
    hits, column = _hits(best), dataset.header.text
    if column in dataset.header.keep:
        return tuple(replace(hit, text=hit.kept.get(column)) for hit in hits)
    ends = np.cumsum([file.rows for file in dataset.files])
    places = [
        HitPlace(
            id=one.values["id"],
            chunk=one.values["chunk"],
            file=dataset.files[int(np.searchsorted(ends, one.row, side="right"))],
            text_hash=one.values.get(TEXT_HASH),
        )
        for one in best
    ]
    found = texts_of_hits(dataset, encoder.encoder.tokenizer, places)
    return tuple(_with_text(hit, text) for hit, text in zip(hits, found, strict=True))


def _with_text(hit: Hit, found: HitText) -> Hit:
    return replace(hit, text=found.text, text_missing=found.missing, file=found.file)


def _row(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """The columns of a row but its vector, without the batch, so that memory does not grow with the batches."""
    return {name: batch.column(name)[row].as_py() for name in batch.schema.names if name != "vector"}


def _hit(rank: int, found: _Candidate) -> Hit:
    values = found.values
    kept = {name: value for name, value in values.items() if name not in OWN_COLUMNS}
    return Hit(rank=rank, score=round(found.score, 6), id=values["id"], chunk=values["chunk"], kept=kept)
