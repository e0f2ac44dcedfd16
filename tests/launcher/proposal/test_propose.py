"""A job is proposed for corpora of every kind, and what is written is a job that parses and fits the schema."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false
import gzip
import json
from pathlib import Path

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from launcher.corpus.files.left_out import left_out_text
from launcher.corpus.inspect import list_corpus
from launcher.errors import Problem
from launcher.jobs.job import CorpusSource
from launcher.jobs.job_schema import job_schema
from launcher.jobs.parse import parse
from launcher.proposal.job_text import job_text
from launcher.proposal.language import is_english
from launcher.proposal.propose import ENGLISH_MODEL, OTHER_MODEL, Proposal, propose
from tests.support.runs import write_jsonl

ENGLISH = "This is the story of a man that was on the way to the sea, and it is not a short one. "
GERMAN = "Das ist die Geschichte eines Mannes, der über das Meer fahren wollte, und sie ist nicht kurz. "


def proposed(folder: Path, path: str = "in") -> Proposal:
    found = propose(path, folder)
    text = job_text(found)
    job = parse(text)
    assert isinstance(job.corpus, CorpusSource)
    assert job.corpus.text == (found.text or "text")
    jsonschema.validate(yaml.safe_load(text), job_schema())
    return found


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_records_have_text_and_id(corpus: Path) -> None:
    write_jsonl(corpus / "a.jsonl", ({"rid": n, "review_id": f"r{n}", "body": ENGLISH} for n in range(30)))
    found = proposed(corpus.parent)
    assert (found.text, found.id, found.model, found.chunk) == ("body", "review_id", ENGLISH_MODEL, None)
    assert (found.name, found.output, found.kinds) == ("in", "vectors", {"jsonl": 1})


def test_long_markdown_is_cut_by_its_headings(corpus: Path) -> None:
    for n in range(4):
        (corpus / f"{n}.md").write_text(f"# Page {n}\n\n{ENGLISH * 60}")
    found = proposed(corpus.parent)
    assert (found.text, found.id, found.unit) == (None, None, None)
    assert found.chunk == (256, 32, "markdown")


@pytest.mark.parametrize(("ending", "by"), [("md", "markdown"), ("txt", "sentences")])
def test_the_chunks_that_are_offered_end_where_such_files_do(corpus: Path, ending: str, by: str) -> None:
    for n in range(4):
        (corpus / f"{n}.{ending}").write_text(f"# Page {n}\n\n{ENGLISH}")
    found = proposed(corpus.parent)
    assert found.chunk is None
    assert f"# chunk: {{tokens: 256, overlap: 32, by: {by}}}" in job_text(found)


def test_list_of_texts_is_asked_about(corpus: Path) -> None:
    (corpus / "list.txt").write_text("".join(f"{ENGLISH}{n}\n" for n in range(3_000)))
    found = proposed(corpus.parent)
    assert found.unit == "line"
    assert "is each line a document" in (found.unit_question or "")
    assert found.median_tokens is not None
    assert found.median_tokens < len(ENGLISH)  # of a line; that of the whole file was named
    assert found.chunk is None
    assert found.chunk is None


def test_table_with_semicolons_in_german(corpus: Path) -> None:
    rows = "".join(f'{n};"{GERMAN}"\n' for n in range(30))
    (corpus / "a.csv").write_text(f"id;inhalt\n{rows}", encoding="utf-8")
    found = proposed(corpus.parent)
    assert (found.text, found.id, found.model) == ("inhalt", "id", OTHER_MODEL)
    assert found.table is not None
    assert found.table.delimiter == ";"


def test_parquet_compressed_lines_arrays_and_arrow(corpus: Path) -> None:
    table = pa.table({"doc_id": list(range(40)), "内容": ["这是一个关于城市和海洋的长文本里面有很多字"] * 40})
    pq.write_table(table, corpus / "a.parquet")
    found = proposed(corpus.parent)
    assert (found.text, found.id, found.english) == ("内容", "doc_id", False)
    (corpus / "a.parquet").unlink()
    body = json.dumps([{"key": n, "text": ENGLISH} for n in range(20)])
    with gzip.open(corpus / "a.json.gz", "wt") as file:
        file.write(body)
    assert (proposed(corpus.parent).text, proposed(corpus.parent).id) == ("text", "key")
    (corpus / "a.json.gz").unlink()
    with pa.OSFile(str(corpus / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert proposed(corpus.parent).text == "内容"


def test_this_folder_gets_an_output_beside_it(corpus: Path) -> None:
    write_jsonl(corpus / "a.jsonl", ({"text": ENGLISH} for _ in range(5)))
    assert proposed(corpus, ".").output == "../in-vectors"
    (corpus.parent / "vectors").mkdir()
    assert proposed(corpus.parent).output == "in-vectors"


def test_corpus_without_texts_or_files_is_a_problem(corpus: Path) -> None:
    write_jsonl(corpus / "a.jsonl", ({"n": n, "code": f"X{n}"} for n in range(5)))
    with pytest.raises(Problem, match="no column of in looks like a text; its columns are n, code"):
        propose("in", corpus.parent)
    (corpus / "a.jsonl").unlink()
    with pytest.raises(Problem, match="no input at"):
        propose("in", corpus.parent)


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    folder = tmp_path / "a: b #c"
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", ({"text: x\n": ENGLISH, "id": n} for n in range(5)))
    found = proposed(tmp_path, "a: b #c")
    assert (found.corpus, found.name, found.text) == ("a: b #c", "a-b-c", "text: x\n")


def test_language() -> None:
    assert is_english([ENGLISH]) is True
    assert is_english([GERMAN * 2]) is False
    assert is_english(["море и небо"] * 9) is False
    assert is_english(["one two"]) is None


@pytest.mark.parametrize(("documents", "unit"), [(1, None), (3, "file")])
def test_what_is_written_of_documents_beside_tables_is_what_is_read(
    corpus: Path, documents: int, unit: str | None
) -> None:
    write_jsonl(corpus / "a.jsonl", ({"body": ENGLISH} for _ in range(5)))
    (corpus / "README.md").write_text("# About")
    for n in range(documents - 1):
        (corpus / f"{n}.md").write_text(ENGLISH)
    (corpus / "notes.html").write_text("<p>one</p>")
    found = proposed(corpus.parent)
    job = parse(job_text(found))
    listing = list_corpus(job, corpus.parent)
    assert (found.text, found.unit, found.files) == ("body", unit, len(listing.files))
    assert found.files == (5 if unit else 1)
    assert ("  unit: file              # reads 4 documents beside tables, too" in job_text(found)) == bool(
        unit
    )
    assert left_out_text(listing.left_out) == (found.left_out or "")
    assert bool(found.left_out) == (not unit)
