"""Records of JSON that are ambiguous, or no Unicode, are set aside with the true cause."""

import pytest

from tasks.formats.json.json_lines import row_of_json
from tasks.formats.rows import BadRow, Columns, Document, ReadRow


def row(line: str, columns: Columns) -> ReadRow:
    return row_of_json(line, "a.jsonl", 0, columns)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"id": 1, "text": "one", "text": "two"}', "text"),
        ('{"id": 1, "id": 2, "text": "one"}', "id"),
        ('{"id": 1, "text": "one", "n": 1, "n": 2}', "n"),
        ('{"id": 1, "doc": {"text": "a", "text": "b"}, "text": "one"}', "doc.text"),
        ('{"id": 1, "doc": {"text": "a"}, "doc": {}, "text": "one"}', "doc.text"),
    ],
)
def test_two_values_of_a_key_that_is_read_are_no_row(line: str, name: str) -> None:
    found = row(line, Columns("text", "id", keep=("n", "doc.text")))
    assert isinstance(found, BadRow)
    assert found.reason == f"two values of {name!r} in one line: which is meant is not known"


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 1, "text": "one", "text": "one"}',
        '{"id": 1, "text": "one", "m": 1, "m": 2}',
        '{"id": 1, "text": "one", "other": {"text": 1, "text": 2}}',
        '{"id": 1, "kind": "text", "text": "one"}',
    ],
)
def test_a_key_that_says_one_thing_or_is_not_read_is_no_matter(line: str) -> None:
    found = row(line, Columns("text", "id"))
    assert isinstance(found, Document)
    assert found.text == "one"


@pytest.mark.parametrize(("place", "name"), [("text", "1"), ("id", None)])
def test_half_of_a_surrogate_pair_is_named_as_that(place: str, name: str | None) -> None:
    record = {"id": '"1"', "text": '"one"', place: '"a\\ud83d b"'}
    found = row(
        "{" + ", ".join(f'"{key}": {value}' for key, value in record.items()) + "}", Columns("text", "id")
    )
    assert isinstance(found, BadRow)
    assert (found.reason, found.id) == (f"half of a surrogate pair, \\ud83d, in the {place}", name)
