"""A job file into a Job: what it may say, and every mistake with its line."""

import json
from dataclasses import FrozenInstanceError
from decimal import Decimal
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.errors import Usage
from launcher.jobs.job import (
    CorpusSource,
    DeclaredCorpus,
    Job,
    JobChunking,
    JobLimits,
    JobOutput,
    LocalMachine,
    QuotaLimit,
    VcpuQuota,
    dump,
    load,
    steer_of,
)
from launcher.jobs.keys import CLOUDS, ENGINES
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob
from tasks.models.tokenizing.chunk_by import ChunkBy
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import KINDS, Kind

COMPLETE = """\
name: reviews-2026
corpus: {path: "s3://bucket/reviews/*.parquet", text: text, id: review_id}   # folder, glob, file
model: Alibaba-NLP/gte-Qwen2-7B-instruct      # known model, hub id with shape given, or a local folder
chunk: {tokens: 512, overlap: 50}             # or `truncate: 512`
output: {path: "s3://bucket/vectors/reviews", dtype: float16, dimensions: 1024}
limits: {deadline: 6h, budget: $300, gpus: [L4, A100-80GB], clouds: [aws, gcp], regions: [us-*], machines: 400}
quota: {aws: {us-east-1: {L4: {spot: 64}}}}   # optional
"""

SHORT = "name: a\ncorpus: in\nmodel: m\noutput: {path: out}\n"  # what a test adds is in line 5
DECLARED = "name: a\nmodel: m\n"  # what a test adds is in line 3


def job(more: str = "", base: str = SHORT) -> Job:
    return parse(base + more)


def wrong(text: str) -> list[str]:
    """The mistakes that the message lists."""
    with pytest.raises(BadJob) as caught:
        parse(text)
    return [line.strip() for line in str(caught.value).splitlines() if line.strip().startswith("job.yaml:")]


def said(more: str, base: str = SHORT) -> str:
    """The only mistake of a job with one."""
    (only,) = wrong(base + more)
    return only


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


def test_declared_corpus_needs_no_output() -> None:
    assert job("corpus: {documents: 10, tokens_per_document: 102}", DECLARED).output is None


@pytest.mark.parametrize(
    ("written", "documents"),
    [
        *[("29.5e6", 29_500_000), ("1e6", 1_000_000), ("1_000_000", 1_000_000), ("29.5M", 29_500_000)],
        *[("600B", 600 * 10**9), ("2k", 2_000), ("2 K", 2_000), ("'1,000,000'", 1_000_000), ("+7", 7)],
        *[("1.e3", 1_000), ("'12'", 12), ("1T", 10**12), ("2.5e+3", 2_500), ("5e-1k", 500), ("010", 10)],
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


def test_model_may_be_a_mapping_with_its_shape() -> None:
    shaped = """\
name: a
corpus: in
output: {path: out}
model: {name: org/new, layers: 12, hidden: 768, heads: 12, kv_heads: 4, head_dim: 64, intermediate: 3_072,
  vocabulary: 30522, max_tokens: 8k, dimensions: 256, pooling: cls, glu: yes, causal: false}
"""
    found = parse(shaped)
    assert found.model == "org/new"
    sizes = {"layers": 12, "hidden": 768, "heads": 12, "kv_heads": 4, "head_dim": 64, "intermediate": 3072}
    ends = {"vocabulary": 30522, "max_tokens": 8000, "dimensions": 256}
    assert found.shape == sizes | ends | {"pooling": "cls", "glu": True, "causal": False}


def test_model_with_only_a_name_has_no_shape() -> None:
    assert parse("name: a\ncorpus: in\nmodel: {name: m}\noutput: {path: out}").shape is None


@pytest.mark.parametrize("written", ["truncate: 512", "chunk: {truncate: 512}"])
def test_truncation_may_stand_at_the_top_or_in_chunk(written: str) -> None:
    assert job(written).chunk == JobChunking(None, 0, 512)


@pytest.mark.parametrize("by", ["tokens", "sentences", "markdown"])
def test_chunks_end_where_the_job_says(by: ChunkBy) -> None:
    assert job(f"chunk: {{tokens: 512, by: {by}}}").chunk == JobChunking(512, 0, None, by)


def test_where_chunks_end_says_nothing_without_their_length() -> None:
    assert said("chunk: {by: markdown}").startswith("job.yaml:5: chunk.by: says nothing without chunk.tokens")


@pytest.mark.parametrize("unit", ["file", "line"])
def test_the_unit_of_text_files_is_read(unit: str) -> None:
    found = parse(SHORT.replace("in\n", f"{{path: in, unit: {unit}}}\n", 1))
    assert isinstance(found.corpus, CorpusSource)
    assert (found.corpus.unit, load(dump(found))) == (unit, found)


def test_a_line_of_a_format_without_lines_is_no_document() -> None:
    (mistake,) = wrong(SHORT.replace("in\n", "{path: in, unit: line, format: parquet}\n", 1))
    assert mistake.endswith("corpus.unit: a document of parquet is no line; keep unit or format")


def test_chunks_overlap_only_when_asked() -> None:
    assert job("chunk: {tokens: 512}").chunk == JobChunking(512, 0, None)


@pytest.mark.parametrize(
    ("written", "hours"),
    [
        *[("6h", 6.0), ("90m", 1.5), ("2d", 48.0), ("1h30m", 1.5), ("14 days", 336.0), ("1 hour", 1.0)],
        *[("1.5h", 1.5), ("1d 12h", 36.0), ("30 min", 0.5), ("3600s", 1.0), ("'2 hrs 15 minutes'", 2.25)],
    ],
)
def test_durations_have_units(written: str, hours: float) -> None:
    assert job(f"limits: {{deadline: {written}}}").limits.deadline_hours == hours


@pytest.mark.parametrize(
    ("written", "dollars"),
    [
        ("$300", "300"),
        ("300", "300"),
        ("$1,200.50", "1200.50"),
        ("0.10", "0.10"),
        ("$2k", "2000"),
        ("$ 5", "5"),
    ],
)
def test_money_is_exact(written: str, dollars: str) -> None:
    assert str(job(f"limits:\n  budget: {written}").limits.budget) == dollars


def test_single_word_is_a_list_of_one() -> None:
    assert job("limits: {gpus: L4}").limits.gpus == ("L4",)


def test_quota_of_zero_is_a_limit() -> None:
    assert job("quota: {gcp: {r: {T4: {spot: 0, on_demand: 2}}}}").quota == (
        QuotaLimit("gcp", "r", "T4", 0, 2),
    )


def test_quotas_nest_by_cloud_region_and_gpu() -> None:
    found = job("quota: {aws: {x: {L4: {spot: 1}, T4: {spot: 2}}, y: {L4: {on_demand: 3}}}}").quota
    assert [(q.region, q.gpu, q.spot, q.on_demand) for q in found] == [
        *(("x", "L4", 1, None), ("x", "T4", 2, None), ("y", "L4", None, 3))
    ]


def test_quota_in_vcpus_stands_beside_gpus() -> None:
    found = job("quota: {aws: {x: {L4: {spot: 1}, vcpus: {G: {spot: 64}, P: {on_demand: 192}}}}}")
    assert [(q.region, q.gpu, q.spot) for q in found.quota] == [("x", "L4", 1)]
    assert found.vcpu_quota == (
        VcpuQuota("aws", "x", "G", 64, None),
        VcpuQuota("aws", "x", "P", None, 192),
    )


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        ("{gcp: {x: {vcpus: {G: {spot: 1}}}}}", "only aws counts quotas in vCPUs"),
        ("{aws: {x: {vcpus: {Q: {spot: 1}}}}}", "unknown key"),
        ("{aws: {x: {vcpus: {P5: {on_demand: 1}}}}}", "AWS counts P5 machines in P"),
        ("{aws: {x: {vcpus: {G: 64}}}}", "must be a mapping"),
    ],
)
def test_wrong_quota_in_vcpus_is_refused(quota: str, words: str) -> None:
    with pytest.raises(BadJob, match=words):
        job(f"quota: {quota}")


def test_price_of_this_machine_is_unknown_by_default() -> None:
    assert job("local: {workers: 2}").local == LocalMachine(2, None)


def test_machine_may_be_said_to_cost_nothing() -> None:
    assert job("local: {usd_per_hour: 0}").local.usd_per_hour == Decimal(0)


def test_prompt_keeps_its_spaces() -> None:
    assert job('prompt: "passage: "').prompt == "passage: "


def test_prompt_may_be_nothing() -> None:
    assert job("prompt: ''").prompt == ""


@pytest.mark.parametrize(("written", "means"), [("fp8", "fp8"), ("auto", None)])
def test_precision_may_be_reduced(written: str, means: str | None) -> None:
    assert job(f"precision: {written}").precision == means


def test_precision_is_never_reduced_unless_asked_and_is_then_not_in_the_plan() -> None:
    assert job().precision is None
    assert "precision" not in dump(job())


def test_reduced_precision_is_in_the_plan() -> None:
    found = job("precision: fp8")
    assert load(dump(found)) == found


@pytest.mark.parametrize("engine", ["torch", "packed", "hash"])
def test_engine_that_does_not_compute_in_fp8_is_refused_beside_it(engine: str) -> None:
    assert said(f"engine: {engine}\nprecision: fp8").endswith(
        f"precision: fp8 is computed by the engine vllm alone, and engine is {engine}"
    )


def test_int8_is_refused_with_the_reason() -> None:
    assert "vLLM converts no dense weights to int8" in said("precision: int8")


def test_unknown_precision_is_refused() -> None:
    assert "fp8" in said("precision: fp16")


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_may_be_chosen(engine: str) -> None:
    assert job(f"engine: {engine}").engine == engine


@pytest.mark.parametrize("cloud", CLOUDS)
def test_cloud_may_be_named(cloud: str) -> None:
    assert job(f"limits: {{clouds: [{cloud}]}}").limits.clouds == (cloud,)


def test_names_in_any_script_are_read() -> None:
    found = parse(
        'name: a\ncorpus: {path: "/данные/文書 🦊/*.csv", text: المتن}\nmodel: m\noutput: {path: é}'
    )
    assert found.corpus == CorpusSource("/данные/文書 🦊/*.csv", "المتن")


def test_megabyte_of_text_is_read() -> None:
    assert job(f"prompt: {'x' * 2**20}").prompt == "x" * 2**20


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
        said("limits:\n\n  dedline: 6h") == "job.yaml:7: limits.dedline: unknown key; did you mean deadline?"
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
    found = wrong(text)
    assert [line.split(": ")[0] for line in found] == [f"job.yaml:{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10)]


def test_exception_holds_each_mistake_with_line_and_key() -> None:
    with pytest.raises(BadJob) as caught:
        parse("name: a\nmodel: m\ncorpus: in\ntruncate: x")
    assert [(m.line, m.key) for m in caught.value.mistakes] == [(1, "output"), (4, "truncate")]


def test_thousand_mistakes_are_counted_and_not_all_shown() -> None:
    text = SHORT + "".join(f"k{n}: 1\n" for n in range(1000))
    with pytest.raises(BadJob, match=r"^1,000 mistakes(?s:.*)and 950 more$"):
        parse(text)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "\ufeff"])
def test_empty_file_is_said_to_be_empty(text: str) -> None:
    assert "empty" in wrong(text)[0]


@pytest.mark.parametrize(
    ("text", "this"), [("- a", "a list"), ("hello", "hello"), ("12", "12"), ("[]", "a list")]
)
def test_file_that_is_no_mapping_is_refused(text: str, this: str) -> None:
    assert wrong(text) == [f"job.yaml:1: a job is a mapping, such as `name: my-job`; this is {this}"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: [1, 2\nc: 3", 3, "expected ',' or ']'"),
        ("a: 1\nb: 'x\nc: 3\n", 4, "unexpected end of stream (begun in line 2)"),
        ("a: b: c", 1, "put text that holds ': ' in quotes"),
        ("a:\n\tb: 1", 2, "a tab; YAML is indented with spaces"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("a: 1\nb: \x07", 2, "the character U+0007 is not allowed"),
        ("a: 1\nb: \ud800", 2, "the character U+D800 is not allowed"),
        ('a: 1\nb: "\\UFFFFFFFF"', 2, "out of range"),
        ("%YAML 1." + "1" * 5000 + "\n---\na: 1", 1, "out of range"),
        ("a: 1\nb: &x [*x]", 2, "a YAML alias, which is not read here"),
        ("a: 1\nlimits: {regions: [*-west]}", 2, 'put a pattern in quotes, as "*-west"'),
        ("a: 1\nlimits: {regions: [*]}", 2, "put a pattern in quotes"),
        ("a: 1\nb: !!python/object/apply:os.getcwd []", 2, "the tag python/object/apply:os.getcwd"),
        ("a: 1\nb: !x 1", 2, "the tag !x; a job file has no tags"),
        ("a: 1\nb: " + "[" * 100_000, 2, "nested more than 12 deep"),
    ],
)
def test_unsupported_yaml_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    (only,) = wrong(text)
    assert only.startswith(f"job.yaml:{line}: ")
    assert what in only


def test_a_file_that_is_no_job_is_not_parsed_to_its_end() -> None:
    started = monotonic()
    assert "more than 10,000 values" in said("x: [" + "1, " * 10**6 + "1]")
    assert "and a job file at most 4,194,304" in said("prompt: " + "x" * 5 * 2**20)
    assert monotonic() - started < 10


def test_aliases_cannot_blow_up_a_small_file() -> None:
    layers = "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert len(wrong("a: &a [x]\n" + layers)) == 1


@pytest.mark.parametrize("tag", ["!!bool x", "!!int ''", "!!int x", "!!float x", "!!timestamp x", "!!null x"])
def test_value_that_is_not_what_its_tag_says_is_a_mistake(tag: str) -> None:
    assert said(f"truncate: {tag}").startswith("job.yaml:5: truncate: must be a whole number")


def test_key_given_twice_is_a_mistake() -> None:
    assert said("name: b") == "job.yaml:5: name: given twice; first in line 1"


def test_key_given_twice_inside_is_a_mistake() -> None:
    assert (
        said("local: {workers: 1, workers: 2}") == "job.yaml:5: local.workers: given twice; first in line 5"
    )


@pytest.mark.parametrize("key", ["? [a]\n: 1", "? {b: 1}\n: 1", "'': 1", '"\\0": 1'])
def test_key_must_be_a_word(key: str) -> None:
    assert "a key must be a word" in said(key)


def test_missing_required_keys_are_named() -> None:
    assert wrong("engine: hash") == [
        f"job.yaml:1: {k}: missing" for k in ("name", "corpus", "model", "output")
    ]


def test_key_without_a_value_is_a_mistake() -> None:
    assert said("prompt:") == "job.yaml:5: prompt: is empty; fill it or remove it"


@pytest.mark.parametrize("key", ["limits", "chunk", "local", "quota"])
def test_empty_mapping_is_a_mistake(key: str) -> None:
    assert said(f"{key}: {{}}") == f"job.yaml:5: {key}: is empty; fill it or remove it"


@pytest.mark.parametrize("key", ["limits", "chunk", "local", "quota"])
@pytest.mark.parametrize(("value", "this"), [("12", "12"), ("[a]", "a list"), ("", "empty")])
def test_mapping_must_be_one(key: str, value: str, this: str) -> None:
    assert said(f"{key}: {value}").startswith(f"job.yaml:5: {key}: must be a mapping, such as {{")
    assert said(f"{key}: {value}").endswith(f"this is {this}")


@pytest.mark.parametrize("value", ["12", "1.5", "true", "no", ".nan"])
def test_text_must_be_text(value: str) -> None:
    assert said(f"prompt: {value}") == f'job.yaml:5: prompt: must be text; put it in quotes, as "{value}"'


@pytest.mark.parametrize("value", ["[a]", "{a: b}"])
def test_text_is_no_collection(value: str) -> None:
    assert said(f"prompt: {value}").startswith("job.yaml:5: prompt: must be text; this is a ")


@pytest.mark.parametrize("value", ['"a\\0b"', '"\\uD800"'])
def test_text_that_no_file_can_hold_is_refused(value: str) -> None:
    assert "holds a character" in said(f"prompt: {value}")


@pytest.mark.parametrize("value", ["''", "'  '", "~"])
def test_blank_path_is_empty(value: str) -> None:
    assert said("", SHORT.replace("out}", f"{value}}}")) == (
        "job.yaml:4: output.path: is empty; fill it or remove it"
    )


@pytest.mark.parametrize(
    "value",
    [
        *(
            "-1",
            "0",
            ".nan",
            ".inf",
            "-.inf",
            "1e999",
            "1.5",
            "x",
            "true",
            "0x10",
            "1:30",
            "5 6",
            "١٢",
            "1__,0",
        ),
        *("[1]", "{a: 1}", "", "'1,5'", "1m", "e5", ".", "+", "9" * 100_000),
    ],
)
def test_count_must_be_a_whole_number_above_zero(value: str) -> None:
    assert said(f"truncate: {value}").startswith("job.yaml:5: truncate: must be a whole number, 1 or more")


def test_count_beyond_reason_is_refused() -> None:
    assert said("truncate: 1e16") == "job.yaml:5: truncate: is more than 1e+15; this is 1e16"


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Mein Jöb", "mein-job"), ("-a", "a"), ("a_b", "a-b"), ("x" * 60, "x" * 48), ("A.", "a")],
)
def test_name_that_clouds_refuse_is_answered_with_one_they_take(name: str, slug: str) -> None:
    assert said("", SHORT.replace("name: a", f"name: {name}")).endswith(f"; write {slug}")


def test_name_without_a_letter_to_keep_is_refused_without_a_proposal() -> None:
    assert said("", SHORT.replace("name: a", "name: 日本")) == (
        "job.yaml:1: name: must be 1 to 48 of a-z, 0-9 and -, not - first; this is 日本"
    )


def test_name_does_not_end_in_a_line_break() -> None:
    assert "write a" in said("", SHORT.replace("name: a", 'name: "a\\n"'))


def test_corpus_is_either_read_or_declared() -> None:
    assert said("corpus: {path: in, documents: 5}\noutput: {path: out}", DECLARED).startswith(
        "job.yaml:3: corpus: path and documents together;"
    )


def test_declared_corpus_needs_lengths() -> None:
    assert said("corpus: {documents: 5}", DECLARED) == "job.yaml:3: corpus.tokens_per_document: missing"


def test_read_corpus_needs_a_path() -> None:
    assert said("corpus: {text: body}\noutput: {path: out}", DECLARED) == "job.yaml:3: corpus.path: missing"


def test_shares_must_sum_to_one() -> None:
    pairs = "[[0.5, 100], [0.4, 800]]"
    assert said(f"corpus: {{documents: 5, tokens_per_document: {pairs}}}", DECLARED) == (
        "job.yaml:3: corpus.tokens_per_document: shares must sum to 1; they sum to 0.9"
    )


@pytest.mark.parametrize(
    "pairs", ["[]", "[[1]]", "[1, 100]", "[[0, 5], [1, 5]]", "[[1, 0]]", "{a: 1}", "-5", "x"]
)
def test_lengths_must_be_pairs_of_share_and_tokens(pairs: str) -> None:
    found = wrong(f"{DECLARED}corpus:\n  documents: 5\n  tokens_per_document: {pairs}")
    assert all(line.startswith("job.yaml:5: corpus.tokens_per_document") for line in found)


@pytest.mark.parametrize(
    "key", ["layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary"]
)
def test_sizes_of_a_model_are_counts(key: str) -> None:
    rest = "".join(f", {k}: 8" for k in ("layers", "hidden") if k != key)
    assert said("", SHORT.replace("model: m", f"model: {{name: m, {key}: -1{rest}}}")).startswith(
        f"job.yaml:3: model.{key}: must be a whole number"
    )


@pytest.mark.parametrize(
    ("said_of_it", "what"),
    [
        ("pooling: max", "model.pooling: must be one of mean, cls, last; this is max"),
        ("glu: 1", "model.glu: must be true or false; this is 1"),
        ("causal: [true]", "model.causal: must be true or false; this is a list"),
        ("layer: 3", "model.layer: unknown key; did you mean layers?"),
    ],
)
def test_rest_of_a_shape_is_checked(said_of_it: str, what: str) -> None:
    model = f"model: {{name: m, layers: 1, hidden: 1, {said_of_it}}}"
    assert said("", SHORT.replace("model: m", model)) == f"job.yaml:3: {what}"


def test_shape_needs_at_least_layers_and_hidden() -> None:
    text = SHORT.replace("model: m", "model: {heads: 2}")
    assert wrong(text) == [f"job.yaml:3: model.{k}: missing" for k in ("name", "layers", "hidden")]


def test_chunk_and_truncate_exclude_each_other() -> None:
    assert said("chunk: {tokens: 5}\ntruncate: 5") == (
        "job.yaml:6: truncate: chunk is given too, in line 5; keep one"
    )


def test_tokens_and_truncate_exclude_each_other() -> None:
    assert (
        said("chunk: {tokens: 5, truncate: 5}") == "job.yaml:5: chunk: tokens and truncate together; keep one"
    )


@pytest.mark.parametrize("overlap", [5, 6])
def test_overlap_must_be_less_than_a_chunk(overlap: int) -> None:
    assert said(f"chunk: {{tokens: 5, overlap: {overlap}}}") == (
        f"job.yaml:5: chunk.overlap: must be less than tokens, 5; this is {overlap}"
    )


def test_overlap_without_tokens_says_nothing() -> None:
    assert said("chunk: {overlap: 5}").startswith(
        "job.yaml:5: chunk.overlap: says nothing without chunk.tokens"
    )


def output(more: str) -> str:
    """A job whose output says this, too."""
    return SHORT.replace("out}", f"out, {more}}}")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_vectors_may_be_of_four_types(dtype: str) -> None:
    found = job(base=output(f"dtype: {dtype}")).output
    assert found is not None
    assert found.dtype == dtype


def test_binary_vectors_come_in_whole_bytes() -> None:
    assert said("", output("dtype: binary, dimensions: 100")) == (
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
    assert said("", output(f"keep: {keep}")).endswith(what)


def test_code_of_a_model_runs_only_when_the_user_allows_it() -> None:
    assert job().remote_code is False
    base = SHORT.replace("model: m", "model: {name: m, trust_remote_code: true}")
    assert job(base=base).remote_code is True
    assert "trust_remote_code" in said(
        "", SHORT.replace("model: m", "model: {name: m, trust_remote_code: perhaps}")
    )


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("limits: {clouds: [gpc]}", "this is gpc; did you mean gcp?"),
        ("limits: {clouds: [aws, [gcp]]}", "this is a list"),
        ("limits: {spot: no}", "limits.spot: must be one of only, prefer, never; this is no"),
        ("engine: torhc", "this is torhc; did you mean torch?"),
        ("engine: ", "this is empty"),
        ("engine: " + "x" * 10**6, "this is " + "x" * 39 + "…"),
        ('engine: "\\e[31m"', "this is '\\x1b[31m'"),
    ],
)
def test_one_of_a_few_words_must_be_one_of_them(more: str, what: str) -> None:
    assert said(more).startswith("job.yaml:5: ")
    assert said(more).endswith(what)


@pytest.mark.parametrize("bare", ["6", "1.5", "1:30", "6e1", "1_000"])
def test_duration_without_a_unit_is_refused(bare: str) -> None:
    assert said(f"limits: {{deadline: {bare}}}").startswith(
        "job.yaml:5: limits.deadline: needs a unit, such as 6h"
    )


@pytest.mark.parametrize(
    "value",
    ["0h", "-6h", "6 parsecs", "h", "30m 1h", "1h 1h", "6hx", "true", "[6h]", "", "9" * 10**5 + "h", "٦h"],
)
def test_duration_must_be_one(value: str) -> None:
    assert said(f"limits: {{deadline: {value}}}").startswith(
        "job.yaml:5: limits.deadline: must be a duration such as 6h"
    )


def test_deadline_in_the_next_century_is_refused() -> None:
    assert said("limits: {deadline: 9999999d}").startswith(
        "job.yaml:5: limits.deadline: is more than 10 years"
    )


@pytest.mark.parametrize(
    "value",
    ["0", "$0", "-5", "$-5", "-$5", "free", ".nan", ".inf", "$", "$1,5", "1,2,3", "[5]", "", "€5", "true"],
)
def test_budget_must_be_money_above_zero(value: str) -> None:
    assert said(f"limits:\n  budget: {value}").startswith(
        "job.yaml:6: limits.budget: must be an amount of money, $0.01 or more"
    )


def test_budget_that_braces_cut_at_its_comma_is_explained() -> None:
    assert said("limits: {budget: $1,200.50}") == (
        'job.yaml:5: limits.200.50: unknown key; inside {} put a number with commas in quotes, as "$1,200"'
    )


@pytest.mark.parametrize(("value", "this"), [("'L4, T4'", "L4, T4"), ("{L4: 1}", "a mapping")])
def test_list_must_be_one(value: str, this: str) -> None:
    assert said(f"limits: {{gpus: {value}}}") == (
        f"job.yaml:5: limits.gpus: must be a list, such as [L4, H100]; this is {this}"
    )


def test_empty_list_is_a_mistake() -> None:
    assert said("limits: {gpus: []}") == "job.yaml:5: limits.gpus: is empty; fill it or remove it"


def test_entry_of_a_list_is_named_by_its_place() -> None:
    assert said("limits:\n  gpus:\n  - L4\n  - 40").startswith("job.yaml:8: limits.gpus[1]: must be text")


@pytest.mark.parametrize(
    ("quota", "what"),
    [
        ("{asw: {r: {L4: {spot: 1}}}}", "quota.asw: unknown key; did you mean aws?"),
        ("{aws: 5}", "quota.aws: must be a mapping, such as {name: …}; this is 5"),
        ("{aws: {r: {L4: 5}}}", "quota.aws.r.L4: must be a mapping, such as {spot: …}; this is 5"),
        ("{aws: {r: {L4: {ondemand: 5}}}}", "quota.aws.r.L4.ondemand: unknown key; did you mean on_demand?"),
        ("{aws: {r: {L4: {}}}}", "quota.aws.r.L4: is empty; fill it or remove it"),
        (
            "{aws: {r: {L4: {spot: -1}}}}",
            "quota.aws.r.L4.spot: must be a whole number, 0 or more, such as 512 or 2M; this is -1",
        ),
    ],
)
def test_quota_is_checked_at_every_level(quota: str, what: str) -> None:
    assert said(f"quota: {quota}") == f"job.yaml:5: {what}"


def test_machine_cannot_cost_less_than_nothing() -> None:
    assert said("local: {usd_per_hour: -0.05}").startswith(
        "job.yaml:5: local.usd_per_hour: must be an amount of money, $0 or more"
    )


# Laws

SCRAPS = st.sampled_from(
    [
        *("name", "corpus", "model", "output", "limits", "chunk", "quota", "local", "deadline", "path", "a"),
        *(": ", ":", "\n", "\n  ", "\n- ", "{", "}", "[", "]", ", ", "\t", "'", '"', "#", "|\n", ">\n", "? "),
        *(
            "&a ",
            "*a",
            "!!",
            "!!int ",
            "!!bool ",
            "!!timestamp ",
            "!!map ",
            "!!set ",
            "!",
            "<<: ",
            "---",
            "...",
        ),
        *(
            "%YAML 1.",
            "\\u",
            "\\U",
            "~",
            "null",
            ".nan",
            "1e999",
            "-0",
            "$1,200",
            "6h",
            "1:30",
            "=",
            "\ufeff",
        ),
    ]
)
TEXTS = st.one_of(
    st.text(),
    st.lists(SCRAPS | st.text(max_size=3), max_size=40).map("".join),
    st.lists(SCRAPS, max_size=12).map(lambda scraps: SHORT + "".join(scraps)),
    st.tuples(st.integers(0, len(COMPLETE)), st.integers(0, 9), SCRAPS | st.text(max_size=2)).map(
        lambda cut: COMPLETE[: cut[0]] + cut[2] + COMPLETE[cut[0] + cut[1] :]
    ),
)


def outcome(text: str) -> Job | BadJob:
    try:
        return parse(text)
    except BadJob as error:
        return error


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_a_job_or_a_list_of_mistakes_in_it(text: str) -> None:
    found = outcome(text)
    if isinstance(found, Job):
        assert load(json.loads(json.dumps(dump(found)))) == found
    else:
        assert found.mistakes
        assert all(1 <= m.line <= len(text.splitlines()) + 1 for m in found.mistakes)


@settings(deadline=None)
@given(TEXTS)
def test_parsed_values_can_be_written_to_a_file(text: str) -> None:
    found = outcome(text)
    assert (json.dumps(dump(found), ensure_ascii=False) if isinstance(found, Job) else str(found)).encode()


# Tables

TABLES = "name: a\nmodel: m\noutput: {path: out}\n"  # what a test adds is in line 4


def csv_of(written: str) -> CsvFormat | None:
    corpus = job(f"corpus: {{path: in, csv: {written}}}\n", TABLES).corpus
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
    corpus = job(f"corpus: {{path: in, {written}}}\n", TABLES).corpus
    assert isinstance(corpus, CorpusSource)
    return corpus


@pytest.mark.parametrize("kind", KINDS)
def test_a_corpus_may_say_its_format(kind: Kind) -> None:
    assert source_of(f"format: {kind}").format == kind


def test_lists_may_be_joined_by_any_text() -> None:
    assert [source_of(f"join: {written}").join for written in ('"\\n"', '""', '" - "')] == ["\n", "", " - "]


def test_a_wrong_format_names_the_nearest() -> None:
    assert "corpus.format" in said("corpus: {path: in, format: jsonlines}\n", TABLES)


def test_a_job_that_says_no_format_is_saved_as_before_there_was_one() -> None:
    saved = dump(job("corpus: {path: in}\n", TABLES))["corpus"]
    assert not {"format", "join", "csv"} & saved.keys()
    more = job('corpus: {path: in, format: arrow, join: ""}\n', TABLES)
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
    assert said(f"corpus: {{path: in, csv: {written}}}\n", TABLES).startswith(f"job.yaml:4: corpus.csv.{key}")


def test_the_format_of_tables_survives_the_plan() -> None:
    written = job('corpus: {path: in, csv: {delimiter: ";", header: [id, text]}}\n', TABLES)
    assert load(json.loads(json.dumps(dump(written)))) == written


def test_without_a_format_a_job_is_dumped_as_before_there_was_one() -> None:
    assert "csv" not in dump(job("corpus: in\n", TABLES))["corpus"]


def test_steering_is_read_and_saved_only_where_it_is_given() -> None:
    written = job(
        "steer: on-demand\ncorpus: in\nlimits: {when_short: stop, on_demand: 0, deadline: 6h}\n", TABLES
    )
    assert (written.steer, written.limits.when_short, written.limits.on_demand) == ("on-demand", "stop", 0)
    assert load(dump(written)) == written
    plain = job("corpus: in\n", TABLES)
    assert (plain.steer, plain.limits.when_short, plain.limits.on_demand) == (None, "late", None)
    assert "steer" not in dump(plain)
    assert not {"when_short", "on_demand"} & dump(plain)["limits"].keys()
    assert load(dump(plain)) == plain


def test_a_misspelt_policy_is_answered_with_the_nearest() -> None:
    assert "autopilot" in said("corpus: in\nsteer: autopliot\n", TABLES)
    assert "late, stop, deadline" in said("corpus: in\nlimits: {when_short: never}\n", TABLES)
    assert "limits.on_demand" in said("corpus: in\nlimits: {on_demand: -1}\n", TABLES)


@pytest.mark.parametrize(
    ("limits", "steer", "rented", "found"),
    [
        ("", "", True, "static"),
        ("deadline: 6h", "", True, "autopilot"),
        ("deadline: 2027-01-31", "", True, "autopilot"),
        ("budget: $5", "", True, "autopilot"),
        ("budget: $5", "static", True, "static"),
        ("", "autopilot", True, "autopilot"),
        ("deadline: 6h", "autopilot", False, "static"),
    ],
)
def test_a_fleet_is_steered_by_default_where_it_has_a_limit(
    limits: str, steer: str, rented: bool, found: str
) -> None:
    text = (
        "corpus: in\n"
        + (f"limits: {{{limits}}}\n" if limits else "")
        + (f"steer: {steer}\n" if steer else "")
    )
    assert steer_of(job(text, TABLES), rented=rented) == found
