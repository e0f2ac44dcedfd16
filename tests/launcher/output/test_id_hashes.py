"""Sequences of ids are compared by hashes as Python would compare them by value."""

from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.format import plural
from launcher.output import id_hashes
from launcher.output.hashed_names import contains, id_hash, sorted_hashes
from launcher.output.id_hashes import count_duplicates, difference, sort_in_place

IDS = st.lists(st.sampled_from("abcdef"), max_size=12)


@given(IDS, IDS)
def test_difference_counts_missing_and_extra_ids(expected: list[str], found: list[str]) -> None:
    text = difference(iter(expected), iter(found))
    missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    if expected == found:
        assert text is None
    elif missing or extra:
        counts = (
            f"{plural(missing.total(), 'document')} of the input missing, {extra.total()} not in the input"
        )
        assert text == counts
    else:
        assert text is not None
        assert text.startswith("its documents are not in the order of the input, from ")


def test_difference_of_more_ids_than_one_step_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_hashes, "HASHES_AT_ONCE", 7)
    expected = [f"row-{n}" for n in range(100)]
    text = difference(iter(expected), iter([*expected[50:], "other"]))
    assert text == "50 documents of the input missing, 1 not in the input"


@given(st.lists(st.integers(0, 20), max_size=30))
def test_duplicates_are_counted_beyond_the_first(numbers: list[int]) -> None:
    assert count_duplicates(array("Q", numbers)) == len(numbers) - len(set(numbers))


@given(st.lists(st.integers(0, 20), max_size=30), st.integers(0, 20))
def test_contains_finds_a_hash_in_a_sorted_array(numbers: list[int], wanted: int) -> None:
    hashes = array("Q", numbers)
    sort_in_place(hashes)
    assert contains(hashes, wanted) == (wanted in numbers)


def test_hash_depends_on_name_and_number_and_takes_any_text() -> None:
    assert len({id_hash(name, number) for name in ("a", "b", "\udce9") for number in (0, 1)}) == 6


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(0, 2**64 - 1))
def test_sorted_hashes_contain_what_was_put_in(hashes: list[int], other: int) -> None:
    ordered = sorted_hashes(iter(hashes))
    assert list(ordered) == sorted(hashes)
    assert all(contains(ordered, one) for one in hashes)
    assert contains(ordered, other) == (other in hashes)
