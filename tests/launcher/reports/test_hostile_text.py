"""No text that a run, a file or a cloud gives acts on a terminal, a page or a spreadsheet, wherever it is shown."""

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import RenderableType

from launcher.cli.console import console
from launcher.documents.encode import to_json
from launcher.reports.focus_csv import to_csv
from launcher.reports.html.plan_page.plan import plan_page
from launcher.reports.html.report_page.report import report_page
from launcher.reports.markdown import report_md
from launcher.reports.report_json import report_document
from launcher.reports.terminal.plans.plan import plan_text
from launcher.reports.terminal.runs.report import report_text
from tests.support import sample_plan, sample_report

T = TypeVar("T")

# Fields that hold names and words from outside: of jobs, files, machines and clouds.
FOREIGN = {
    "run",
    "name",
    "model",
    "corpus",
    "instance_type",
    "region",
    "zone",
    "place",
    "worker",
    "machine",
    "file",
    "document",
    "reason",
    "text",
    "source",
    "sources",
    "fault",
    "host",
    "advice",
    "detail",
}
HOSTILE = st.one_of(
    st.text(st.characters(), min_size=1, max_size=12),
    st.sampled_from(
        ["\x1b[2J", "\x9b31m", "\x07", "\r\n", "\u202e", "\u2028", "<script>", "=1+1", "[/red]", "|", "`"]
    ),
)


def poisoned(value: T, text: str) -> T:
    """The same value with this text at the beginning of every foreign field, however deep."""
    if isinstance(value, tuple):
        return cast("T", tuple(poisoned(item, text) for item in cast("tuple[Any, ...]", value)))
    if isinstance(value, list):
        return cast("T", [poisoned(item, text) for item in cast("list[Any]", value)])
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes: dict[str, Any] = {}
    for field in (f for f in fields(value) if f.init):
        held = getattr(value, field.name)
        foreign = field.name in FOREIGN and isinstance(held, str)
        changes[field.name] = text + held if foreign else poisoned(held, text)
    return cast("T", replace(cast("Any", value), **changes))


def printed(renderable: RenderableType) -> str:
    """What the command line prints of it."""
    out = io.StringIO()
    console(out, width=110).print(renderable)
    return out.getvalue()


REPORT, PLAN = sample_report.report(), sample_plan.saved()
SHOWN: dict[str, Callable[[str], str]] = {
    "report": lambda text: printed(report_text(report_document(poisoned(REPORT, text)))),
    "report page": lambda text: report_page(report_document(poisoned(REPORT, text))),
    "report markdown": lambda text: report_md(report_document(poisoned(REPORT, text))),
    "report csv": lambda text: to_csv(poisoned(REPORT, text)),
    "report json": lambda text: json.dumps(to_json(report_document(poisoned(REPORT, text)))),
    "plan": lambda text: printed(plan_text(poisoned(PLAN, text))),
    "plan page": lambda text: plan_page(poisoned(PLAN, text)),
}


@pytest.mark.parametrize("form", SHOWN)
@given(text=HOSTILE)
@settings(max_examples=15, deadline=None)
def test_no_character_that_acts_is_shown(form: str, text: str) -> None:
    shown = SHOWN[form](text)
    shown.encode()
    assert not {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}


@pytest.mark.parametrize("form", ["report page", "plan page"])
def test_no_markup_of_others_is_in_a_page(form: str) -> None:
    shown = SHOWN[form]("<script>alert(1)</script><img src=x onerror=y>")
    assert "<script" not in shown
    assert "<img" not in shown


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "\r@"])
def test_no_cell_begins_a_formula(start: str) -> None:
    for row in csv.reader(io.StringIO(SHOWN["report csv"](f"{start}HYPERLINK(1)"))):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "@")), cell
            assert not cell.startswith("-") or cell[1:2].isdigit(), cell
