"""The sink of a job file: as it is written, with every mistake and its line."""

import re

import pytest

from launcher.jobs.job import JobSink
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob
from launcher.sinks.index import IndexSpec

POSTGRES = "postgresql://db.example/search?table=docs"
SECRET = "canary-value-of-a-secret"


def sink_of(written: str, keep: str = "[title, url]") -> JobSink | None:
    output = f"{{path: out, keep: {keep}}}"
    return parse(f"name: a\ncorpus: in\nmodel: hash\noutput: {output}\nsink: {written}\n").sink


def mistake(written: str) -> str:
    with pytest.raises(BadJob) as caught:
        sink_of(written)
    return str(caught.value)


def test_job_without_a_sink_has_none() -> None:
    assert parse("name: a\ncorpus: in\nmodel: hash\noutput: out\n").sink is None


def test_address_alone_loads_at_the_end_with_the_usual_index() -> None:
    assert sink_of(POSTGRES) == JobSink(POSTGRES, None, IndexSpec("hnsw", 16, 64), None, "end")


def test_mapping_has_everything() -> None:
    written = f"{{to: '{POSTGRES}', secret: $DB, index: {{type: hnsw, m: 32}}, keep: [url], when: shards}}"
    assert sink_of(written) == JobSink(POSTGRES, "$DB", IndexSpec("hnsw", 32, 64), ("url",), "shards")


def test_index_is_also_written_as_on_the_command_line() -> None:
    found = sink_of('{to: docs.lance, index: "hnsw,m=8,ef_construction=200"}')
    assert found is not None
    assert found.index == IndexSpec("hnsw", 8, 200)


def test_no_kept_columns_are_not_all() -> None:
    found = sink_of("{to: docs.lance, keep: none}")
    assert found is not None
    assert found.keep == ()


def test_variables_of_an_address_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "db.example")
    found = sink_of("'postgresql://$DB_HOST/search?table=docs'")
    assert found is not None
    assert found.to == POSTGRES


def test_password_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", SECRET)
    for address in (f"postgresql://me:{SECRET}@h/d?table=t", "postgresql://me:$PW@h/d?table=t"):
        said = mistake(f"'{address}'")
        assert "holds a password" in said
        assert SECRET not in said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "sink: is empty"),
        ("[a]", "sink: must be a mapping"),
        ("docs.csv", "docs.csv is no vector store"),
        ("postgres//h/d", "is no vector store"),
        ("'qdrnt://h/docs'", r"did you mean qdrant"),
        ("'postgresql://h/d'", "names no table"),
        ("{when: shards}", "sink.to: missing"),
        ("{to: 7}", "sink.to: must be text"),
        ("{to: docs.lance, wen: shards}", "did you mean when"),
        ("{to: docs.lance, when: always}", "sink.when: must be one of end, shards"),
        (f"{{to: docs.lance, secret: {SECRET}}}", "sink.secret: must name the environment variable"),
        ("{to: docs.lance, index: ivf}", "sink.index: no index 'ivf'"),
        ("{to: docs.lance, index: {m: 64}}", "at least twice m, 128"),
        ("{to: docs.lance, index: {type: none, m: 16}}", "no option 'm=16'"),
        ("{to: docs.lance, index: {m: many}}", "sink.index.m: must be a whole number"),
        ("{to: docs.lance, index: {m: 1}}", "sink.index: m is 1"),
        ("{to: docs.lance, keep: [title, title]}", "title is named twice"),
        ("{to: docs.lance, keep: [author]}", "output.keep does not keep author; it keeps title, url"),
        ("{to: 'postgresql://$NO_SUCH_HOST/d?table=t'}", "NO_SUCH_HOST is not set"),
    ],
)
def test_mistake_is_told_with_its_key(written: str, said: str) -> None:
    found = mistake(written)
    assert re.search(said, found), found
    assert "job.yaml:5: " in found
    assert SECRET not in found
