"""Evaluation against a reference of NumPy over all vectors at once, for every dtype, with chunks and small batches."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Mapping
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from launcher.errors import Usage
from launcher.evaluation.evaluate import EvaluateOptions, evaluate
from launcher.evaluation.judgments import Judgments
from launcher.vectors.query_encoder import load_run_encoder
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.formats.vectors.quantize import DTYPES
from tasks.models.fingerprint import ModelChanged
from tests.support.vector_runs import run_of_dtype

Floats = NDArray[np.float32]
RELEVANT: Mapping[str, Mapping[str, int]] = {
    "a": {"0-1": 2, "1-1": 1, "2-9": 0},
    "b": {"1-4": 1, "0-0": 1},
    "c": {"2-2": 1},
}


def text_of(name: str) -> str:
    return " ".join(f"{name}w{w}" for w in range(12))  # as `tests.support.runs.corpus` writes it


def judged(relevant: Mapping[str, Mapping[str, int]] = RELEVANT) -> Judgments:
    texts = {name: f"{text_of(next(iter(row)))} and {name}" for name, row in relevant.items()}
    return Judgments(texts, relevant, 1)


def kept(vectors: Floats, dimensions: int, dtype: str) -> Floats:
    """The reference of a representation."""
    part = vectors[:, :dimensions]
    part = part / np.linalg.norm(part, axis=1, keepdims=True)
    if dtype == "float16":
        part = part.astype(np.float16).astype(np.float32)
    if dtype == "int8":
        part = np.rint(part / (np.abs(part).max(1, keepdims=True) / np.float32(127)))
    if dtype == "binary":
        return np.where(part > 0, 1, -1).astype(np.float32)
    return (part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32)


def reference(
    dataset: Dataset, judgments: Judgments, dimensions: int, dtype: str, reranked: int
) -> tuple[float, float]:
    """Mean nDCG@10 and recall@10 by whole matrices and plain sorts."""
    table = dataset.reader().read_all()
    ids: list[Any] = table.column("id").to_pylist()
    vectors = np.array(table.column("vector").to_pylist(), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    encoder = load_run_encoder(dataset.header)
    gains: list[float] = []
    recalls: list[float] = []
    for name, text in judgments.texts.items():
        query = encoder.encode([encoder.pieces([text], "")[0].ids[0]], "")
        scores = (kept(query, dimensions, dtype) @ kept(vectors, dimensions, dtype).T)[0]
        if reranked:
            chosen = np.argsort(-scores, kind="stable")[:reranked]
            exact = (query @ vectors.T)[0]
            scores = np.array([exact[n] if n in chosen else -9 for n in range(len(ids))])
        best: dict[str, float] = {}
        for document, score in zip(ids, scores, strict=True):
            best[document] = max(float(score), best.get(document, -9))
        retrieved = {one: score for one, score in best.items() if score > -9}
        ranked = sorted(retrieved, key=lambda one: -retrieved[one])  # stable: ties in the order of the corpus
        wanted = judgments.relevant[name]
        gain = sum(wanted.get(document, 0) / log2(n + 2) for n, document in enumerate(ranked[:10]))
        ideal = sum(value / log2(n + 2) for n, value in enumerate(sorted(wanted.values(), reverse=True)[:10]))
        gains.append(gain / ideal)
        positive = {document for document, value in wanted.items() if value}
        recalls.append(len(positive & set(ranked[:10])) / len(positive))
    return float(np.mean(gains)), float(np.mean(recalls))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_rows", [30, 4])
def test_measures_are_those_of_the_reference(
    dtype: str, batch_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launcher.vectors.read_dataset.BATCH_VECTOR_BYTES", 4 * 32 * batch_rows)
    monkeypatch.setattr("launcher.evaluation.evaluate.BLOCK_QUERIES", 2)
    monkeypatch.setattr("launcher.evaluation.representations.RERANKED", 3)
    dataset = open_dataset(run_of_dtype(tmp_path, dtype, tokens=8, overlap=2))  # several chunks a document
    assert dataset.rows > 60
    found = evaluate(dataset, judged(), EvaluateOptions(shorter=[16]))
    assert (found.documents, found.queries, found.queries_skipped, found.relevant) == (30, 3, 1, 5)
    assert found.representations[0].dtype == dtype
    for one in found.representations:
        expected = reference(dataset, judged(), one.dimensions, one.dtype, one.reranked)
        assert (one.ndcg_at_10, one.recall_at_10) == pytest.approx(expected, abs=1e-5), one.name


def test_float32_has_all_cheaper_forms_and_the_cheapest_is_named(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32"))
    queries = {name: {name: 1} for name in ("0-1", "1-5", "2-7")}
    judgments = Judgments({name: text_of(name) for name in queries}, queries, 0)
    found = evaluate(dataset, judgments, EvaluateOptions(shorter=[16]))
    sizes = {one.name: (one.index_bytes, one.stored_bytes) for one in found.representations}
    assert sizes == {
        "float32 32": (128, 128), "float16 32": (64, 64), "int8 32": (36, 36), "binary 32": (4, 4),
        "float32 16": (64, 64), "float16 16": (32, 32), "int8 16": (20, 20), "binary 16": (2, 2),
        "binary 32 + 200 reranked": (4, 132),
    }  # fmt: skip
    assert found.representations[0].ndcg_at_10 == 1.0  # a text finds itself
    assert [one.kept for one in found.representations[:3]] == [1.0, 1.0, 1.0]
    enough = [one for one in found.representations if one.kept is not None and one.kept >= 0.99]
    assert found.cheapest_stored == min(enough, key=lambda one: one.stored_bytes).name
    assert found.cheapest_index == min(enough, key=lambda one: (one.index_bytes, -one.ndcg_at_10)).name
    unshortened = evaluate(dataset, judgments, EvaluateOptions())
    assert {one.dimensions for one in unshortened.representations} == {32}
    assert "Matryoshka" in unshortened.notes[0]


def test_query_begins_with_the_prompt_for_queries(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32", prompt="passage ", query_prompt="query "))
    found = evaluate(dataset, judged(), EvaluateOptions())
    assert (found.prompt, found.prompt_from) == ("query ", "manifest")
    given = evaluate(dataset, judged(), EvaluateOptions(prompt="passage "))
    assert given.prompt_from == "argument"
    assert given.representations[0].ndcg_at_10 > found.representations[0].ndcg_at_10


def test_judged_documents_that_are_not_there_are_an_error_unless_allowed(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32"))
    odd = {**RELEVANT, "c": {"2-2": 1, "9-9": 1}}
    with pytest.raises(Usage, match="1 judged document not in run run-1: 9-9"):
        evaluate(dataset, judged(odd), EvaluateOptions())
    found = evaluate(dataset, judged(odd), EvaluateOptions(allow_missing=True))
    assert found.missing == 1
    assert found.representations[0].recall_at_100 == pytest.approx((1 + 1 + 0.5) / 3)


def test_more_dimensions_than_there_are_and_another_model_are_refused(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32"))
    with pytest.raises(Usage, match="32 dimensions, not more than 64"):
        evaluate(dataset, judged(), EvaluateOptions(shorter=[64]))
    other = replace(dataset.header, model=str(tmp_path), model_fingerprint=f"sha256:{'1' * 64}")
    with pytest.raises(ModelChanged):
        evaluate(replace(dataset, header=other), judged(), EvaluateOptions())
