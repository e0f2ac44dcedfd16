"""A name finds its value: as a key, inside objects by dots, or in the folders of the path."""

from typing import Any

import pytest

from tasks.formats.fields import field_of, has_field, names_inside, partition_values

NESTED = {"doc": {"text": "inner", "a.b": {"c": 1}, "none": None}, "doc.key": {"x": 2}, "plain": 3}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain", 3),
        ("doc.text", "inner"),
        ("doc.a.b.c", 1),
        ("doc.key.x", 2),
        ("doc.none", None),
        ("doc.gone", None),
        ("gone.text", None),
        ("plain.text", None),
        (".", None),
    ],
)
def test_dots_lead_into_objects(name: str, value: Any) -> None:
    assert field_of(NESTED, name, "a.jsonl") == value


def test_a_key_with_dots_goes_before_one_inside() -> None:
    assert field_of({"a.b": 1, "a": {"b": 2}}, "a.b", "f") == 1
    assert field_of({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c", "f") == 1


def test_a_null_is_there_and_a_missing_key_is_not() -> None:
    assert has_field(NESTED, "doc.none", "f")
    assert not has_field(NESTED, "doc.gone", "f")


def test_folders_of_a_path_are_columns() -> None:
    file = "y=2024/_lang=e%20n/day=__HIVE_DEFAULT_PARTITION__/=x/no/a=b.parquet"
    assert partition_values(file) == {"y": "2024", "_lang": "e n", "day": None}
    assert field_of({}, "y", file) == "2024"
    assert field_of({"y": 1}, "y", file) == 1


def test_shown_names_can_be_written_in_a_job() -> None:
    assert names_inside(NESTED, 4) == ["doc.text", "doc.a.b", "doc.none", "doc.key.x"]
    assert names_inside({"a": {}, "b": 1}, 9) == ["a", "b"]
