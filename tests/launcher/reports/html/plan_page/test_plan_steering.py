from html import unescape

from launcher.reports.html.plan_page.plan_steering import steering_section
from launcher.reports.plans.steering_lines import steering_lines
from tests.support import sample_plan
from tests.support.html_reader import Reader


def test_a_plan_that_is_not_steered_has_no_section() -> None:
    assert steering_section(sample_plan.saved()) is None


def test_it_has_the_words_of_the_terminal() -> None:
    plan = sample_plan.saved_steered()
    html = unescape(str(steering_section(plan)))
    lines = steering_lines(plan)
    words = ["expected", "cost", "deadline", "steering", "late", "may rent", "static"]
    assert [word for word, _ in lines] == words
    for word, text in lines:
        assert word in html
        assert text in html


def test_it_names_what_is_assumed_and_every_kind_that_may_be_rented() -> None:
    plan = sample_plan.saved_steered()
    assert plan.steering is not None
    found = Reader(str(steering_section(plan)))
    assert found.open == []
    html = unescape(str(steering_section(plan)))
    late, *others = plan.steering.assumes
    assert html.count(late) == 1  # in the line on being late, and not again
    assert others
    for text in others:
        assert f"<li>{text}</li>" in html
    assert html.count("g6.xlarge") == 2  # spot and on demand
    assert "gcp us-central1" in html
    assert "$0.0497" in html
