"""The corpus of a job file: read or declared, its format, and the format of its tables."""

import json

import pytest

from launcher.jobs.job import CorpusSource, DeclaredCorpus, dump, load
from launcher.jobs.parse import parse
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import KINDS, Kind
from tests.launcher.jobs.job_texts import DECLARED, SHORT, WITHOUT_CORPUS, job, mistakes, only_mistake


def test_declared_corpus_needs_no_output() -> None:
    assert job("corpus: {documents: 10, tokens_per_document: 102}", DECLARED).output is None


@pytest.mark.parametrize(
    ("written", "documents"),
    [
        ("29.5e6", 29_500_000),
        ("1e6", 1_000_000),
        ("1_000_000", 1_000_000),
        ("29.5M", 29_500_000),
        ("600B", 600 * 10**9),
        ("2k", 2_000),
        ("2 K", 2_000),
        ("'1,000,000'", 1_000_000),
        ("+7", 7),
        ("1.e3", 1_000),
        ("'12'", 12),
        ("1T", 10**12),
        ("2.5e+3", 2_500),
        ("5e-1k", 500),
        ("010", 10),
    ],
)
def test_large_numbers_may_be_written_as_people_write_them(written: str, documents: int) -> None:
    corpus = job(f"corpus: {{documents: {written}, tokens_per_document: 102}}", DECLARED).corpus
    assert corpus == DeclaredCorpus(documents, ((1.0, 102.0),))


def test_lengths_may_be_shares_and_tokens() -> None:
    corpus = job("corpus: {documents: 10, tokens_per_document: [[.9, 100], [0.1, 0.8k]]}", DECLARED).corpus
    assert corpus == DeclaredCorpus(10, ((0.9, 100.0), (0.1, 800.0)))


def test_thirds_written_by_hand_sum_to_one() -> None:
    thirds = "[[0.3333333, 1], [0.3333333, 2], [0.3333333, 3]]"
    assert job(f"corpus: {{documents: 10, tokens_per_document: {thirds}}}", DECLARED)


@pytest.mark.parametrize("unit", ["file", "line"])
def test_the_unit_of_text_files_is_read(unit: str) -> None:
    found = parse(SHORT.replace("in\n", f"{{path: in, unit: {unit}}}\n", 1))
    assert isinstance(found.corpus, CorpusSource)
    assert (found.corpus.unit, load(dump(found))) == (unit, found)


def test_a_line_of_a_format_without_lines_is_no_document() -> None:
    (mistake,) = mistakes(SHORT.replace("in\n", "{path: in, unit: line, format: parquet}\n", 1))
    assert mistake.endswith("corpus.unit: a document of parquet is no line; keep unit or format")


def test_corpus_is_either_read_or_declared() -> None:
    assert only_mistake("corpus: {path: in, documents: 5}\noutput: {path: out}", DECLARED).startswith(
        "job.yaml:3: corpus: path and documents together;"
    )


def test_declared_corpus_needs_lengths() -> None:
    assert (
        only_mistake("corpus: {documents: 5}", DECLARED) == "job.yaml:3: corpus.tokens_per_document: missing"
    )


def test_read_corpus_needs_a_path() -> None:
    assert (
        only_mistake("corpus: {text: body}\noutput: {path: out}", DECLARED)
        == "job.yaml:3: corpus.path: missing"
    )


def test_shares_must_sum_to_one() -> None:
    pairs = "[[0.5, 100], [0.4, 800]]"
    assert only_mistake(f"corpus: {{documents: 5, tokens_per_document: {pairs}}}", DECLARED) == (
        "job.yaml:3: corpus.tokens_per_document: shares must sum to 1; they sum to 0.9"
    )


@pytest.mark.parametrize(
    "pairs", ["[]", "[[1]]", "[1, 100]", "[[0, 5], [1, 5]]", "[[1, 0]]", "{a: 1}", "-5", "x"]
)
def test_lengths_must_be_pairs_of_share_and_tokens(pairs: str) -> None:
    found = mistakes(f"{DECLARED}corpus:\n  documents: 5\n  tokens_per_document: {pairs}")
    assert all(line.startswith("job.yaml:5: corpus.tokens_per_document") for line in found)


def csv_of(written: str) -> CsvFormat | None:
    corpus = job(f"corpus: {{path: in, csv: {written}}}\n", WITHOUT_CORPUS).corpus
    assert isinstance(corpus, CorpusSource)
    return corpus.csv


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('{delimiter: ";"}', CsvFormat(delimiter=";")),
        ('{delimiter: tab, quote: none, escape: "\\\\"}', CsvFormat("\t", "", "\\")),
        ('{delimiter: "\\t", quote: "", escape: none}', CsvFormat("\t", "", "")),
        ("{header: false, encoding: UTF-16}", CsvFormat(header=False, encoding="utf-16")),
        ("{header: [id, text]}", CsvFormat(header=("id", "text"))),
        ("{header: true, encoding: utf8}", None),
    ],
)
def test_the_format_of_tables_is_read(written: str, found: CsvFormat | None) -> None:
    assert csv_of(written) == found


def source_of(written: str) -> CorpusSource:
    corpus = job(f"corpus: {{path: in, {written}}}\n", WITHOUT_CORPUS).corpus
    assert isinstance(corpus, CorpusSource)
    return corpus


@pytest.mark.parametrize("kind", KINDS)
def test_a_corpus_may_say_its_format(kind: Kind) -> None:
    assert source_of(f"format: {kind}").format == kind


def test_lists_may_be_joined_by_any_text() -> None:
    assert [source_of(f"join: {written}").join for written in ('"\\n"', '""', '" - "')] == ["\n", "", " - "]


def test_a_wrong_format_names_the_nearest() -> None:
    assert "corpus.format" in only_mistake("corpus: {path: in, format: jsonlines}\n", WITHOUT_CORPUS)


def test_a_job_that_says_no_format_is_saved_as_before_there_was_one() -> None:
    saved = dump(job("corpus: {path: in}\n", WITHOUT_CORPUS))["corpus"]
    assert not {"format", "join", "csv"} & saved.keys()
    more = job('corpus: {path: in, format: arrow, join: ""}\n', WITHOUT_CORPUS)
    assert load(dump(more)) == more


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ('{delimiter: "::"}', "delimiter: must be one character, or tab"),
        ("{quote: double}", "quote: must be one character, or none"),
        ("{encoding: klingon}", "encoding: must be an encoding"),
        ("{encoding: base64}", "encoding: must be an encoding"),
        ("{header: [a, a]}", "header: a is named twice"),
        ("{delimiter: '\"'}", "delimiter: is the quote or the escape, too"),
        ('{delimiter: ";", quote: ";"}', "delimiter: is the quote or the escape, too"),
        ("{separator: 1}", "separator: unknown key"),
    ],
)
def test_a_wrong_format_of_tables_is_a_mistake_with_its_line(written: str, key: str) -> None:
    assert only_mistake(f"corpus: {{path: in, csv: {written}}}\n", WITHOUT_CORPUS).startswith(
        f"job.yaml:4: corpus.csv.{key}"
    )


def test_the_format_of_tables_survives_the_plan() -> None:
    written = job('corpus: {path: in, csv: {delimiter: ";", header: [id, text]}}\n', WITHOUT_CORPUS)
    assert load(json.loads(json.dumps(dump(written)))) == written


def test_without_a_format_a_job_is_dumped_as_before_there_was_one() -> None:
    assert "csv" not in dump(job("corpus: in\n", WITHOUT_CORPUS))["corpus"]


@pytest.mark.parametrize(
    ("region", "said"),
    [
        (
            "oci/us-ashburn-1",
            "storage and transfer of oci have no price here: name a region of aws, gcp, azure",
        ),
        ("awz/us-east-1", "must be cloud/region of aws, gcp, azure, such as aws/us-east-1, or r2 or local"),
        ("aws", "must be cloud/region of aws, gcp, azure, such as aws/us-east-1, or r2 or local"),
    ],
)
def test_region_of_a_cloud_without_prices_of_storage_says_so(region: str, said: str) -> None:
    assert said in str(only_mistake(f"corpus: {{path: docs, region: {region}}}", WITHOUT_CORPUS))
