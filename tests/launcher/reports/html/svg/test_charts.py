import re
from xml.etree import ElementTree as ET

import pytest

from launcher.reports.html.svg.charts import Lane, Stretch, line_chart, parts_bar, timeline
from launcher.reports.html.svg.cost_charts import stacked_chart


def rects(svg: str, kind: str) -> list[tuple[float, float]]:
    """Start and width of the rectangles of a class."""
    found = [r for r in ET.fromstring(svg).iter("rect") if r.get("class") == kind]
    return [(float(r.get("x", "")), float(r.get("width", ""))) for r in found]


def test_bar_in_parts_fills_its_width() -> None:
    svg = parts_bar("time", [("useful", 75, ""), ("lost", 0, ""), ("idle", 25, "")])
    assert rects(svg, "useful") == [(0, 748)]
    assert rects(svg, "idle") == [(750, 248)]
    assert rects(svg, "lost") == []


def test_stretch_stays_inside_the_chart_whatever_the_clock_showed() -> None:
    svg = timeline([Lane("w", [Stretch("useful", -500, 9_000, "")])], 100)
    ((start, width),) = rects(svg, "useful")
    assert start >= 190
    assert start + width <= 1_000


def test_stretches_that_cannot_be_told_apart_are_drawn_as_one() -> None:
    crowd = [Stretch("useful", i, i + 1, "") for i in range(10_000)]
    assert len(rects(timeline([Lane("w", crowd)], 10_000), "useful")) == 1


def test_long_name_of_a_machine_keeps_its_end() -> None:
    svg = timeline([Lane("embedfleet-run-of-october-l4-spot-0012", [])], 100)
    assert re.search(r">embedflee…[\w-]+-spot-0012<", svg)


def test_line_of_zeros_is_on_the_axis() -> None:
    line = next(ET.fromstring(line_chart([(0, 0.0), (5, 0.0)], 10, None)).iter("polyline"))
    assert {point.split(",")[1] for point in (line.get("points") or "").split()} == {"224.0"}


def test_plan_is_drawn_even_above_all_that_was_reached() -> None:
    svg = line_chart([(0, 10.0)], 10, 1_000.0)
    heights = [float(e.get("y1", "")) for e in ET.fromstring(svg).iter("line") if e.get("class") == "plan"]
    assert heights == [24]


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0.0, ["0", "1"]),
        (1.0, ["0", "1"]),
        (2.0, ["0", "1", "2"]),
        (2.4, ["0", "1", "2", "3"]),
        (5.0, ["0", "2", "4", "6", "8"]),
        (16.0, ["0", "4", "8", "12", "16"]),
        (41.0, ["0", "15", "30", "45", "60"]),
        (4_100.0, ["0", "1.5k", "3k", "4.5k", "6k"]),
    ],
)
def test_machines_are_counted_in_whole_ones(most: float, ticks: list[str]) -> None:
    drawn = ET.fromstring(stacked_chart(["spot"], [[most], [0.0]], 600)).iter("text")
    assert [text.text for text in drawn if text.get("x") == "44"] == ticks
