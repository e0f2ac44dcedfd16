"""Repeats of a whole corpus: exact while few texts are distinct, then an estimate with its interval."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.corpus.files.listing import find_files
from launcher.corpus.repeats import RepeatSketch, count_repeats
from tasks.formats.rows import Columns
from tests.support.cli_runs import in_process, records, write_job
from tests.support.runs import write_jsonl


@given(st.lists(st.text(max_size=3), max_size=60), st.randoms(use_true_random=False))
def test_few_texts_are_counted_in_any_order(texts: list[str], dice: random.Random) -> None:
    dice.shuffle(texts)
    sketch = RepeatSketch()
    for text in texts:
        sketch.add(text)
    found = sketch.repeats()
    assert found.texts == len(texts)
    expected = 1 - len(set(texts)) / len(texts) if texts else 1.0
    assert found.of_texts.mid == pytest.approx(expected, abs=1e-6)
    assert found.of_texts.low == found.of_texts.mid == found.of_texts.high
    characters = sum(map(len, texts))
    if characters:
        share = 1 - sum(map(len, set(texts))) / characters
        assert found.of_characters.mid == pytest.approx(share, abs=1e-6)


def test_the_interval_holds_the_truth_19_times_in_20() -> None:
    held = 0
    for seed in range(60):
        dice = random.Random(seed)
        texts = [f"{seed}/{dice.randrange(4_000)}" for _ in range(6_000)]
        truth = 1 - len(set(texts)) / len(texts)
        sketch = RepeatSketch(size=400)
        for text in texts:
            sketch.add(text)
        found = sketch.repeats().of_texts
        held += found.low <= truth <= found.high
        assert found.high - found.low < 0.15
    assert held >= 52  # of 60; fewer happen once in 100 such tests


def test_repeats_far_apart_and_in_other_files_count(tmp_path: Path) -> None:
    rows = records("r", [30] * 500)
    write_jsonl(tmp_path / "a.jsonl", rows)
    write_jsonl(tmp_path / "b.jsonl", [row | {"id": f"b-{row['id']}"} for row in rows[:280]])
    found = count_repeats(find_files(str(tmp_path), tmp_path, kind=None, unit=None), Columns("text", "id"))
    assert found.texts == 780
    assert found.of_texts.mid == pytest.approx(280 / 780, abs=1e-5)


def test_the_plan_says_how_much_repeats(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = records("r", [30] * 64)
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    write_jsonl(tmp_path / "in" / "b.jsonl", [row | {"id": f"b-{row['id']}"} for row in rows[:36]])
    write_job(tmp_path)
    words = ("plan", "job.yaml", "--on", "local", "--probe", "0")
    done = in_process(*words, "--count-repeats", "-o", "plan.json", folder=tmp_path)
    assert "36 % of the texts" in " ".join(done.stdout.split())
    assert "repeats" in (tmp_path / "plan.json").read_text()
    assert "of the texts" not in in_process(*words, folder=tmp_path).stdout
