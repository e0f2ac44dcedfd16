"""A few mutated inputs for each border: none ends in an error that is not a refusal. `make fuzz` tries many more."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.border import Border, Place
from tests.fuzz.borders import borders
from tests.fuzz.mutations import Edit, mutated

EXAMPLES = 15
NAMES = [border.name for border in borders(Place())]
numbers = st.integers(0, 2**32)
edits = st.lists(st.tuples(numbers, numbers, numbers), max_size=4)


@pytest.fixture(scope="module")
def known() -> Iterator[dict[str, Border]]:
    """All borders by name."""
    place = Place()
    yield {border.name: border for border in borders(place)}
    place.close()


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(start=numbers, changes=edits)
def test_what_is_damaged_is_refused(
    known: dict[str, Border], name: str, start: int, changes: list[Edit]
) -> None:
    border = known[name]
    with contextlib.suppress(*border.refusals):
        border.read(mutated(border.seeds, start, changes))


@pytest.mark.parametrize("name", NAMES)
def test_real_bytes_are_read(known: dict[str, Border], name: str) -> None:
    """The first seed of a border is no damage, so that fuzzing begins behind the first check."""
    border = known[name]
    if name != "report.json":  # a real one is large
        border.read(border.seeds[0])
