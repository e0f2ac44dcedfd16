"""The planned figures of a report: those of the plan, and a sentence for each that is missing."""

from datetime import date
from decimal import Decimal

import pytest

from launcher.planning.saved.plan_reader import FIGURES, missing_figures, planned_figures
from tests.support import sample_plan


def test_figures_are_those_of_the_plan() -> None:
    figures = planned_figures(sample_plan.saved())
    assert (figures.documents, figures.tokens) == (29_500_000, 3_009_000_000)
    assert figures.usd.p50 == Decimal("80.25")
    assert (figures.hours.p10, figures.hours.p90) == (2.1, 5.2)
    assert figures.tokens_per_second == pytest.approx(3_009_000_000 / 3 / 3_600)
    assert figures.prices_as_of == date(2026, 2, 1)
    assert figures.digest == sample_plan.plan()["digest"]
    assert missing_figures(figures) == []


def test_unknown_dollars_are_missing() -> None:
    assert missing_figures(planned_figures(sample_plan.saved_local())) == [
        "planned dollars: the plan does not say",
        "planned dollars per million tokens: the plan does not say",
    ]


def test_without_a_plan_every_figure_is_missing() -> None:
    assert len(missing_figures(planned_figures(None))) == len(FIGURES)


def test_plan_without_tokens_has_no_rate() -> None:
    profile = sample_plan.plan()["profile"] | {"tokens": 0}
    assert planned_figures(sample_plan.saved(profile=profile)).tokens_per_second is None


def test_figures_of_a_steered_plan_are_those_of_the_steered_run() -> None:
    found = planned_figures(sample_plan.saved_steered())
    assert (found.usd.p10, found.usd.p50, found.usd.p90) == (Decimal(180), Decimal(212), Decimal(268))
    assert (found.hours.p10, found.hours.p50, found.hours.p90) == (3.2, 4.1, 5.8)
    tokens = sample_plan.saved_steered().profile.tokens
    assert found.usd_per_million_tokens == round(Decimal(212) / tokens * 1_000_000, 8)
    assert found.tokens_per_second == pytest.approx(tokens / 4.1 / 3600)
