"""The warning about truncation: from which share on, the line to paste, and what it would cost."""

from decimal import Decimal

import pytest

from launcher.documents.truncation import Truncation, truncation_of, truncation_text
from launcher.jobs.job import JobChunking
from launcher.jobs.parse import parse


@pytest.mark.parametrize(("cut", "warns"), [(0, False), (50, False), (53, True), (5_000, True)])
def test_more_than_a_twentieth_of_the_tokens_is_a_warning(cut: int, warns: bool) -> None:
    assert (truncation_of(1_000, cut, 256) is not None) == warns


def test_nothing_embedded_is_no_warning() -> None:
    assert truncation_of(0, 0, 256) is None


def test_the_price_is_that_of_the_tokens_with_the_special_ones_of_each_chunk() -> None:
    found = truncation_of(1_000, 4_000, 102, usd=Decimal("0.10"), hours=2.0)
    assert found is not None
    assert found == Truncation(0.8, "chunk: {tokens: 102, by: sentences}", 5_094, Decimal("0.5094"), 10.1889)
    assert truncation_text(found) == (
        "truncation leaves out 80 % of the tokens; to embed all, put in the job file "
        "chunk: {tokens: 102, by: sentences} (about 5.1k tokens, $0.5094, 10 h 11 min)"
    )


def test_unknown_dollars_are_a_question_mark() -> None:
    found = truncation_of(1_000, 4_000, None)
    assert found is not None
    assert truncation_text(found).endswith("tokens, $?)")


@pytest.mark.parametrize(("longest", "tokens"), [(256, 256), (512, 512), (8_192, 512), (None, 512)])
def test_the_line_can_be_pasted_into_a_job(longest: int | None, tokens: int) -> None:
    found = truncation_of(1_000, 4_000, longest)
    assert found is not None
    job = parse(f"name: a\ncorpus: in\nmodel: m\noutput: out\n{found.chunk}\n")
    assert job.chunk == JobChunking(tokens, by="sentences")
