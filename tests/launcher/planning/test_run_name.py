"""The name of a run: plans of the same vectors have the same one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from launcher.planning.plan import name_run
from tests.support.planned_work import JOB, WORK


def named(job: Mapping[str, Any] | None = None, **work: Any) -> str:
    return name_run("reviews", replace(WORK, job={**JOB, **(job or {})}, **work))


def test_run_is_named_after_its_job() -> None:
    name, _, digest = named().rpartition("-")
    assert name == "reviews"
    assert len(digest) == 8


@pytest.mark.parametrize(
    "job",
    [
        {"limits": {"deadline_hours": 1.0, "budget": None}},
        {"local": {"workers": 8, "usd_per_hour": "1"}},
        {"quota": [{"cloud": "aws", "region": "us-east-1", "gpu": "L4", "spot": 64, "on_demand": None}]},
    ],
)
def test_limits_do_not_make_another_run(job: Mapping[str, Any]) -> None:
    assert named(job) == named()


@pytest.mark.parametrize(
    "job",
    [
        {"prompt": "query: "},
        {"chunk": {"tokens": 256, "overlap": 50, "truncate": None}},
        {"output": {"path": "vectors", "dtype": "float16", "dimensions": None}},
        {"output": {"path": "elsewhere", "dtype": "float32", "dimensions": None}},
        {"corpus": {"path": "reviews/*.jsonl", "text": "title", "id": "id"}},
        {"corpus": JOB["corpus"] | {"csv": {"delimiter": ";"}}},
    ],
)
def test_what_makes_other_vectors_makes_another_run(job: Mapping[str, Any]) -> None:
    assert named(job) != named()


def test_prompt_for_queries_makes_no_other_run() -> None:
    assert named({"query_prompt": "query: "}) == named()


@pytest.mark.parametrize(
    "work",
    [
        {"listing": "d2"},
        {"corpus": "/jobs/elsewhere"},
        {"model": "/models/minilm"},
        {"engine": "torch"},
        {"shard_tokens": 2**15},
    ],
)
def test_another_corpus_or_model_makes_another_run(work: dict[str, Any]) -> None:
    assert named(**work) != named()


def test_output_beside_another_job_file_makes_another_run() -> None:
    assert named(base="/elsewhere") != named()


@pytest.mark.parametrize("path", ["/vectors", "s3://bucket/vectors"])
def test_job_file_that_moved_is_the_same_run_where_its_output_did_not(path: str) -> None:
    job = {"output": {"path": path, "dtype": "float32", "dimensions": None}}
    assert named(job, base="/elsewhere") == named(job)
