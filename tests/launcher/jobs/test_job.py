"""A Job inside a plan: what `dump` writes, `load` reads, and what is missing or mistyped is a problem."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.errors import Problem
from launcher.jobs.job import (
    CorpusSource,
    DeclaredCorpus,
    Job,
    JobChunking,
    JobLimits,
    JobOutput,
    JobSink,
    LocalMachine,
    QuotaLimit,
    VcpuQuota,
    dump,
    load,
)
from launcher.jobs.keys import DTYPES, ENGINES, INDEX_KINDS, LOAD_WHEN, SPOTS
from launcher.sinks.index import IndexSpec

JOB = Job(name="a", corpus=CorpusSource("in"), model="m", output=JobOutput("out"))

WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
COUNTS = st.integers(1, 10**15)
MONEY = st.decimals(0, 10**9, places=2)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.from_regex(r"[a-z0-9][a-z0-9-]{0,47}", fullmatch=True),
    "corpus": st.one_of(
        st.builds(CorpusSource, WORDS, WORDS, st.none() | WORDS),
        st.builds(
            DeclaredCorpus,
            COUNTS,
            st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e15)), min_size=1).map(tuple),
        ),
    ),
    "model": WORDS,
    "shape": st.none() | st.dictionaries(WORDS, st.integers() | st.booleans() | WORDS, min_size=1),
    "chunk": st.builds(JobChunking, st.none() | COUNTS, COUNTS, st.none() | COUNTS),
    "output": st.none() | st.builds(JobOutput, WORDS, st.sampled_from(DTYPES), st.none() | COUNTS),
    "limits": st.builds(
        JobLimits,
        st.none() | st.floats(0, 1e6),
        st.none() | MONEY,
        *[st.lists(WORDS, max_size=3).map(tuple)] * 3,
        st.sampled_from(SPOTS),
        st.none() | COUNTS,
    ),
    "quota": st.lists(
        st.builds(QuotaLimit, WORDS, WORDS, WORDS, st.none() | COUNTS, st.none() | COUNTS), max_size=3
    ).map(tuple),
    "vcpu_quota": st.lists(
        st.builds(VcpuQuota, WORDS, WORDS, WORDS, st.none() | COUNTS, st.none() | COUNTS), max_size=3
    ).map(tuple),
    "local": st.builds(LocalMachine, st.none() | COUNTS, st.none() | MONEY),
    "engine": st.sampled_from(ENGINES),
    "prompt": st.none() | st.text(),
    "query_prompt": st.none() | st.text(),
    "sink": st.none()
    | st.builds(
        JobSink,
        st.text(),
        st.none() | WORDS,
        st.builds(IndexSpec, st.sampled_from(INDEX_KINDS), COUNTS, COUNTS),
        st.none() | st.lists(WORDS).map(tuple),
        st.sampled_from(LOAD_WHEN),
    ),
}


@settings(deadline=None)  # the machine may be busy
@given(st.builds(Job, **FIELDS))
def test_plan_carries_its_job_unchanged(carried: Job) -> None:
    plain = dump(carried)
    through = json.loads(json.dumps(plain))
    assert through == plain
    assert load(through) == carried


def test_job_of_an_older_plan_has_defaults_for_newer_fields() -> None:
    plain = dump(JOB)
    del plain["notify"], plain["remote_code"], plain["output"]["keep"]
    assert load(plain) == JOB


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 7),
        ("corpus", None),
        ("corpus", {"documents": "many"}),
        ("limits", {"budget": "much"}),
        ("engine", "steam"),
        ("quota", {}),
        ("remote_code", "yes"),
    ],
)
def test_mistyped_field_of_a_dumped_job_is_a_problem(field: str, value: Any) -> None:
    with pytest.raises(Problem, match="the job in the plan cannot be read"):
        load(dump(JOB) | {field: value})


@pytest.mark.parametrize("field", ["name", "corpus", "model"])
def test_missing_field_of_a_dumped_job_is_a_problem(field: str) -> None:
    plain = dump(JOB)
    del plain[field]
    with pytest.raises(Problem, match=f"the job in the plan cannot be read.*{field}"):
        load(plain)


def test_dumped_job_writes_money_as_text() -> None:
    costly = replace(JOB, limits=JobLimits(budget=Decimal("1200.50")), local=LocalMachine(None, Decimal(0)))
    assert dump(costly)["limits"]["budget"] == "1200.50"
    assert dump(costly)["local"]["usd_per_hour"] == "0"
