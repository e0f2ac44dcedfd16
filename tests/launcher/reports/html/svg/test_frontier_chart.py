from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.reports.html.svg.charts import NARROW, WIDE
from launcher.reports.html.svg.frontier_chart import (
    HEIGHT,
    ChartAxis,
    FleetPoint,
    axis_for,
    draw_frontier,
    ticks,
)


def point(seconds: float, usd: float, **changes: Any) -> FleetPoint:
    spread = (seconds * 0.8, seconds, seconds * 1.3), (usd * 0.8, usd, usd * 1.3)
    return FleetPoint(*spread, mark="1", title=f"${usd} in {seconds} s", **changes)


def drawn(*points: FleetPoint, width: float = WIDE, **limits: float) -> ET.Element:
    return ET.fromstring(draw_frontier(points, width, **limits))


def texts(svg: ET.Element) -> list[str]:
    return [e.text or "" for e in svg.iter("text")]


def test_drawing_is_described_in_words() -> None:
    svg = drawn(point(600, 90), point(6_000, 30, chosen=True), deadline=7_200.0)
    assert svg.get("role") == "img"
    found = {e.get("id"): e.text or "" for e in svg if e.tag in ("title", "desc")}
    assert found[svg.get("aria-labelledby")] == "Hours against dollars of 2 fleets"
    text = found[svg.get("aria-describedby")]
    assert "Chosen: $30 in 6000 s." in text
    assert "Deadline 2 h." in text


def test_axis_is_logarithmic_if_its_figures_are_far_apart() -> None:
    assert axis_for([1, 11], None, 0, 100).logarithmic
    assert not axis_for([1, 9], None, 0, 100).logarithmic


def test_limit_is_a_line_if_it_fits() -> None:
    svg = drawn(point(600, 90), point(6_000, 30), deadline=7_200.0, budget=100.0)
    assert len([e for e in svg.iter("line") if e.get("class") == "plan"]) == 2
    assert {"deadline 2 h", "budget $100.00"} < set(texts(svg))


def test_limit_far_away_is_a_label() -> None:
    svg = drawn(point(600, 90), point(6_000, 30), deadline=30 * 86_400.0, budget=10_000.0)
    assert not [e for e in svg.iter("line") if e.get("class") == "plan"]
    assert {"deadline 30 d: right of this", "budget $10,000.00: above this"} < set(texts(svg))


positive = st.floats(0.001, 1e7)


@given(
    st.lists(st.tuples(positive, positive), min_size=1, max_size=20),
    st.none() | positive,
    st.none() | positive,
)
def test_everything_stays_inside_the_drawing(
    places: list[tuple[float, float]], deadline: float | None, budget: float | None
) -> None:
    for width in (WIDE, NARROW):
        svg = ET.fromstring(draw_frontier([point(s, usd) for s, usd in places], width, deadline, budget))
        for circle in svg.iter("circle"):
            assert 0 <= float(circle.get("cx", "")) <= width
            assert 0 <= float(circle.get("cy", "")) <= HEIGHT


@given(st.lists(positive, min_size=2, max_size=5), st.sampled_from([NARROW, WIDE]))
def test_labels_of_an_axis_keep_their_distance(values: list[float], width: float) -> None:
    along = axis_for(values, None, 0, width)
    steps = [10.0**n * unit for n in range(-5, 9) for unit in (1, 2, 5)]
    places = [along.at(tick) for tick in ticks(along, steps, 50)]
    assert all(b - a >= 50 - 1e-6 for a, b in pairwise(places))


def test_figure_is_drawn_at_its_share_of_the_axis() -> None:
    assert ChartAxis(0, 10, 0, 100, logarithmic=False).at(2.5) == 25
    assert ChartAxis(1, 100, 0, 100, logarithmic=True).at(10) == pytest.approx(50)
