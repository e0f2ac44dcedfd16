"""Measure retrieval with the vectors of a run, and with cheaper representations of them: exact search, no index.

One pass over the dataset, a batch in memory at a time. What grows with the judgments: a few hundred numbers a query.
Vectors of `binary` are compared by signs alone, those of the query too (Hamming), as vector stores do.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launcher.documents.evaluation import EvaluateDocument, EvaluatedRepresentation
from launcher.errors import Problem, Usage
from launcher.evaluation.judgments import Judgments
from launcher.evaluation.representations import Representation, as_kept, cheaper, shorten
from launcher.evaluation.retrieval import TopRows, best_of_documents, ndcg, ranking, recall
from launcher.format import plural
from launcher.vectors.query_encoder import Prompt, load_run_encoder, query_prompt
from launcher.vectors.read_dataset import Dataset
from tasks.protocol.manifest import Header

NDCG_AT, RECALL_AT, RECALL_DEEP = 10, 10, 100
BLOCK_QUERIES = 512  # scored at once: 512 x 10,000 scores are 20 MB
FEW_QUERIES = 50  # below which the standard error of a difference is often above a percent. A judgement
SHOWN = 3
NO_SHORTER = (
    "nothing says that this model was trained for fewer dimensions (Matryoshka): shortened vectors are not measured; "
    "--dimensions 256,128 measures them all the same"
)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What to measure. `shorter`: dimensions beside the stored; None: unknown whether the model allows any."""

    shorter: Sequence[int] | None = None
    keep: float = 0.99
    prompt: str | None = None  # before the queries; None: the run's
    allow_missing: bool = False  # judged documents that the dataset does not have count as not found


def evaluate(dataset: Dataset, judgments: Judgments, options: EvaluateOptions) -> EvaluateDocument:
    """Embed the queries as the run says, and rank the documents of the dataset by each representation.

    Raises:
        ModelChanged: another model lies where that of the run was.
        Usage: judged documents are not in the dataset, or there are not so many dimensions.
        Problem: the model cannot be loaded, or a file of the dataset cannot be read.
    """
    header = dataset.header
    _check_shorter(dataset, options)
    asked = _embed_queries(dataset, judgments, options)
    stored = Representation(header.dtype, dataset.dimensions)
    forms = [stored, *cheaper(stored, options.shorter or ())]
    judged = {name for row in judgments.relevant.values() for name in row}
    seen = _rank(dataset, asked.vectors, forms, judged)
    missing = sorted(judged - seen.present)
    if missing and not options.allow_missing:
        raise Usage(
            f"{plural(len(missing), 'judged document')} not in run {dataset.run}: {', '.join(missing[:SHOWN])}",
            hint="evaluate the run of the corpus that was judged, with its ids as corpus.id; or --allow-missing",
        )
    rows = _measured(seen, judgments, forms)
    return EvaluateDocument(
        run=dataset.run,
        output=dataset.output,
        model=header.model,
        model_fingerprint=header.model_fingerprint,
        prompt=asked.prompt.text,
        prompt_from=asked.prompt.source,
        queries=len(judgments.texts),
        queries_skipped=judgments.skipped,
        queries_cut=asked.cut,
        relevant=sum(value > 0 for row in judgments.relevant.values() for value in row.values()),
        missing=len(missing),
        documents=seen.documents,
        vectors=dataset.rows,
        keep=options.keep,
        representations=tuple(rows),
        cheapest_stored=_cheapest(rows, options.keep, lambda one: one.stored_bytes),
        cheapest_index=_cheapest(rows, options.keep, lambda one: one.index_bytes),
        notes=_notes(header, len(judgments.texts), options),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The queries as vectors: [queries, dimensions]. `cut`: how many were too long."""

    vectors: Floats
    prompt: Prompt
    cut: int


def _check_shorter(dataset: Dataset, options: EvaluateOptions) -> None:
    wrong = [n for n in options.shorter or () if not 0 < n < dataset.dimensions]
    if wrong:
        raise Usage(
            f"the vectors have {dataset.dimensions} dimensions, not more than {wrong[0]}",
            hint=f"name fewer than {dataset.dimensions}",
        )


def _embed_queries(dataset: Dataset, judgments: Judgments, options: EvaluateOptions) -> _Asked:
    """Embed the queries by the run's model, which must give vectors that compare with those of the run."""
    prompt = query_prompt(dataset.header, options.prompt)
    encoder = load_run_encoder(dataset.header)
    pieces = encoder.pieces(list(judgments.texts.values()), prompt.text)
    queries = encoder.encode([piece.ids[0] for piece in pieces], prompt.text)
    if queries.shape[1] != dataset.dimensions:
        raise Problem(
            f"the model gives {queries.shape[1]} dimensions, and the vectors have {dataset.dimensions}",
            hint="put the model of the run back, or embed again",
        )
    if not np.isfinite(queries).all():
        bad = list(judgments.texts)[int(np.flatnonzero(~np.isfinite(queries).all(1))[0])]
        raise Problem(f"the model gave no vector for the query {bad}", hint="take it out of the queries")
    return _Asked(queries, prompt, sum(piece.cut > 0 for piece in pieces))


def _notes(header: Header, queries: int, options: EvaluateOptions) -> tuple[str, ...]:
    """What the figures cannot show."""
    notes: list[str] = []
    if options.shorter is None:
        notes.append(NO_SHORTER)
    if queries < FEW_QUERIES:
        few = "1 query is few" if queries == 1 else f"{queries} queries are few"
        notes.append(f"{few}: whether cheaper vectors lose a percent cannot be seen with them")
    if header.dtype != "float32":
        notes.append(f"the run keeps {header.dtype}: what float32 would give is not known of its vectors")
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """What one pass over the dataset found."""

    documents: int
    present: frozenset[str]  # judged documents that are there
    ranked: Sequence[Sequence[Sequence[str]]]  # ids, best first: [representation][query]


def _rank(dataset: Dataset, queries: Floats, forms: Sequence[Representation], judged: set[str]) -> _Ranked:
    """The best documents of each query by each representation."""
    blocks = [slice(n, n + BLOCK_QUERIES) for n in range(0, len(queries), BLOCK_QUERIES)]
    tops = [
        [TopRows(len(queries[block]), form.reranked or RECALL_DEEP) for block in blocks] for form in forms
    ]
    asked = [as_kept(shorten(queries, form.dimensions), form.dtype) for form in forms]
    names: dict[int, str] = {}
    present: set[str] = set()
    documents = 0
    for ids, vectors in _documents(dataset):
        starts = [n for n, name in enumerate(ids) if n == 0 or name != ids[n - 1]]
        numbers = np.repeat(np.arange(documents, documents + len(starts)), np.diff([*starts, len(ids)]))
        present |= judged.intersection(ids)
        for form, query, top in zip(forms, asked, tops, strict=True):
            kept = as_kept(shorten(vectors, form.dimensions), form.dtype)
            for block, best in zip(blocks, top, strict=True):
                scores = query[block] @ kept.T
                if form.reranked:
                    best.add(scores, numbers, queries[block] @ vectors.T)
                else:
                    best.add(*best_of_documents(scores, numbers))
        here = {documents + n: ids[start] for n, start in enumerate(starts)}
        alive = np.unique(np.concatenate([best.documents.reshape(-1) for top in tops for best in top]))
        names = {n: here[n] if n in here else names[n] for n in alive.tolist()}
        documents += len(starts)
    return _Ranked(documents, frozenset(present), [[*_names(top, names)] for top in tops])


def _names(blocks: Sequence[TopRows], names: Mapping[int, str]) -> Iterator[Sequence[str]]:
    for block in blocks:
        for documents, scores in zip(block.documents, block.second, strict=True):
            yield [names[n] for n in ranking(documents, scores, RECALL_DEEP)]


def _documents(dataset: Dataset) -> Iterator[tuple[list[str], Floats]]:
    """Ids and vectors of batches of whole documents: the chunks of one are never in two batches."""
    ids: list[Any] = []
    vectors = np.empty((0, dataset.dimensions), np.float32)
    for batch in dataset.batches("float32", ["id", "vector"]):
        column: Any = batch.column("vector")
        new = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, dataset.dimensions)
        ids += batch.column("id").to_pylist()
        vectors = shorten(np.concatenate([vectors, new]), dataset.dimensions)
        whole = next((n for n in range(len(ids), 0, -1) if ids[n - 1] != ids[-1]), 0)
        if whole:
            yield ids[:whole], vectors[:whole]
            ids, vectors = ids[whole:], vectors[whole:]
    if ids:
        yield ids, vectors


def _measured(
    seen: _Ranked, judgments: Judgments, forms: Sequence[Representation]
) -> list[EvaluatedRepresentation]:
    relevant = list(judgments.relevant.values())
    gains = [
        np.array([ndcg(found, wanted, NDCG_AT) for found, wanted in zip(ranked, relevant, strict=True)])
        for ranked in seen.ranked
    ]
    stored, first = forms[0], float(gains[0].mean())
    return [
        EvaluatedRepresentation(
            name=form.name,
            dtype=form.dtype,
            dimensions=form.dimensions,
            reranked=form.reranked,
            ndcg_at_10=round(float(gain.mean()), 6),
            recall_at_10=_mean_recall(ranked, relevant, RECALL_AT),
            recall_at_100=_mean_recall(ranked, relevant, RECALL_DEEP),
            kept=round(float(gain.mean()) / first, 6) if first else None,
            standard_error=_standard_error(gain - gains[0]),
            index_bytes=form.index_bytes(),
            stored_bytes=form.stored_bytes(stored),
            saved=round(1 - form.index_bytes() / stored.index_bytes(), 6),
        )
        for form, gain, ranked in zip(forms, gains, seen.ranked, strict=True)
    ]


def _mean_recall(ranked: Sequence[Sequence[str]], relevant: Sequence[Mapping[str, int]], k: int) -> float:
    found = [recall(names, wanted, k) for names, wanted in zip(ranked, relevant, strict=True)]
    return round(sum(found) / len(found), 6)


def _standard_error(differences: NDArray[np.float64]) -> float | None:
    if len(differences) <= 1:
        return None
    return round(float(differences.std(ddof=1) / np.sqrt(len(differences))), 6)


def _cheapest(
    rows: Sequence[EvaluatedRepresentation], keep: float, size: Callable[[EvaluatedRepresentation], int]
) -> str | None:
    """The name of the smallest that keeps enough; of equal ones the better."""
    enough = [one for one in rows if one.kept is not None and one.kept >= keep]
    return min(enough, key=lambda one: (size(one), -one.ndcg_at_10)).name if enough else None
