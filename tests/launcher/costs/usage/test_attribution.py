import pytest

from launcher.costs.usage.attribution import PartSpan, attribute


def test_uncovered_time_is_waiting() -> None:
    assert attribute(0, 10, []) == [(0, 10, "waiting")]


def test_spans_are_clipped_to_the_life() -> None:
    assert attribute(0, 10, [(-5, 3, "useful"), (8, 90, "idle")]) == [
        (0, 3, "useful"),
        (3, 8, "waiting"),
        (8, 10, "idle"),
    ]


@pytest.mark.parametrize(
    ("span", "part"),
    [((0, 10, "lost"), "lost"), ((0, 10, "idle"), "cold_start"), ((0, 10, "useful"), "useful")],
)
def test_overlap_belongs_to_the_part_of_higher_priority(span: PartSpan, part: str) -> None:
    assert attribute(0, 10, [span, (0, 10, "cold_start")]) == [(0, 10, part)]
