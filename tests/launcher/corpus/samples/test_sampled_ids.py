"""Ids that repeat are told, and ids of two forms refused."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.samples.sampled_ids import SampledIds
from launcher.errors import Problem
from tasks.formats.rows import Columns, Document
from tests.launcher.corpus.samples.test_sample_faults import refusal, sampled
from tests.support.runs import write_jsonl


def table(path: Path, ids: Any) -> None:
    pq.write_table(pa.table({"id": ids, "text": [f"text {n}" for n in range(len(ids))]}), path)


def ids_of(*documents: tuple[str, str]) -> SampledIds:
    """The sample of these (id, file)."""
    found = SampledIds()
    for position, (name, file) in enumerate(documents):
        found.add(Document(name, "x", file, position))
    return found


def test_repeated_ids_are_told_with_an_example_and_its_files(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "x", "text": "one"}, {"id": 1, "text": "two"}])
    write_jsonl(tmp_path / "b.jsonl", [{"id": "1", "text": "three"}, {"id": 1, "text": "four"}])
    (line,) = sampled(tmp_path).warnings()
    assert line == (
        "ids are not unique: at least 2 documents of 4 sampled have an id that another has, such as '1' "
        "in a.jsonl and in b.jsonl; all of them are embedded"
    )


def test_unique_ids_are_no_news(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": n, "text": "one"} for n in range(3)])
    assert sampled(tmp_path).warnings() == []


def test_file_and_position_are_no_ids_that_repeat(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "text": "one"}] * 2)
    assert sampled(tmp_path, Columns("text", None)).warnings() == []


def test_a_document_that_is_in_two_blocks_is_one() -> None:
    found = SampledIds()
    for _ in range(2):
        found.add(Document("1", "x", "a", 0))
    assert found.repeated == 0


def test_an_id_is_told_without_control_characters() -> None:
    line = ids_of(("a\x1b", "f\n"), ("a\x1b", "f\n")).line()
    assert line
    assert line.isprintable()


def test_numbers_of_different_types_have_one_form(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", pa.array([1, 2]))
    table(tmp_path / "b.parquet", pa.array([3.0, None, 4.0]))  # as pandas writes a column with a gap
    table(tmp_path / "c.parquet", pa.array([Decimal("5.00"), Decimal("6.00")]))
    (tmp_path / "d.jsonl").write_text('{"id": 7.0, "text": "x"}\n{"id": 8, "text": "x"}\n')
    sample = sampled(tmp_path)
    assert sample.ids.repeated == 0
    assert sample.warnings() != []  # of the row without an id, alone
    sample.ids.check_one_form()


def test_text_of_two_forms_is_refused_with_both_files(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", pa.array([1, 2]))
    (tmp_path / "b.csv").write_text("id,text\n3.0,three\n4.0,four\n")
    problem = refusal(tmp_path)
    assert str(problem) == "ids have two forms: '1' in a.parquet, and '3.0' in b.csv"
    assert "astype" in problem.hint


@pytest.mark.parametrize(
    "documents",
    [
        [("1", "a"), ("2.0", "a")],  # one file may number as it likes
        [("1", "a"), ("2.5", "b")],
        [("1", "a"), ("2.0", "b"), ("v3", "b")],
        [("1.0", "a"), ("2.0", "b")],
    ],
)
def test_ids_that_only_look_like_numbers_are_accepted(documents: list[tuple[str, str]]) -> None:
    ids_of(*documents).check_one_form()


def test_the_refusal_shows_one_id_of_each_file() -> None:
    with pytest.raises(Problem, match=r"'1' in a, and '2\.0' in b"):
        ids_of(("1", "a"), ("2.0", "b")).check_one_form()


def test_a_large_integer_stays_exact(tmp_path: Path) -> None:
    number = 2**63 - 1
    write_jsonl(tmp_path / "a.jsonl", [{"id": number, "text": "x"}])
    assert json.loads((tmp_path / "a.jsonl").read_text())["id"] == number
    assert sampled(tmp_path).ids.repeated == 0
