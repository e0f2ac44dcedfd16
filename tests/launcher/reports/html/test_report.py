import json
import os
import re
from html.parser import HTMLParser
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest

from launcher.reports.html.charts import Bar, Row, curve, parts, timeline
from launcher.reports.html.elements import Markup, join, tag
from launcher.reports.html.report import EVENTS, FAILURES, MACHINES, render
from tests.support.paths import GOLDEN

EVIL = "<script>alert('x')</script>"


def report() -> dict[str, Any]:
    """The report that test_report keeps."""
    return json.loads((GOLDEN / "report.json").read_text())


class Reader(HTMLParser):
    """What a browser would find: the tags, the attributes, the text, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_the_golden_page() -> None:
    html = render(report())
    golden = GOLDEN / "report.html"
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        golden.write_text(html)
    assert html == golden.read_text()


def test_every_tag_is_closed() -> None:
    assert Reader(render(report())).open == []


def test_the_page_has_no_script() -> None:
    page = Reader(render(report()))
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_the_page_loads_nothing() -> None:
    html = render(report())
    assert {"link", "img", "iframe", "object", "image", "use"}.isdisjoint(Reader(html).tags)
    assert not re.search(r"https?:|@import|url\((?!#)", html)


def test_the_page_forbids_itself_scripts_and_network() -> None:
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in Reader(render(report())).attributes


NAMES = (
    "run",
    "name",
    "state",
    "place",
    "gpu",
    "id",
    "shard",
    "worker",
    "file",
    "document",
    "kind",
    "digest",
)
TEXTS = ("reason", "text", "prices_as_of")


def replaced(value: Any, text: str) -> Any:
    """The report with every free text exchanged."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: text if key in NAMES + TEXTS else replaced(v, text) for key, v in fields.items()}
    if isinstance(value, list):
        return [text if isinstance(v, str) else replaced(v, text) for v in cast("list[Any]", value)]
    return value


@pytest.mark.parametrize(
    "text", [EVIL, '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "</style><svg onload=x>"]
)
def test_a_hostile_name_anywhere_is_only_text(text: str) -> None:
    page = Reader(render(replaced(report(), text)))
    assert {"script", "img"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert text in page.text


def test_a_name_that_no_encoding_takes_can_still_be_written() -> None:
    assert render(report() | {"name": "caf\udce9 \x00\x1b[31m"}).encode()


def test_an_unknown_total_is_a_question_mark_and_never_zero() -> None:
    sample = report()
    for part in ("total", "useful", "lost", "cold_start", "waiting", "idle", "teardown"):
        sample["spend"] |= {part: None}
        sample["spend"]["known"] |= {part: "0"}
    sample["actual"] |= {"usd": None, "usd_per_million_tokens": None}
    html = render(sample)
    assert "<dt>Dollars</dt><dd>?</dd>" in html
    assert "what it cost is not known" in html
    assert "$0.00" not in html


def test_a_run_that_has_just_begun_has_a_page() -> None:
    sample = report()
    sample["spend"]["seconds"] = dict.fromkeys(sample["spend"]["seconds"], 0)
    sample["actual"] |= {"hours": 0, "tokens_per_second": None}
    for empty in ("machines", "shards", "series", "lost", "failures", "events", "unknown"):
        sample[empty] = []
    sample["work"] |= {"failed_rows": 0, "shards_done": 0}
    sample["stages"] = {}
    assert Reader(render(sample)).open == []


def test_of_many_failures_the_first_are_shown_and_all_are_counted() -> None:
    sample = report()
    sample["failures"] = [sample["failures"][0] | {"document": f"doc-{i:04d}"} for i in range(500)]
    sample["work"]["failed_rows"] = 1_234
    html = render(sample)
    assert f"The first {FAILURES} of 1,234 rows." in html
    assert f"doc-{FAILURES - 1:04d}" in html
    assert f"doc-{FAILURES:04d}" not in html


def test_a_reason_that_quotes_a_whole_row_is_cut() -> None:
    sample = report()
    sample["failures"][0]["reason"] = "x" * 100_000
    assert "x" * 301 not in render(sample)


def test_of_many_machines_the_first_are_shown_and_all_are_counted() -> None:
    sample = report()
    sample["machines"] = [sample["machines"][0] | {"name": f"m-{i:03d}"} for i in range(MACHINES + 10)]
    html = render(sample)
    assert html.count(f"The first {MACHINES} of {MACHINES + 10} machines.") == 2
    assert f"m-{MACHINES:03d}" not in html


def test_of_many_events_the_first_are_shown_and_all_are_counted() -> None:
    sample = report()
    sample["events"] *= 100
    assert f"The first {EVENTS} of 400 events." in render(sample)


def test_one_price_for_all_machines_needs_no_second_bar() -> None:
    sample = report()
    for machine in sample["machines"]:
        machine["usd_per_hour"] = "0.71"
    assert Reader(render(sample)).attributes.count(("class", "bar")) == 1


def test_lost_work_and_cold_start_are_drawn_in_the_timeline() -> None:
    html = render(report())
    assert html.count("<title>lost work: shard") == 3
    assert html.count("<title>cold start, ") == 2
    assert len(re.findall(r"<title>shard \d+, ", html)) == 30


def test_text_is_escaped_unless_it_is_markup() -> None:
    assert tag("b", "<i>", Markup("<i>")) == "<b>&lt;i&gt;<i></b>"


def test_an_attribute_cannot_be_broken_out_of() -> None:
    assert tag("b", title='"><i>') == '<b title="&quot;&gt;&lt;i&gt;"></b>'


def test_joining_keeps_markup_and_escapes_text() -> None:
    assert join(Markup("<b>"), "&") == "<b>&amp;"


def rects(svg: str, kind: str) -> list[tuple[float, float]]:
    """Start and width of the rectangles of a class."""
    found = [r for r in ET.fromstring(svg).iter("rect") if r.get("class") == kind]
    return [(float(r.get("x", "")), float(r.get("width", ""))) for r in found]


def test_a_bar_in_parts_fills_its_width() -> None:
    svg = parts("time", [("useful", 75, ""), ("lost", 0, ""), ("idle", 25, "")])
    assert rects(svg, "useful") == [(0, 748)]
    assert rects(svg, "idle") == [(750, 248)]
    assert rects(svg, "lost") == []


def test_a_bar_stays_inside_the_chart_whatever_the_clock_said() -> None:
    svg = timeline([Row("w", [Bar("useful", -500, 9_000, "")])], 100)
    ((start, width),) = rects(svg, "useful")
    assert start >= 190
    assert start + width <= 1_000


def test_bars_that_cannot_be_told_apart_are_drawn_as_one() -> None:
    crowd = [Bar("useful", i, i + 1, "") for i in range(10_000)]
    assert len(rects(timeline([Row("w", crowd)], 10_000), "useful")) == 1


def test_machines_with_long_names_keep_the_end_that_tells_them_apart() -> None:
    svg = timeline([Row("embedfleet-run-of-october-l4-spot-0012", [])], 100)
    assert re.search(r">embedflee…[\w-]+-spot-0012<", svg)


def test_a_curve_of_nothing_lies_on_its_axis() -> None:
    line = next(ET.fromstring(curve([(0, 0.0), (5, 0.0)], 10, None)).iter("polyline"))
    assert {point.split(",")[1] for point in (line.get("points") or "").split()} == {"224.0"}


def test_the_plan_is_drawn_even_above_all_that_was_reached() -> None:
    svg = curve([(0, 10.0)], 10, 1_000.0)
    heights = [float(e.get("y1", "")) for e in ET.fromstring(svg).iter("line") if e.get("class") == "plan"]
    assert heights == [24]
