"""The JSON Schemas of docs/schemas: they are those of the types, and what commands really print fits them."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from launcher.bench import measure
from launcher.cli.documents import ChangedPrices, RefreshDocument, SilentSource, SourceAnswer
from launcher.cli.main import parser
from launcher.documents.encode import json_value
from launcher.ledger.ledger import Ledger
from launcher.planning.saved import plan_file
from launcher.planning.saved.plan_diff import diff_plans
from launcher.planning.saved.plan_diff_document import dump
from launcher.reports.lists.run_comparison import compare_runs
from launcher.reports.lists.run_list import list_runs
from launcher.reports.report_json import report_document
from scripts.schemas import FOLDER, OUTPUTS, texts
from tests.launcher.bench.test_measure import h200
from tests.support import ledger_history, sample_plan, sample_report
from tests.support.cli_runs import embedfleet, in_process, records, write_job
from tests.support.runs import write_jsonl

pytestmark = pytest.mark.xdist_group("schemas")  # they share one finished run


@cache
def validator(name: str) -> Any:
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def check(name: str, body: Any) -> None:
    """Validate a document, and require that it has no key that the schema does not have."""
    validator(name).validate(body)
    assert unknown_keys(validator(name).schema, body) == []


def unknown_keys(schema: dict[str, Any], body: Any) -> list[str]:
    """Top-level keys of a document, or of the rows of a list, that have no place in the schema."""
    rows = cast("list[Any]", body if isinstance(body, list) else [body])
    root = schema["$defs"][schema["items"]["$ref"].rpartition("/")[2]] if "items" in schema else schema
    return sorted({key for row in rows for key in row} - set(root["properties"]))


@pytest.mark.parametrize("name", sorted(texts()))
def test_schema_is_that_of_the_type(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == texts()[name], "run `make schemas`"


def test_every_schema_is_of_an_output() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(texts())


def json_commands(command: argparse.ArgumentParser, words: str = "") -> Iterator[str]:
    """The commands that have --json."""
    for action in command._actions:
        if "--json" in action.option_strings:
            yield words.strip()
        if action.nargs == argparse.PARSER:
            for name, inner in cast("dict[str, argparse.ArgumentParser]", action.choices).items():
                yield from json_commands(inner, f"{words} {name}")


def test_every_command_with_json_has_a_schema() -> None:
    missing = [
        words
        for words in json_commands(parser())
        if not any(output.command.startswith(words) for output in OUTPUTS.values())
    ]
    assert missing == []


@dataclass(frozen=True)
class Finished:
    """A run of a small corpus on this machine."""

    folder: Path
    run: str

    def json(self, *words: object) -> Any:
        """What a command prints with --json."""
        result = in_process(*words, "--json", folder=self.folder)
        assert result.stdout, result.stderr
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder: Path = tmp_path_factory.mktemp("finished")
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", records("d", [40] * 20))
    job = write_job(folder, local="{workers: 1, usd_per_hour: 0.1}")
    result = in_process("plan", job, "--probe", 0, "--json", "-o", "plan.json", folder=folder)
    launched = embedfleet("launch", "plan.json", folder=folder)
    assert launched.returncode == 0, launched.stderr
    return Finished(folder, json.loads(result.stdout)["run"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("status", ["status"]),
        ("report", ["report"]),
        ("report-all", ["report", "--all"]),
        ("verify", ["verify"]),
        ("search", ["search", "w1"]),
        ("init", ["init", "in", "-o", "new.yaml"]),
        ("export", ["export", "--to", "all.parquet"]),
        ("load-preview", ["load", "--to", "all.lance", "--dry-run"]),
        ("load", ["load", "--to", "all.lance", "--verify"]),
        ("finish", ["finish", "--dry-run"]),
        ("down", ["down", "--verify"]),
        ("ledger-rebuild", ["ledger", "rebuild", "out", "--runs", "again"]),
        ("doctor", ["doctor"]),
        ("diff", ["diff", "plan.json", "plan.json"]),
        ("speed", ["speed", "--model", "BAAI/bge-m3"]),
        ("prices", ["prices", "--offline"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_output_of_a_command_fits_its_schema(finished: Finished, name: str, words: list[str]) -> None:
    check(name, finished.json(*words))


def test_plan_of_a_run_fits_its_schema(finished: Finished) -> None:
    check("plan", json.loads((finished.folder / "plan.json").read_text()))


def test_comparison_of_a_run_fits_its_schema(finished: Finished) -> None:
    check("compare", finished.json("compare", finished.run, finished.run))


def test_reconciled_bill_fits_its_schema(finished: Finished) -> None:
    (finished.folder / "bill.csv").write_text(
        "BilledCost,BillingCurrency,ChargePeriodStart,ServiceName,Tags\n"
        f'0.05,USD,2026-11-02,AWS Data Transfer,"{{""embedfleet-run"": ""{finished.run}""}}"\n'
    )
    check("report-reconcile", finished.json("report", "--reconcile", "bill.csv"))


def test_report_json_of_a_run_fits_its_schema(finished: Finished) -> None:
    check("report", json.loads((finished.folder / "runs" / finished.run / "report.json").read_text()))


@pytest.mark.parametrize("plan", [sample_plan.saved(), sample_plan.saved_local()], ids=["cloud", "local"])
def test_plan_fits_its_schema(plan: Any) -> None:
    check("plan", plan_file.dump(plan))


def test_different_plans_fit_the_schema_of_diff() -> None:
    check("diff", dump(diff_plans(sample_plan.saved(), sample_plan.saved_local())))


def test_report_with_one_of_everything_fits_its_schema() -> None:
    check("report", json_value(sample_report.document()))


def test_report_of_an_unreadable_plan_fits_its_schema() -> None:
    document = report_document(sample_report.small(plan=None))
    check("report", json_value(document))
    check("compare", json_value(compare_runs(document, sample_report.document())))


def test_list_of_a_fleets_runs_fits_its_schema(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("reviews-ffffffff", "reviews", "{}", "d", "out", ledger_history.at(0))
        check("report-all", json_value(list_runs(ledger, None, ledger_history.at(60))))


def test_bench_of_gpus_fits_its_schema() -> None:
    check("bench", json_value(measure.document(h200())))


def test_refreshed_prices_fit_their_schema() -> None:
    answer = SourceAnswer(
        source="aws", offers=3, new=1, changed=1, jumps=["a"], rejected=0, absent=["aws/L4"], notes=[]
    )
    silent = SilentSource(source="gcp", reason="no answer", hint="try again")
    changed = ChangedPrices(
        cloud="aws",
        purchase="spot",
        added=1,
        removed=0,
        dearer=1,
        cheaper=0,
        same=1,
        not_read=0,
        median_change=0.1,
        oldest="2026-11-02",
    )
    unmoved = replace(changed, median_change=None, oldest=None)
    document = RefreshDocument(
        at="2026-11-02T08:00:00+00:00",
        book="b.csv",
        offers=3,
        rejected=0,
        answered=[answer],
        silent=[silent],
        changes=[changed, unmoved],
    )
    check("prices-refresh", json_value(document))


def test_document_with_a_mistyped_field_is_refused() -> None:
    body = json_value(sample_report.document())
    with pytest.raises(jsonschema.ValidationError):
        check("report", body | {"run": 1})
    with pytest.raises(jsonschema.ValidationError):
        check("report", {key: value for key, value in body.items() if key != "spend"})
