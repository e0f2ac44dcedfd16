"""Parse a whole job file: what it may say, and how its mistakes are reported.

The tests of corpus, quota, sink, model, chunks, steering and plain YAML values are in the files beside this one.
"""

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from launcher.errors import Usage
from launcher.jobs.job import CorpusSource, Job, JobChunking, JobLimits, JobOutput, LocalMachine, QuotaLimit
from launcher.jobs.keys import LIMIT_CLOUDS
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob
from tests.launcher.jobs.job_texts import COMPLETE, SHORT, job, mistakes, only_mistake

# What a job may say


def test_complete_job_is_read() -> None:
    assert parse(COMPLETE) == Job(
        name="reviews-2026",
        corpus=CorpusSource("s3://bucket/reviews/*.parquet", "text", "review_id"),
        model="Alibaba-NLP/gte-Qwen2-7B-instruct",
        chunk=JobChunking(512, 50),
        output=JobOutput("s3://bucket/vectors/reviews", "float16", 1024),
        limits=JobLimits(
            deadline_hours=6.0,
            budget=Decimal(300),
            gpus=("L4", "A100-80GB"),
            clouds=("aws", "gcp"),
            regions=("us-*",),
            machines=400,
        ),
        quota=(QuotaLimit("aws", "us-east-1", "L4", 64, None),),
    )


def test_four_lines_are_a_job_and_the_rest_has_defaults() -> None:
    assert job() == Job(
        "a", CorpusSource("in", "text", text_by_default=True), "m", output=JobOutput("out", "float32", None)
    )


def test_job_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        job().name = "b"  # pyright: ignore[reportAttributeAccessIssue]


def test_bare_output_is_its_path() -> None:
    assert parse("name: a\ncorpus: in\nmodel: m\noutput: out").output == JobOutput("out")


def test_local_paths_stay_as_they_were_written() -> None:
    assert parse("name: a\ncorpus: ../in/*.csv\nmodel: ./m\noutput: {path: ~/out}").corpus == CorpusSource(
        "../in/*.csv", text_by_default=True
    )


def test_price_of_this_machine_is_unknown_by_default() -> None:
    assert job("local: {workers: 2}").local == LocalMachine(2, None)


def test_machine_may_be_said_to_cost_nothing() -> None:
    assert job("local: {usd_per_hour: 0}").local.usd_per_hour == Decimal(0)


def test_prompt_keeps_its_spaces() -> None:
    assert job('prompt: "passage: "').prompt == "passage: "


def test_prompt_may_be_nothing() -> None:
    assert job("prompt: ''").prompt == ""


@pytest.mark.parametrize("cloud", LIMIT_CLOUDS)
def test_cloud_may_be_named(cloud: str) -> None:
    assert job(f"limits: {{clouds: [{cloud}]}}").limits.clouds == (cloud,)


def test_names_in_any_script_are_read() -> None:
    found = parse(
        'name: a\ncorpus: {path: "/данные/文書 🦊/*.csv", text: المتن}\nmodel: m\noutput: {path: é}'
    )
    assert found.corpus == CorpusSource("/данные/文書 🦊/*.csv", "المتن")


def test_date_in_the_place_of_a_name_is_a_name() -> None:
    assert parse(SHORT.replace("name: a", "name: 2026-01-31")).name == "2026-01-31"


# What it may not


def test_mistakes_in_a_job_end_a_command_with_code_2() -> None:
    with pytest.raises(BadJob) as caught:
        parse("")
    assert isinstance(caught.value, Usage)
    assert caught.value.code == 2
    assert "job.yaml" in caught.value.hint


def test_messages_name_the_file_that_was_read() -> None:
    with pytest.raises(BadJob, match=r"^big\.yaml:1: the file is empty$"):
        parse("", where="big.yaml")


def test_misspelt_key_is_answered_with_the_nearest() -> None:
    assert (
        only_mistake("limits:\n\n  dedline: 6h")
        == "job.yaml:7: limits.dedline: unknown key; did you mean deadline?"
    )


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_lines() -> None:
    text = """\
name: Bad Name
corpus: {path: in, txt: body}
model: 7
chunk: {tokens: 10, overlap: 10}
output: {path: out, dtype: int7}
limits:
  deadline: 6
  budget: free
  clouds: [aws, gpc]
prompt: [a]
"""
    found = mistakes(text)
    assert [line.split(": ")[0] for line in found] == [f"job.yaml:{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10)]


def test_exception_holds_each_mistake_with_line_and_key() -> None:
    with pytest.raises(BadJob) as caught:
        parse("name: a\nmodel: m\ncorpus: in\ntruncate: x")
    assert [(m.line, m.key) for m in caught.value.mistakes] == [(1, "output"), (4, "truncate")]


def test_thousand_mistakes_are_counted_and_not_all_shown() -> None:
    text = SHORT + "".join(f"k{n}: 1\n" for n in range(1000))
    with pytest.raises(BadJob, match=r"^1,000 mistakes(?s:.*)and 950 more$"):
        parse(text)


def test_missing_required_keys_are_named() -> None:
    assert mistakes("engine: hash") == [
        f"job.yaml:1: {k}: missing" for k in ("name", "corpus", "model", "output")
    ]


@pytest.mark.parametrize("value", ["''", "'  '", "~"])
def test_blank_path_is_empty(value: str) -> None:
    assert only_mistake("", SHORT.replace("out}", f"{value}}}")) == (
        "job.yaml:4: output.path: is empty; fill it or remove it"
    )


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Mein Jöb", "mein-job"), ("-a", "a"), ("a_b", "a-b"), ("x" * 60, "x" * 48), ("A.", "a")],
)
def test_name_that_clouds_refuse_is_answered_with_one_they_take(name: str, slug: str) -> None:
    assert only_mistake("", SHORT.replace("name: a", f"name: {name}")).endswith(f"; write {slug}")


def test_name_without_a_letter_to_keep_is_refused_without_a_proposal() -> None:
    assert only_mistake("", SHORT.replace("name: a", "name: 日本")) == (
        "job.yaml:1: name: must be 1 to 48 of a-z, 0-9 and -, not - first; this is 日本"
    )


def test_name_does_not_end_in_a_line_break() -> None:
    assert "write a" in only_mistake("", SHORT.replace("name: a", 'name: "a\\n"'))


def output(more: str) -> str:
    """A job whose output says this, too."""
    return SHORT.replace("out}", f"out, {more}}}")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_vectors_may_be_of_four_types(dtype: str) -> None:
    found = job(base=output(f"dtype: {dtype}")).output
    assert found is not None
    assert found.dtype == dtype


def test_binary_vectors_come_in_whole_bytes() -> None:
    assert only_mistake("", output("dtype: binary, dimensions: 100")) == (
        "job.yaml:4: output.dimensions: must be a multiple of 8 for binary, such as 96; this is 100"
    )
    assert job(base=output("dtype: int8, dimensions: 100")).output is not None


def test_columns_of_the_corpus_may_be_kept() -> None:
    found = job(base=output("keep: [text, title]")).output
    assert found is not None
    assert found.keep == ("text", "title")


@pytest.mark.parametrize(
    ("keep", "what"),
    [
        ("[vector]", "vector is a column of the output already; it has id, chunk, vector, scale"),
        ("[a, a]", "a is named twice"),
    ],
)
def test_column_that_cannot_be_kept_is_refused(keep: str, what: str) -> None:
    assert only_mistake("", output(f"keep: {keep}")).endswith(what)


def test_machine_cannot_cost_less_than_nothing() -> None:
    assert only_mistake("local: {usd_per_hour: -0.05}").startswith(
        "job.yaml:5: local.usd_per_hour: must be an amount of money, $0 or more"
    )
