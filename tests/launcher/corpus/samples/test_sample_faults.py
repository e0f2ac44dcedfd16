"""What is wrong with every row of a file is refused with the file and the true cause; the rest is told."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.sample_faults import ENOUGH_ROWS, SampleFaults
from launcher.corpus.samples.sampling import CorpusSample, sample_corpus
from launcher.errors import Problem
from tasks.formats.rows import BadRow, Columns, Document
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tests.support.documents import pdf
from tests.support.runs import write_jsonl

COLUMNS = Columns("text", "id")


def sampled(folder: Path, columns: Columns = COLUMNS) -> CorpusSample:
    return sample_corpus(find_files(str(folder), folder), columns, HashTokenizer(), ChunkSpec(512))


def refusal(folder: Path, columns: Columns = COLUMNS) -> Problem:
    with pytest.raises(Problem) as caught:
        sampled(folder, columns)
    return caught.value


def test_files_that_are_set_aside_are_counted_by_reason(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).write_bytes(pdf(["", ""] if name == "a.pdf" else [""] * 3))
    (tmp_path / "c.pdf").write_bytes(pdf(["x"], encrypted=True))
    (tmp_path / "d.md").write_text("text")
    (line,) = sampled(tmp_path, Columns("text", None)).warnings()
    assert line == (
        "3 sampled files cannot be embedded: 2 no text on its N pages: it is scanned or drawn; "
        "recognise its text (OCR) first (a.pdf); 1 encrypted with a password (c.pdf)"
    )


def test_a_key_that_all_files_lack_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "body": "one"}] * 2)
    problem = refusal(tmp_path)
    assert str(problem) == "a.jsonl: no text: 'text' is missing or null; the line has 'id', 'body'"
    assert problem.hint.startswith("set corpus.text to ")


def test_an_id_that_all_files_lack_is_called_id(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"key": "1", "text": "one"}] * 2)
    problem = refusal(tmp_path)
    assert str(problem) == "a.jsonl: no id: 'id' is missing or null; the line has 'key', 'text'"
    assert problem.hint.startswith("set corpus.id to ")


def test_files_that_lack_a_key_beside_others_that_have_it_are_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "one"}])
    for name in ("b", "c"):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"id": "2", "body": "two"}, {"id": "3", "body": "three"}])
    assert str(refusal(tmp_path)).startswith("b.jsonl: no text: 'text' is missing")
    assert str(refusal(tmp_path)).endswith("; so it is with 1 other file")


def test_a_file_of_one_bad_row_is_told(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "one"}])
    write_jsonl(tmp_path / "b.jsonl", [{"id": "2"}])
    assert (
        sampled(tmp_path)
        .warnings()[0]
        .endswith("b.jsonl: no text: 'text' is missing or null; the line has 'id'")
    )


def test_a_row_that_lacks_a_key_beside_others_that_have_it_is_told(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "one"}, {"id": "2", "body": "two"}])
    (line,) = sampled(tmp_path).warnings()
    assert line == (
        "1 of 2 sampled rows cannot be embedded; the first: "
        "a.jsonl: no text: 'text' is missing or null; the line has 'id', 'body'"
    )


def test_a_value_that_is_null_is_no_key_that_is_missing(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "one"}])
    (tmp_path / "b.jsonl").write_text('{"id": "2", "text": null}\n')
    assert len(sampled(tmp_path).warnings()) == 1


@pytest.mark.parametrize("kind", [pa.binary(16), pa.binary(), pa.large_binary()])
def test_ids_of_bytes_that_are_no_text_are_refused(tmp_path: Path, kind: pa.DataType) -> None:
    ids = pa.array([bytes([n]) * 16 for n in range(3)], kind)
    pq.write_table(pa.table({"id": ids, "text": ["a", "b", "c"]}), tmp_path / "a.parquet")
    problem = refusal(tmp_path)
    assert str(problem) == "a.parquet: no id: 'id' is 16 bytes that are no text"
    assert problem.hint == "write the ids as text: a UUID in its usual form, a hash in hexadecimal digits"


def test_ids_of_bytes_that_are_text_are_read(tmp_path: Path) -> None:
    ids = pa.array([b"US", b"DE"], pa.binary(2))
    pq.write_table(pa.table({"id": ids, "text": ["a", "b"]}), tmp_path / "a.parquet")
    assert sampled(tmp_path).warnings() == []


@pytest.mark.parametrize(
    ("name", "body", "said", "hint"),
    [
        ("a.jsonl", b'{"id": "1", "text": ""}\n', "it is empty or blank", "set corpus.text"),
        ("a.jsonl", b"one,two\n", "broken JSON line", "write one JSON object in each line"),
        (
            "a.jsonl",
            '{"id": "1", "text": "é"}\n'.encode("latin-1"),
            "invalid UTF-8",
            "convert the file to UTF-8",
        ),
        ("a.csv", "id,text\n1,é\n".encode("latin-1"), "invalid UTF-8", "set corpus.csv.encoding"),
    ],
)
def test_a_corpus_without_any_text_has_the_hint_of_its_cause(
    tmp_path: Path, name: str, body: bytes, said: str, hint: str
) -> None:
    (tmp_path / name).write_bytes(body)
    problem = refusal(tmp_path)
    assert str(problem).startswith(f"no text in the corpus: {name}: ")
    assert said in str(problem)
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(("rows", "refused"), [(ENOUGH_ROWS - 1, False), (ENOUGH_ROWS, True)])
def test_a_file_that_is_sampled_in_part_is_refused_after_enough_rows(rows: int, refused: bool) -> None:
    faults = SampleFaults(COLUMNS)
    faults.add(Document("1", "one", "a.jsonl", 0))
    for position in range(rows):
        faults.add(BadRow("b.jsonl", position, "no text: 'text' is missing", lacks="text"))
    if refused:
        with pytest.raises(Problem, match=r"b\.jsonl: no text"):
            faults.check(whole=False)
    else:
        faults.check(whole=False)
    with pytest.raises(Problem, match=r"b\.jsonl: no text"):
        faults.check(whole=True)


@pytest.mark.parametrize("beside", [True, False])
def test_a_file_that_is_one_table_is_refused_with_what_writes_it_by_row(
    tmp_path: Path, *, beside: bool
) -> None:
    if beside:
        write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "one"}])
    table = {"columns": ["id", "text"], "index": [0], "data": [["2", "two"]]}
    (tmp_path / "b.jsonl").write_text(json.dumps(table))
    problem = refusal(tmp_path)
    assert "b.jsonl: a whole table in one record (orient='split' of pandas)" in str(problem)
    assert problem.hint.startswith("write a row a line, as by pandas.read_json(FILE, orient=")


def test_a_file_that_is_one_record_with_the_records_inside_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "text": "one"}])
    (tmp_path / "b.jsonl").write_text(json.dumps({"data": [{"id": "2", "text": "two"}]}))
    problem = refusal(tmp_path)
    assert str(problem).startswith("b.jsonl: no id: 'id' is missing or null")
    assert problem.hint == "take the records out of the list, as by jq -c '.KEY[]'"


@pytest.mark.parametrize(
    ("name", "body", "hint"),
    [
        ("a.txt", "one".encode("utf-16"), "iconv -f UTF-16"),
        ("a.jsonl", b'{"id": 1, "text": "' + b"x" * 9_000_000 + b'"}\n', "cut its text into several rows"),
        ("a.csv", b'id,text\n"1,a\n2,b\n', "close the quotation mark"),
    ],
)
def test_advice_is_about_what_is_wrong(tmp_path: Path, name: str, body: bytes, hint: str) -> None:
    """Each was told to name another column, or to convert from latin1."""
    (tmp_path / name).write_bytes(body)
    assert hint in refusal(tmp_path).hint
