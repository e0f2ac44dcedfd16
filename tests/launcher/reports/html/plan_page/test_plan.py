import os
import re
from pathlib import Path
from typing import Any, cast

import pytest

from launcher.planning.saved import plan_file
from launcher.reports.html.plan_page.plan import SHOWN_PLACES, plan_page
from launcher.reports.html.plan_page.plan_alternatives import SHOWN_APIS, SHOWN_TYPES
from tests.support import sample_plan
from tests.support.cli_runs import embedfleet
from tests.support.html_reader import Reader
from tests.support.paths import GOLDEN
from tests.support.sample_report import EVIL

CSS = "/* the style sheet */"


def page(plan: dict[str, Any] | None = None) -> str:
    """The page of a plan's JSON."""
    return plan_page(plan_file.read_recorded(plan or sample_plan.plan()), CSS)


@pytest.mark.parametrize(
    ("plan", "name"), [(sample_plan.plan(), "plan.html"), (sample_plan.steered(), "plan-steered.html")]
)
def test_page_is_the_golden_page(plan: dict[str, Any], name: str) -> None:
    html = page(plan)
    golden = GOLDEN / name
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        golden.write_text(html, encoding="utf-8")
    assert html == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "plan",
    [sample_plan.plan(), sample_plan.local(), sample_plan.steered()],
    ids=["cloud", "local", "steered"],
)
def test_every_tag_is_closed(plan: dict[str, Any]) -> None:
    assert Reader(page(plan)).open == []


@pytest.mark.parametrize("plan", [sample_plan.plan(), sample_plan.local()], ids=["cloud", "local"])
def test_configuration_comes_first_and_the_figures_behind_it(plan: dict[str, Any]) -> None:
    html = plan_page(plan_file.read_recorded(plan))
    main = html[html.index("<main>") :]
    assert main.startswith("<main><section><h2>Configuration</h2>")
    assert main.index("Configuration") < main.index('class="cards"')


def test_page_runs_nothing_and_loads_nothing() -> None:
    html = plan_page(sample_plan.saved())
    found = Reader(html)
    assert {"script", "link", "img", "iframe", "object", "image", "use"}.isdisjoint(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"https?:|@import|url\((?!#)", html)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_ids_are_unique() -> None:
    ids = [value for name, value in Reader(page()).attributes if name == "id"]
    assert len(ids) == len(set(ids))


# dates, and the words that have a meaning here
KEPT = (
    "policy",
    "schema",
    "created",
    "prices_as_of",
    "as_of",
    "cloud",
    "deadline_at",
    "dtype",
    "engine",
    "spot",
)


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
@pytest.mark.parametrize("steered", [False, True])
def test_hostile_text_anywhere_is_only_text(text: str, steered: bool) -> None:
    plan = replaced(sample_plan.steered() if steered else sample_plan.plan(), text)
    plan["left_out"] = {text: 1}
    plan["totals"]["items"] |= {text: "1"}
    found = Reader(page(plan))
    assert {"script", "img"}.isdisjoint(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert text in found.text


def test_name_that_cannot_be_encoded_can_still_be_written() -> None:
    assert page(replaced(sample_plan.plan(), "caf\udce9 \x00\x1b[31m")).encode()


def test_name_of_a_megabyte_is_cut() -> None:
    assert len(page(replaced(sample_plan.plan(), "x" * 10**6))) < 10**6


def verdict(plan: dict[str, Any] | None = None) -> tuple[str, str]:
    """The first line, and what follows it before the figures."""
    html = page(plan)
    first = re.search(r"<h1[^>]*>(.*?)</h1>", html)
    assert first
    return first[1], html[first.end() : html.index("<main>")]


def test_first_line_says_what_is_better() -> None:
    first, rest = verdict(sample_plan.plan())
    assert first == (
        "BETTER: apt same-embed in batches (the same weights) costs $60.18 for certain, this fleet $80.25 (P90 $131.00, "
        "mean $88.50): this fleet costs $20.07 more at P50, $70.82 more at P90; a chance of at most 19 % that it is "
        "cheaper; this fleet costs more than that: egress not priced; from 9B tokens a month it is cheaper"
    )
    assert "The deadline needs 8.4M tokens a minute, and its rate limit is not known." in rest
    assert "The fleet chosen: $80.25 and 3 h on 21 machines in 2 groups." in rest
    assert rest.index("The fleet chosen") < rest.index("Not clear: someone other-embed")


def test_first_line_is_the_fleet_if_nothing_is_better() -> None:
    plan = sample_plan.plan()
    plan["lots"], plan["compared"], plan["hosted"] = (
        plan["lots"][:1],
        plan["compared"][1:],
        plan["hosted"][1:],
    )
    first, rest = verdict(plan)
    assert "No hosted API with a known price serves these weights." in rest
    assert first == "$80.25 and 3 h on 21 machines of 8 x L4, aws us-east-1 and 1 region more, spot"
    assert "between P10 and P90: $60.50 to $131.00 and 2 h 6 min to 5 h 12 min." in rest
    assert "Not clear: someone other-embed" in rest


def test_another_model_is_a_note_and_never_the_first_line() -> None:
    plan = sample_plan.plan()
    plan["compared"] = [sample_plan.compared("nebius other-8B", "same class", "30.09", better=True)]
    plan["lots"] = plan["lots"][:1]
    first, rest = verdict(plan)
    assert first == "$80.25 and 3 h on 21 machines of 8 x L4, aws us-east-1 and 1 region more, spot"
    assert '<p class="note">CHEAPER: nebius other-8B' in rest


def test_item_without_a_price_is_a_question_mark_and_never_zero() -> None:
    html = page()
    assert "Not in the total, for no price is known: storage, egress." in html
    row = next(row for row in html.split("<tr>") if ">storage<" in row)
    assert "<td>?</td><td>not known</td>" in row
    assert "$0.00" not in html


def test_known_items_fill_the_bar() -> None:
    html = page()
    bar = html[html.index('<svg class="bar"') : html.index("</svg>", html.index('<svg class="bar"'))]
    drawn = re.findall(r'class="(\w+)"', bar)
    assert drawn == ["bar", "compute", "cold_start", "preemption", "idle_tail", "disk", "controller"]


def test_plan_of_unknown_cost_says_so() -> None:
    first, _ = verdict(sample_plan.local())
    assert first == "3 h on this machine; the cost is not known"
    assert "<dt>Dollars, P50</dt><dd>?</dd>" in page(sample_plan.local())


def test_local_plan_has_no_frontier_and_no_machine_types() -> None:
    html = page(sample_plan.local())
    assert "Sooner or cheaper" not in html
    assert "Every machine alone" not in html
    assert "Quotas to ask for" not in html


def test_hosted_apis_beyond_the_first_are_counted() -> None:
    plan = sample_plan.plan()
    plan["hosted"] = [plan["hosted"][1] | {"model": f"embed-{n:02d}"} for n in range(94)]
    html = page(plan)
    assert f"embed-{SHOWN_APIS - 1:02d}" in html
    assert f"embed-{SHOWN_APIS:02d}" not in html
    assert f"{94 - SHOWN_APIS} more are in the plan" in html


def test_of_many_places_and_types_the_first_are_shown_and_all_are_counted() -> None:
    plan = sample_plan.plan()
    plan["lots"][0]["places"] *= 200
    plan["kinds"] *= 100
    html = page(plan)
    assert f"The first {SHOWN_PLACES} of 401 places." in html
    assert f"The first {SHOWN_TYPES} of 300 types." in html


def test_age_of_the_oldest_price_is_in_days() -> None:
    assert "2026-02-01 (28 days old)" in page()


def test_deadline_at_a_time_is_shown_as_hours_from_the_plan() -> None:
    plan = sample_plan.plan()
    plan["work"]["job"]["limits"] |= {"deadline_hours": None, "deadline_at": "2026-03-01T20:30:00+02:00"}
    assert "deadline: 6 h 30 min" in page(plan)


def test_points_beyond_a_limit_at_p90_say_which() -> None:
    rows = re.findall(r'<th scope="row">(\d[^<]*)</th>', page())
    assert rows == ["1, over budget", "2, over budget", "3, chosen", "4, late"]


def test_chosen_fleet_is_drawn_even_if_it_is_not_on_the_frontier() -> None:
    plan = sample_plan.plan()
    plan["totals"] |= {"hours": {"p10": 1.5, "p50": 2.0, "p90": 3.0}}
    rows = re.findall(r'<th scope="row">(\d[^<]*)</th>', page(plan))
    assert rows == ["1, over budget", "2, over budget", "3, chosen", "4", "5, late"]


def test_plan_command_writes_the_page(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "name: tiny\ncorpus: {documents: 1e6, tokens_per_document: 100}\nmodel: BAAI/bge-m3\n"
        "limits: {gpus: [L4], clouds: [aws], regions: [us-east-1]}\n",
        encoding="utf-8",
    )
    done = embedfleet("plan", "job.yaml", "--offline", "--json", "--html", "plan.html", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert html == plan_page(plan_file.read(done.stdout))
    assert Reader(html).open == []


def test_reduced_precision_has_its_dollars_and_its_loss() -> None:
    loss = {
        "texts": 200,
        "cosine_mean": 0.9971,
        "cosine_worst": 0.981,
        "recall_at_10": None,
        "how": "emulated",
    }
    reduced = {"precision": "fp8", "usd_without": "90", "loss": loss, "why_not_measured": None}
    totals = sample_plan.plan()["totals"]
    text = Reader(plan_page(sample_plan.saved(totals=totals | {"reduced": reduced}), "")).text
    assert "Precision fp8" in text
    assert "Dollars, P50$80.25$90.00" in text
    assert "Cosine, mean0.9971" in text
    reduced |= {"loss": None, "why_not_measured": "the corpus is only declared"}
    text = Reader(plan_page(sample_plan.saved(totals=totals | {"reduced": reduced}), "")).text
    assert "What it loses is not measured: the corpus is only declared." in text
    assert "Precision" not in Reader(plan_page(sample_plan.saved(), "")).text


def test_lengths_of_the_sample_are_drawn_with_the_cut() -> None:
    profile = sample_plan.plan()["profile"] | {
        "document_lengths": [[0.5, 100.0], [0.5, 900.0]],
        "longest": 512,
    }
    text = Reader(plan_page(sample_plan.saved(profile=profile), "")).text
    assert "Length of the texts" in text
    assert "cut at 512 tokens" in text


def test_hosted_apis_are_folded_away_on_a_plan_for_this_machine() -> None:
    assert "<summary>2 hosted APIs</summary>" in plan_page(sample_plan.saved_local(), "")
    assert "<summary>" not in plan_page(sample_plan.saved(), "")


def test_costs_of_which_none_is_known_are_no_column_of_question_marks() -> None:
    html = page(sample_plan.local())
    costs = html[html.index("<h2>What it costs</h2>") :].split("</section>")[0]
    assert "Set local.usd_per_hour in the job file" in costs
    assert "<table" not in costs
