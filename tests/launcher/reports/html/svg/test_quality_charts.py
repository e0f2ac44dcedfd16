from xml.etree import ElementTree as ET

from launcher.reports.html.svg.charts import NARROW, WIDE
from launcher.reports.html.svg.quality_charts import Dot, length_chart, map_chart

MIX = ((0.5, 20.0), (0.3, 200.0), (0.2, 900.0))


def bars(svg: str, kind: str) -> list[str]:
    """The titles of the bars of a class."""
    found = [r for r in ET.fromstring(svg).iter("rect") if r.get("class") == kind]
    return [r.findtext("title") or "" for r in found if float(r.get("height", "0"))]


def test_bars_beyond_the_cut_are_lost() -> None:
    svg = length_chart(MIX, "documents", 256, lost=True)
    assert bars(svg, "lost") == ["20.0 % of documents: 513 to 1,024 tokens"]
    assert len(bars(svg, "useful")) == 2
    assert "cut at 256 tokens" in svg


def test_bars_beyond_the_limit_of_chunks_are_not_lost() -> None:
    assert bars(length_chart(MIX, "documents", 256, lost=False), "lost") == []


def test_without_a_cut_nothing_is_marked() -> None:
    svg = length_chart(MIX, "chunks", None, lost=True)
    assert "cut at" not in svg
    assert bars(svg, "lost") == []


def test_cut_beyond_all_texts_is_shown_where_it_is_near() -> None:
    assert "cut at 1,200 tokens" in length_chart(MIX, "documents", 1_200, lost=True)
    assert "cut at" not in length_chart(MIX, "documents", 8_192, lost=True)


def test_everything_is_inside_the_drawing() -> None:
    for width in (WIDE, NARROW):
        svg = ET.fromstring(length_chart(MIX, "documents", 512, lost=True, width=width))
        assert all(0 <= float(r.get("x", "")) + float(r.get("width", "")) <= width for r in svg.iter("rect"))


def test_dots_have_titles_where_a_pointer_hovers() -> None:
    dots = [Dot(-1, 1, "a <b>"), Dot(1, -1, "c")]
    wide = ET.fromstring(map_chart(dots, WIDE))
    assert [dot.findtext("title") for dot in wide.iter("circle")] == ["a <b>", "c"]
    assert not list(ET.fromstring(map_chart(dots, NARROW)).iter("title"))
