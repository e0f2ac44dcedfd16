"""The page and the table of a simulation: closed, without scripts, and safe from hostile names."""

import re
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import numpy as np
from rich.console import Console, RenderableType

from launcher.documents.simulation import SimulationDocument
from launcher.reports.html.simulation import simulation_page
from launcher.reports.terminal.simulation import simulation_text
from launcher.simulator.simulate import Runs, simulate_market
from launcher.simulator.traces import PlaceTrace, TraceSet
from tests.launcher.simulator.cases import list_kind, scenario, spot_kind
from tests.support.html_reader import Reader
from tests.support.sample_report import EVIL


def found(name: str = "books", budget: Decimal | None = None) -> SimulationDocument:
    case = replace(scenario(spot_kind("a"), list_kind()), budget=budget)
    traces = TraceSet(name, name, (PlaceTrace(f"aws/a/{name}", np.array([8, 8, 8, 0] * 900, np.int32)),))
    market = simulate_market(case, traces, Runs(("greedy", "static", "on-demand"), 2, 5, each=8))
    return SimulationDocument(
        job=name,
        tokens=10,
        budget=None,
        runs=2,
        seed=5,
        cold_start_seconds=None,
        no_on_demand=0.1,
        slower=0.5,
        without=[name],
        assumes=["an ask is answered"],
        markets=[market],
    )


def printed(screen: RenderableType, width: int = 200) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(screen)
    return capture.get()


def test_page_is_closed_and_loads_nothing() -> None:
    html = simulation_page(found())
    reader = Reader(html)
    assert reader.open == []
    assert {"script", "link", "img", "iframe", "object", "image", "use"}.isdisjoint(reader.tags)
    assert not re.search(r"https?:|@import|url\((?!#)", html)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in reader.attributes
    assert reader.tags.count("polyline") >= 2


def test_title_says_of_which_market_it_is_where_there_are_several() -> None:
    one = found()
    title = r"<h1>greedy: .*, late in \d of 2 runs</h1>"
    assert re.search(title, simulation_page(one, css=""))
    two = replace(one, markets=[*one.markets, *one.markets])
    assert re.search(title.replace("</h1>", r" with .* on books</h1>"), simulation_page(two, css=""))


def test_hostile_names_stay_text() -> None:
    reader = Reader(simulation_page(found(EVIL), css=""))
    assert "script" not in reader.tags
    assert reader.open == []


def test_columns_are_whole_in_a_terminal_of_80() -> None:
    text = printed(simulation_text(found(budget=Decimal(40))), 80)
    assert "…" not in text
    assert re.search(r"\bhindsight\b.*\bdemand\b.*\bbudget$", text, re.MULTILINE)


def test_budget_is_told_where_runs_have_one_and_else_unknown() -> None:
    plain, bounded = found(), found(budget=Decimal("0.01"))  # a budget of the job, and no --budget
    assert [one.over_budget for one in plain.markets[0].policies] == [None, None, None]
    assert "budget" not in printed(simulation_text(plain))
    assert "udget" not in simulation_page(plain, css="")
    assert [one.over_budget for one in bounded.markets[0].policies] == [2, 0, 2]  # static keeps it
    text, page = printed(simulation_text(bounded)), simulation_page(bounded, css="")
    assert re.search(r"^greedy .* 2 *$", text, re.MULTILINE)
    assert ", budget $0.01, " in text.replace("\n", " ")
    assert ">over budget</th>" in page
    assert 'class="limit"' in page.partition("its first run")[2]
    assert "static: its first run" not in page  # it ended at once


def test_table_has_a_line_for_each_policy() -> None:
    text = printed(simulation_text(found()))
    assert re.search(r"^greedy .* 0 %", text, re.MULTILINE)
    assert "8 machines each while up" in text
    assert (
        "changed: 10 % of the time nothing on demand; 0.5 of the planned speed; without books"
        in text.replace("\n", " ")
    )
