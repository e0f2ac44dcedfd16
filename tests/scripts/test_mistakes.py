"""The table of docs/mistakes.md: what it says that embedfleet says is what it says now."""

import pytest

from scripts.mistakes import BEGIN, END, MISTAKES, PAGE, page


@pytest.mark.slow  # some mistakes are made with finished runs
def test_the_page_says_what_is_said_now() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run python -m scripts.mistakes and look at what changed"


def test_every_mistake_is_answered_on_the_page() -> None:
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = table.strip().splitlines()[2:]
    assert len(rows) == len(MISTAKES) >= 18
    assert [row for row in rows if row.endswith("|  |")] == []
    assert "Traceback" not in table
