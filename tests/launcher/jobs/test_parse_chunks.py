"""How a job file has texts cut: chunks, their overlap and their ends, or truncation."""

import pytest

from launcher.jobs.job import JobChunking
from tasks.models.tokenizing.chunk_by import ChunkBy
from tests.launcher.jobs.job_texts import job, only_mistake


@pytest.mark.parametrize("written", ["truncate: 512", "chunk: {truncate: 512}"])
def test_truncation_may_stand_at_the_top_or_in_chunk(written: str) -> None:
    assert job(written).chunk == JobChunking(None, 0, 512)


@pytest.mark.parametrize("by", ["tokens", "sentences", "markdown"])
def test_chunks_end_where_the_job_says(by: ChunkBy) -> None:
    assert job(f"chunk: {{tokens: 512, by: {by}}}").chunk == JobChunking(512, 0, None, by)


def test_where_chunks_end_says_nothing_without_their_length() -> None:
    assert only_mistake("chunk: {by: markdown}").startswith(
        "job.yaml:5: chunk.by: says nothing without chunk.tokens"
    )


def test_chunks_overlap_only_when_asked() -> None:
    assert job("chunk: {tokens: 512}").chunk == JobChunking(512, 0, None)


def test_chunk_and_truncate_exclude_each_other() -> None:
    assert only_mistake("chunk: {tokens: 5}\ntruncate: 5") == (
        "job.yaml:6: truncate: chunk is given too, in line 5; keep one"
    )


def test_tokens_and_truncate_exclude_each_other() -> None:
    assert (
        only_mistake("chunk: {tokens: 5, truncate: 5}")
        == "job.yaml:5: chunk: tokens and truncate together; keep one"
    )


@pytest.mark.parametrize("overlap", [5, 6])
def test_overlap_must_be_less_than_a_chunk(overlap: int) -> None:
    assert only_mistake(f"chunk: {{tokens: 5, overlap: {overlap}}}") == (
        f"job.yaml:5: chunk.overlap: must be less than tokens, 5; this is {overlap}"
    )


def test_overlap_without_tokens_says_nothing() -> None:
    assert only_mistake("chunk: {overlap: 5}").startswith(
        "job.yaml:5: chunk.overlap: says nothing without chunk.tokens"
    )
