"""One run has one time, one speed and one cost per token, whichever screen, page, message or JSON shows them."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.format import duration, money, rate
from launcher.money import SECONDS_PER_HOUR
from tests.support.cli_runs import in_process, records, write_job
from tests.support.runs import write_jsonl
from tests.support.webhook import listening


class Shown:
    """What every command says of one finished run on this machine."""

    def __init__(self, folder: Path) -> None:
        (folder / "in").mkdir()
        write_jsonl(folder / "in" / "a.jsonl", records("d", [300] * 40))
        write_job(folder, local="{workers: 2, usd_per_hour: 36}", notify="$HOOK")

        def said(*words: object, **env: str) -> tuple[str, str]:
            done = in_process(*words, folder=folder, COLUMNS="200", **env)
            assert done.returncode == 0, done.stderr
            return done.stdout, done.stderr

        said("plan", "job.yaml", "--on", "local", "--probe", "0.1", "-o", "plan.json")
        with listening() as hook:
            self.launched, self.progress = said("launch", "plan.json", HOOK=hook.url)
            self.message = next(body["text"] for body in hook.bodies if ": done," in body["text"])
        self.status = said("status")[0]
        self.report = said("report", "--html", "page.html")[0]
        self.page = (folder / "page.html").read_text(encoding="utf-8")
        self.markdown = said("report", "--md")[0]
        self.runs = said("report", "--all")[0]
        self.status_json: dict[str, Any] = json.loads(said("status", "--json")[0])
        self.report_json: dict[str, Any] = json.loads(said("report", "--json")[0])
        self.runs_json: dict[str, Any] = json.loads(said("report", "--all", "--json")[0])["runs"][0]
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return Shown(tmp_path_factory.mktemp("figures"))


def test_every_json_has_the_same_figures(shown: Shown) -> None:
    actual, status = shown.report_json["actual"], shown.status_json
    assert status["seconds"] == pytest.approx(actual["hours"] * SECONDS_PER_HOUR)
    assert status["tokens_per_second"] == pytest.approx(actual["tokens_per_second"])
    assert status["tokens_per_second"] == pytest.approx(status["tokens"] / status["seconds"])
    assert status["usd_per_million_tokens"] == actual["usd_per_million_tokens"]
    assert shown.runs_json["usd_per_million_tokens"] == actual["usd_per_million_tokens"]


def test_every_text_has_the_same_speed(shown: Shown) -> None:
    speed = rate(shown.status_json["tokens_per_second"])
    last = [line for line in shown.progress.splitlines() if line.startswith("100 % · ")][-1]
    for text in (last, shown.launched, shown.status, shown.report, shown.page, shown.message):
        assert speed in text
        if text is not shown.page:  # its table of lessons has the speed of one machine, too
            assert set(re.findall(r"[\d,]+ tok/s", text)) <= {speed, rate(_planned_speed(shown))}


def test_every_text_has_the_same_time(shown: Shown) -> None:
    time = duration(shown.status_json["seconds"])
    for text in (shown.launched, shown.status, shown.report, shown.page, shown.markdown, shown.message):
        assert time in text


def test_every_text_has_the_same_cost_per_token(shown: Shown) -> None:
    each = money(Decimal(shown.status_json["usd_per_million_tokens"]))
    for text in (
        shown.launched,
        shown.status,
        shown.report,
        shown.page,
        shown.markdown,
        shown.runs,
        shown.message,
    ):
        assert each in text


def test_the_plan_that_a_report_shows_means_the_same(shown: Shown) -> None:
    """The hours of a plan, its tokens by these, and its dollars by its tokens."""
    planned, totals = shown.report_json["plan"], shown.plan["totals"]
    tokens = shown.plan["profile"]["tokens"]
    assert planned["hours"]["p50"] == totals["hours"]["p50"]
    assert planned["tokens_per_second"] == pytest.approx(_planned_speed(shown))
    each = float(totals["usd"]["p50"]) * 1_000_000 / tokens
    assert float(planned["usd_per_million_tokens"]) == pytest.approx(each, rel=1e-4)


def _planned_speed(shown: Shown) -> float:
    hours: float = shown.plan["totals"]["hours"]["p50"]
    tokens: int = shown.plan["profile"]["tokens"]
    return tokens / hours / SECONDS_PER_HOUR
