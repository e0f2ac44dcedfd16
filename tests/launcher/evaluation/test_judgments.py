"""Queries and judgments of BEIR and TREC, and what is wrong with them by line."""

from pathlib import Path

import pytest

from launcher.errors import Usage
from launcher.evaluation.judgments import read_judgments

QUERIES = '{"_id": "q1", "text": "one"}\n{"_id": "q2", "text": "two", "metadata": {}}\n{"_id": 3, "text": "three"}\n'


def files(folder: Path, queries: str = QUERIES, qrels: str = "") -> tuple[Path, Path]:
    (folder / "q.jsonl").write_text(queries, encoding="utf-8")
    (folder / "qrels.tsv").write_text(qrels, encoding="utf-8")
    return folder / "q.jsonl", folder / "qrels.tsv"


@pytest.mark.parametrize(
    "qrels",
    [
        "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\n3\td3\t1\n",
        "q1\td 1\t2\r\nq1\td2\t-1\r\n\r\n3\td3\t1",
    ],
)
def test_layout_of_beir(qrels: str, tmp_path: Path) -> None:
    found = read_judgments(*files(tmp_path, qrels=qrels))
    assert found.relevant == {"q1": {"d 1": 2, "d2": 0}, "3": {"d3": 1}}
    assert (found.texts, found.skipped) == ({"q1": "one", "3": "three"}, 1)


def test_layout_of_trec(tmp_path: Path) -> None:
    found = read_judgments(*files(tmp_path, qrels="q1 0 d1 1\nq2 Q0 d2 3\n"))
    assert found.relevant == {"q1": {"d1": 1}, "q2": {"d2": 3}}


@pytest.mark.parametrize(
    ("queries", "qrels", "what"),
    [
        ("", "q1\td\t1", "q.jsonl is empty"),
        (QUERIES, "", "qrels.tsv is empty"),
        (QUERIES, "query-id\tcorpus-id\tscore\n", "has no judgments"),
        (QUERIES, "q1\td\t0\n", "no query .* has a relevant document"),
        (QUERIES, "q1\td\t1\nq9\td\t1\n", "1 query of 2 .* not in .*: q9"),
        (QUERIES, "q1\td\t1\nq1\td\tmuch\n", "line 2: no judgment"),
        (QUERIES, "q1\td\n", "line 1: no judgment"),
        (QUERIES, f"q1\td\t{'9' * 400}\n", "line 1: no judgment"),
        (QUERIES, "q1\td\t1\nq1\td\t1\nq1\td\t2\n", "line 3: d was 1 for q1 before, and is 2 here"),
        ('{"_id": "q1", "text": "a \\ud83d"}', "q1\td\t1", "line 1: half of a surrogate pair"),
        (QUERIES + '{"_id": "q1", "text": "x"}', "q1\td\t1", "line 4: the query q1 comes twice"),
        ('{"_id": "q1"}', "q1\td\t1", "line 1: no query"),
        ("[1]", "q1\td\t1", "line 1: no query"),
        ('{"_id": "q1", "text": " "}', "q1\td\t1", "has no text"),
        ("no json", "q1\td\t1", "line 1: no JSON"),
    ],
)
def test_what_is_wrong_is_said_by_file_and_line(queries: str, qrels: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(Usage, match=what):
        read_judgments(*files(tmp_path, queries, qrels))


def test_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    queries, qrels = files(tmp_path, qrels="q1\td\t1")
    with pytest.raises(Usage, match="no file"):
        read_judgments(tmp_path / "none", qrels)
    qrels.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Usage, match="cannot read"):
        read_judgments(queries, qrels)
