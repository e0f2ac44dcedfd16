"""Which column is the text, and which the id."""

from collections.abc import Callable
from typing import Any

import pytest

from launcher.proposal.columns import guess_columns

PROSE = "a long review of a book that I have read, with many words about it"


NUMBER: Callable[[int], Any] = int


def number(form: str) -> Callable[[int], Any]:
    """A value that is another in each record."""
    return form.format


def document(n: int) -> dict[str, Any]:
    return {"body": PROSE, "id": n}


def records(**columns: Any) -> list[dict[str, Any]]:
    """Ten records; a value that is a function gets the number of the record."""
    return [{k: v(n) if callable(v) else v for k, v in columns.items()} for n in range(10)]


CASES: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"review_id": number("r{}"), "title": "Great", "body": PROSE, "stars": 5}, "body", "review_id"),
    ({"id": NUMBER, "text": "short text", "notes": PROSE * 3}, "text", "id"),
    ({"url": number("http://a/{}"), "inhalt": PROSE}, "inhalt", "url"),
    ({"text": PROSE, "id": "same"}, "text", None),  # not unique
    ({"text": PROSE, "created_at": number("2026-01-0{}")}, "text", None),  # a date is no id
    ({"doc": document}, "doc.body", "doc.id"),
    ({"code": number("X{}"), "n": 3}, None, None),
    ({"内容": "这是一个关于城市的文本", "docId": NUMBER}, "内容", "docId"),
]


@pytest.mark.parametrize(("columns", "text", "id"), CASES)
def test_guess(columns: dict[str, Any], text: str | None, id: str | None) -> None:  # noqa: A002
    found = guess_columns(records(**columns))
    assert (found.text, found.id) == (text, id)


def test_other_likely_texts_are_named() -> None:
    found = guess_columns(records(first=PROSE, second=PROSE + "."))
    assert {found.text, *found.others} == {"first", "second"}


def test_nothing_is_guessed_of_nothing() -> None:
    assert guess_columns([]).text is None
