"""Search ranks all vectors exactly, with the query embedded as the run embedded its texts."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from pathlib import Path

import numpy as np
import pytest

from launcher.errors import Usage
from launcher.vectors.read_dataset import open_dataset
from launcher.vectors.search import search
from tests.support.vector_runs import run_of_dtype


def text_of(name: str) -> str:
    return " ".join(f"{name}w{w}" for w in range(12))  # as `tests.support.runs.corpus` writes it


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_text_of_a_document_finds_it_first(dtype: str, tmp_path: Path) -> None:
    found = search(open_dataset(run_of_dtype(tmp_path, dtype)), text_of("1-4"), 5)
    assert (found.hits[0].id, found.hits[0].rank, len(found.hits), found.vectors) == ("1-4", 1, 5, 30)
    assert found.hits[0].score > (0.6 if dtype == "binary" else 0.999)


def test_ranking_is_that_of_all_cosines_whatever_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "int8"))
    table = dataset.reader().read_all()
    query = next(
        row["vector"]
        for row in table.to_pylist()
        if row["id"] == search(dataset, text_of("2-2"), 1).hits[0].id
    )
    vectors = np.stack([np.asarray(row, np.float32) for row in table.column("vector").to_pylist()])
    scores = vectors @ np.asarray(query, np.float32) / np.linalg.norm(vectors, axis=1)
    order = [table.column("id")[int(n)].as_py() for n in np.argsort(-scores, kind="stable")]
    for batch_bytes in (16 * 2**20, 4 * 32 * 3):
        monkeypatch.setattr("launcher.vectors.read_dataset.BATCH_VECTOR_BYTES", batch_bytes)
        found = search(dataset, text_of("2-2"), 30)
        assert [hit.id for hit in found.hits][:5] == order[:5]
        assert {hit.id for hit in found.hits} == set(order)
        assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
        assert [hit.id for hit in search(dataset, text_of("2-2"), 4).hits] == order[:4]


def test_equal_vectors_come_in_the_order_of_the_corpus(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    output = run_of_dtype(tmp_path, "float32")
    dataset = open_dataset(output)
    twice = type(dataset)(dataset.store, output, dataset.header, dataset.files * 2, dataset.stored)
    found = search(twice, text_of("0-3"), 2)
    assert [hit.id for hit in found.hits] == ["0-3", "0-3"]


def test_prompt_of_the_run_stands_before_the_query(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32", prompt="passage "))
    found = search(dataset, text_of("0-0"), 1)
    assert (found.prompt, found.prompt_from) == ("passage ", "run")
    assert (found.hits[0].id, found.hits[0].score > 0.999) == ("0-0", True)
    other = search(dataset, text_of("0-0"), 1, prompt="")
    assert (other.prompt, other.prompt_from) == ("", "argument")
    assert other.hits[0].score < 0.999


def test_long_query_is_cut_as_texts_are_and_that_is_said(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32", tokens=8))
    assert search(dataset, text_of("0-0"), 1).query_tokens_cut > 0


def test_empty_query_and_silly_k_are_refused(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32"))
    with pytest.raises(Usage, match="empty"):
        search(dataset, " ")
    for query, prompt in (("\udcff", None), ("word", "\ud83d ")):  # an argument in another encoding
        with pytest.raises(Usage, match="not UTF-8"):
            search(dataset, query, prompt=prompt)
    with pytest.raises(Usage, match="k is 0"):
        search(dataset, "word", 0)


def test_prompt_for_queries_of_the_manifest_stands_before_the_query(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32", prompt="passage ", query_prompt="query "))
    found = search(dataset, text_of("0-0"), 1)
    assert (found.prompt, found.prompt_from) == ("query ", "manifest")
    none = open_dataset(
        run_of_dtype(tmp_path, "float32", run="run-2", prompt="passage ", query_prompt=""), "run-2"
    )
    assert (search(none, text_of("0-0"), 1).prompt, search(none, "x", 1, "a ").prompt_from) == (
        "",
        "argument",
    )
