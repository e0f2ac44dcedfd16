import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.reports.html.frontier_chart import HEIGHT, NARROW, WIDE, Axis, Point, axis, frontier, ticks
from launcher.reports.html.plan import PLACES, plan_page
from launcher.reports.html.plan_alternatives import APIS, KINDS
from tests.launcher.reports.html.test_report import EVIL, Reader
from tests.support import sample_plan
from tests.support.cli_runs import embedfleet
from tests.support.paths import GOLDEN


def test_the_page_is_the_golden_page() -> None:
    html = plan_page(sample_plan.plan())
    golden = GOLDEN / "plan.html"
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        golden.write_text(html, encoding="utf-8")
    assert html == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("plan", [sample_plan.plan(), sample_plan.local()], ids=["cloud", "local"])
def test_every_tag_is_closed(plan: dict[str, Any]) -> None:
    assert Reader(plan_page(plan)).open == []


def test_the_page_runs_nothing_and_loads_nothing() -> None:
    html = plan_page(sample_plan.plan())
    page = Reader(html)
    assert {"script", "link", "img", "iframe", "object", "image", "use"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"https?:|@import|url\((?!#)", html)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_no_two_elements_have_one_id() -> None:
    ids = [value for name, value in Reader(plan_page(sample_plan.plan())).attributes if name == "id"]
    assert len(ids) == len(set(ids))


KEPT = ("schema", "created", "prices_as_of", "cloud", "deadline_at")  # dates, and what a cloud is called here


def replaced(value: Any, text: str, name: str = "") -> Any:
    """The plan with every text exchanged that is no amount and no date."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: replaced(v, text, key) for key, v in fields.items()}
    if isinstance(value, list):
        return [replaced(v, text, name) for v in cast("list[Any]", value)]
    free = isinstance(value, str) and name not in KEPT and not re.fullmatch(r"[\d.]+", value)
    return text if free else value


@pytest.mark.parametrize(
    "text", [EVIL, '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "</style><svg onload=x>"]
)
def test_a_hostile_name_anywhere_is_only_text(text: str) -> None:
    plan = replaced(sample_plan.plan(), text)
    plan["left_out"] = {text: 1}
    plan["totals"]["items"] |= {text: "1"}
    page = Reader(plan_page(plan))
    assert {"script", "img"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert text in page.text


def test_a_name_that_no_encoding_takes_can_still_be_written() -> None:
    assert plan_page(replaced(sample_plan.plan(), "caf\udce9 \x00\x1b[31m")).encode()


def test_a_name_of_a_megabyte_is_cut() -> None:
    assert len(plan_page(replaced(sample_plan.plan(), "x" * 10**6))) < 10**6


def verdict(plan: dict[str, Any]) -> tuple[str, str]:
    """The first line, and what follows it before the figures."""
    html = plan_page(plan)
    first = re.search(r"<h1>(.*?)</h1>", html)
    assert first
    return first[1], html[first.end() : html.index("<main>")]


def test_the_first_line_says_what_is_cheaper() -> None:
    first, rest = verdict(sample_plan.plan())
    assert first == (
        "Cheaper with another model: someone small-embed in batches does it for $30.09, this fleet for $80.25"
    )
    assert "From 9B tokens a month on, this fleet is the cheaper; here it is 3B." in rest
    assert "The fleet chosen: $80.25 and 3 h on 21 machines in 2 lots." in rest


def test_the_same_weights_are_said_to_be_the_same() -> None:
    plan = sample_plan.plan()
    plan["cheaper"] |= {"comparable": True, "break_even_tokens_per_month": None}
    first, rest = verdict(plan)
    assert first.startswith("Cheaper: someone small-embed")
    assert "It is the same weights. No number of tokens a month makes this fleet the cheaper." in rest


def test_storage_is_no_part_of_the_comparison_for_it_is_paid_either_way() -> None:
    plan = sample_plan.plan()
    plan["totals"]["items"]["storage"] = "2"
    plan["cheaper"]["fleet_usd_without_storage"] = "78.25"
    assert verdict(plan)[0].endswith("this fleet for $78.25, storage of the vectors apart")


def test_this_machine_has_no_break_even() -> None:
    plan = sample_plan.plan()
    plan["cheaper"] = {
        "name": "this machine",
        "usd": "1",
        "fleet_usd_without_storage": "80.25",
        "comparable": True,
        "break_even_tokens_per_month": None,
    }
    assert "tokens a month" not in verdict(plan)[1]


def test_without_anything_cheaper_the_first_line_is_the_fleet() -> None:
    plan = sample_plan.plan(cheaper=None)
    plan["lots"] = plan["lots"][:1]
    first, rest = verdict(plan)
    assert first == "$80.25 and 3 h on 21 machines of 8 x L4, aws us-east-1 and 1 region more, spot"
    assert "between P10 and P90: $60.50 to $131.00 and 2 h 6 min to 5 h 12 min." in rest


def test_an_item_without_a_price_is_a_question_mark_and_never_zero() -> None:
    html = plan_page(sample_plan.plan())
    assert "Not in the total, for no price is known: storage, egress." in html
    row = next(row for row in html.split("<tr>") if ">storage<" in row)
    assert "<td>?</td><td>not known</td>" in row
    assert "$0.00" not in html


def test_items_that_are_known_fill_the_bar() -> None:
    html = plan_page(sample_plan.plan())
    bar = html[html.index('<svg class="bar"') : html.index("</svg>", html.index('<svg class="bar"'))]
    drawn = re.findall(r'class="(\w+)"', bar)
    assert drawn == ["bar", "compute", "cold_start", "preemption", "idle_tail", "disk", "controller"]


def test_a_plan_whose_cost_is_unknown_says_so() -> None:
    first, _ = verdict(sample_plan.local())
    assert first == "3 h on this machine; what it costs is not known"
    assert "<dt>Dollars, P50</dt><dd>?</dd>" in plan_page(sample_plan.local())


def test_a_local_plan_has_no_frontier_and_no_kinds() -> None:
    html = plan_page(sample_plan.local())
    assert "Sooner or cheaper" not in html
    assert "Every machine alone" not in html
    assert "Quotas to ask for" not in html


def test_the_hosted_apis_beyond_the_first_are_counted() -> None:
    plan = sample_plan.plan()
    plan["hosted"] = [plan["hosted"][1] | {"model": f"embed-{n:02d}"} for n in range(94)]
    html = plan_page(plan)
    assert f"embed-{APIS - 1:02d}" in html
    assert f"embed-{APIS:02d}" not in html
    assert f"{94 - APIS} more are in the plan" in html


def test_of_many_places_and_kinds_the_first_are_shown_and_all_are_counted() -> None:
    plan = sample_plan.plan()
    plan["lots"][0]["places"] *= 200
    plan["kinds"] *= 100
    html = plan_page(plan)
    assert f"The first {PLACES} of 401 places." in html
    assert f"The first {KINDS} of 300 kinds." in html


def test_the_age_of_the_oldest_price_is_told_in_days() -> None:
    assert "2026-02-01 (28 days old)" in plan_page(sample_plan.plan())


def test_a_deadline_that_is_a_moment_is_hours_from_the_plan() -> None:
    plan = sample_plan.plan()
    plan["work"]["job"]["limits"] |= {"deadline_hours": None, "deadline_at": "2026-03-01T20:30:00+02:00"}
    assert "deadline: 6 h 30 min" in plan_page(plan)


def test_points_past_a_limit_at_p90_say_which() -> None:
    rows = re.findall(r'<th scope="row">(\d[^<]*)</th>', plan_page(sample_plan.plan()))
    assert rows == ["1, too dear", "2, too dear", "3, chosen", "4, late"]


def test_a_chosen_fleet_that_is_not_on_the_frontier_is_drawn_beside_it() -> None:
    plan = sample_plan.plan()
    plan["totals"] |= {"hours": {"p10": 1.5, "p50": 2.0, "p90": 3.0}}
    rows = re.findall(r'<th scope="row">(\d[^<]*)</th>', plan_page(plan))
    assert rows == ["1, too dear", "2, too dear", "3, chosen", "4", "5, late"]


def test_the_command_writes_the_page_of_a_real_plan(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "name: tiny\ncorpus: {documents: 1e6, tokens_per_document: 100}\nmodel: BAAI/bge-m3\n"
        "limits: {gpus: [L4], clouds: [aws], regions: [us-east-1]}\n",
        encoding="utf-8",
    )
    done = embedfleet("plan", "job.yaml", "--offline", "--json", "--html", "plan.html", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert html == plan_page(json.loads(done.stdout))
    assert Reader(html).open == []


# The frontier


def point(seconds: float, usd: float, **changes: Any) -> Point:
    spread = (seconds * 0.8, seconds, seconds * 1.3), (usd * 0.8, usd, usd * 1.3)
    return Point(*spread, mark="1", title=f"${usd} in {seconds} s", **changes)


def drawn(*points: Point, width: float = WIDE, **limits: float) -> ET.Element:
    return ET.fromstring(frontier(points, width, **limits))


def texts(svg: ET.Element) -> list[str]:
    return [e.text or "" for e in svg.iter("text")]


def test_the_drawing_says_in_words_what_it_shows() -> None:
    svg = drawn(point(600, 90), point(6_000, 30, chosen=True), deadline=7_200.0)
    assert svg.get("role") == "img"
    found = {e.get("id"): e.text or "" for e in svg if e.tag in ("title", "desc")}
    assert found[svg.get("aria-labelledby")] == "Hours against dollars of 2 fleets"
    said = found[svg.get("aria-describedby")]
    assert "Chosen: $30 in 6000 s." in said
    assert "Deadline 2 h." in said


def test_an_axis_is_logarithmic_where_its_figures_lie_far_apart() -> None:
    assert axis([1, 11], None, 0, 100).logarithmic
    assert not axis([1, 9], None, 0, 100).logarithmic


def test_a_limit_is_a_line_where_it_fits() -> None:
    svg = drawn(point(600, 90), point(6_000, 30), deadline=7_200.0, budget=100.0)
    assert len([e for e in svg.iter("line") if e.get("class") == "plan"]) == 2
    assert {"deadline 2 h", "budget $100.00"} < set(texts(svg))


def test_a_limit_far_away_is_told_in_words() -> None:
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
        svg = ET.fromstring(frontier([point(s, usd) for s, usd in places], width, deadline, budget))
        for circle in svg.iter("circle"):
            assert 0 <= float(circle.get("cx", "")) <= width
            assert 0 <= float(circle.get("cy", "")) <= HEIGHT


@given(st.lists(positive, min_size=2, max_size=5), st.sampled_from([NARROW, WIDE]))
def test_labels_of_an_axis_keep_their_distance(values: list[float], width: float) -> None:
    along = axis(values, None, 0, width)
    steps = [10.0**n * unit for n in range(-5, 9) for unit in (1, 2, 5)]
    places = [along.at(tick) for tick in ticks(along, steps, 50)]
    assert all(b - a >= 50 - 1e-6 for a, b in pairwise(places))


def test_a_figure_stands_where_its_share_of_the_axis_is() -> None:
    assert Axis(0, 10, 0, 100, logarithmic=False).at(2.5) == 25
    assert Axis(1, 100, 0, 100, logarithmic=True).at(10) == pytest.approx(50)
