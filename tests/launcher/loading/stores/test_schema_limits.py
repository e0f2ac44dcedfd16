"""What a store refuses of a run before anything is written."""

import pytest

from launcher.errors import Problem
from launcher.loading.stores.common.schema_limits import begins_with_dollar, check_filtered, check_schema
from launcher.loading.vector_store import Schema


def schema(*kept: str, dimensions: int = 8) -> Schema:
    return Schema(dimensions=dimensions, element="float32", kept=kept, rows=1)


def test_dimensions_up_to_the_limit_are_taken() -> None:
    check_schema(schema("title", dimensions=16), "Store", 16, ("id",))
    with pytest.raises(Problem, match="Store has 16 dimensions at most, and these vectors 17"):
        check_schema(schema("title", dimensions=17), "Store", 16, ("id",))


def test_kept_column_with_the_name_of_an_own_field_is_refused() -> None:
    with pytest.raises(Problem, match="the kept column 'id' has the name of a field that every row has"):
        check_schema(schema("title", "id"), "Store", 16, ("id",))


def test_kept_column_with_a_reserved_name_is_refused_only_where_it_is_reserved() -> None:
    check_schema(schema("$in"), "Store", 16, ("id",))
    with pytest.raises(Problem, match=r"the kept column '\$in' has a name that Store reserves"):
        check_schema(schema("$in"), "Store", 16, ("id",), begins_with_dollar)


def test_filter_by_a_column_that_is_not_kept_is_refused() -> None:
    check_filtered(schema("title", "lang"), ["lang"])
    with pytest.raises(Problem, match="filters by 'lang', which is no kept column") as caught:
        check_filtered(schema("title"), ["lang"])
    assert caught.value.hint == "kept columns are title"
