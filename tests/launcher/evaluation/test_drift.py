"""Two runs vector by vector: the same, rounded, another model; and runs that share nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from launcher.evaluation import drift
from launcher.evaluation.drift import measure_drift
from launcher.reports.terminal.runs.run_comparison import VERDICTS
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.errors import Problem
from tests.support.vector_runs import run_of_dtype, run_over_corpus


def dataset(folder: Path, dtype: str = "float32", run: str = "run-1", **changes: object) -> Dataset:
    folder.mkdir(exist_ok=True)
    return open_dataset(run_of_dtype(folder, dtype, run, **changes), run)


def test_same_run_again_is_the_same(tmp_path: Path) -> None:
    found = measure_drift(dataset(tmp_path / "a"), dataset(tmp_path / "b"))
    assert (found.anchors, found.verdict, found.rank_overlap, found.below) == (30, "same", 1.0, 0.0)
    assert found.least_cosine == pytest.approx(1)
    assert found.centroid_shift == pytest.approx(0, abs=1e-6)


def test_stored_dtype_is_rounding_and_another_prompt_is_not(tmp_path: Path) -> None:
    one = dataset(tmp_path / "a")
    assert measure_drift(one, dataset(tmp_path / "b", "int8")).verdict == "rounding"
    other = measure_drift(one, dataset(tmp_path / "c", prompt="passage "))
    assert other.verdict == "different"
    assert other.below is not None
    assert other.below > 0.9
    assert other.rank_overlap < 0.9


def test_texts_that_were_changed_are_no_other_vectors(tmp_path: Path) -> None:
    one, other = (dataset(tmp_path / name, text_hash=True) for name in "ab")
    file = min((tmp_path / "b" / "in").iterdir())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(line | {"text": f"another {line['text']}"}) + "\n" for line in lines))
    changed = open_dataset(run_over_corpus(tmp_path / "b", "run-2", text_hash=True), "run-2")
    assert measure_drift(one, other).other_tokens == 0
    found = measure_drift(one, changed)
    assert (found.anchors, found.other_tokens, found.verdict) == (20, 10, "same")
    assert found.least_cosine == pytest.approx(1)


def test_runs_that_cut_all_texts_otherwise_say_nothing_of_their_vectors(tmp_path: Path) -> None:
    one, other = (dataset(tmp_path / f"cut-at-{tokens}", tokens=tokens, text_hash=True) for tokens in (9, 7))
    found = measure_drift(one, other)
    assert (found.anchors, found.other_tokens, found.verdict) == (30, 30, "other texts")
    text = "of none of them the model read the same text"
    assert text in VERDICTS[found.verdict][0]


def test_other_dimensions_have_no_cosine(tmp_path: Path) -> None:
    found = measure_drift(dataset(tmp_path / "a"), dataset(tmp_path / "b", dimensions=16))
    assert (found.verdict, found.least_cosine, found.centroid_shift) == ("other dimensions", None, None)
    assert 0 < found.rank_overlap < 1


def test_fingerprints_say_whether_the_model_is_the_same(tmp_path: Path) -> None:
    one = dataset(tmp_path / "a")
    assert measure_drift(one, one).same_model is None  # hash has none
    marked = [replace(one, header=replace(one.header, model_fingerprint=f"sha256:{n}")) for n in "12"]
    assert measure_drift(marked[0], marked[1]).same_model is False
    assert measure_drift(marked[0], marked[0]).same_model is True


def test_runs_without_a_common_row_are_refused(tmp_path: Path) -> None:
    one = dataset(tmp_path / "a")
    with pytest.raises(Problem, match="no row in common"):
        measure_drift(one, replace(one, files=()))


def test_anchors_are_the_same_whatever_the_batches_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = dataset(tmp_path / "a")
    monkeypatch.setattr(drift, "ANCHORS", 7)

    def anchors(found: Dataset) -> list[int]:
        return sorted(drift.smallest_hashes(found))

    whole = anchors(one)
    assert len(whole) == 7
    monkeypatch.setattr("launcher.vectors.read_dataset.BATCH_VECTOR_BYTES", 4 * 32 * 3)
    assert anchors(replace(one, files=one.files[::-1])) == whole
    hashes = [n for part, *_ in drift.hashed_rows(one) for n in part.tolist()]
    assert whole == sorted(hashes)[:7]


def test_of_a_large_dataset_a_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = dataset(tmp_path / "a")
    monkeypatch.setattr(drift, "MOST_ROWS", 11)

    def rows(found: Dataset) -> Iterator[int]:
        for part, vectors, _ in drift.hashed_rows(found):
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
            yield len(part)

    assert sum(rows(one)) == 20  # two of three files
