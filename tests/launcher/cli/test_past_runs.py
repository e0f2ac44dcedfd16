"""A finished run is remembered beside its plan, and the next plan on this laptop says how it came."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Site
from launcher.ledger.steering_records import Ask, AskAnswer
from tasks.clock import utc
from tests.support.cli_runs import in_process, records, write_job
from tests.support.ledger_values import create_run
from tests.support.runs import write_jsonl

DECLARED = """
name: books
corpus: {documents: 29.5e6, tokens_per_document: 102}
model: BAAI/bge-large-en-v1.5
limits: {deadline: 6h, gpus: [L4], clouds: [gcp], machines: 20}
"""


def test_next_plan_shows_how_the_last_run_came(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [40] * 200))
    job = write_job(tmp_path, local="{workers: 1, usd_per_hour: 0.05}")
    plan = ("plan", job, "--on", "local", "--probe", "0.2")
    first = in_process(*plan, "--json", folder=tmp_path)
    totals = json.loads(first.stdout)["totals"]
    assert "past_runs" not in totals
    # nothing varies in the seconds of a measurement of the hash engine; from run to run it does
    assert totals["hours"]["p10"] < 0.99 * totals["hours"]["p50"]
    assert totals["hours"]["p90"] > 1.2 * totals["hours"]["p50"]
    assert (
        "a run is assumed to be 25 % slower to 10 % faster, because no run has finished here yet"
        in first.stdout
    )

    launched = in_process("launch", job, "--yes", "--on", "local", "--probe", "0.2", folder=tmp_path)
    assert launched.returncode == 0, launched.stderr
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        (outcome,) = ledger.outcomes.all()
    assert (outcome.place, outcome.basis, outcome.engine) == ("local", "measured", "hash")
    low, high = outcome.hours_p10, outcome.hours_p90
    assert outcome.hours is not None
    assert low is not None
    assert high is not None
    assert outcome.usd is not None
    assert outcome.speed is not None

    write_jsonl(tmp_path / "in" / "b.jsonl", records("e", [40] * 200, seed=1))
    second = json.loads(in_process(*plan, "--json", folder=tmp_path).stdout)["totals"]
    past = second["past_runs"]
    inside = low <= outcome.hours <= high
    assert (past["runs"], past["hours"]["runs"], past["hours"]["inside"]) == (1, 1, int(inside))
    assert second["hours"]["p10"] <= second["hours"]["p50"] <= second["hours"]["p90"]
    assert "no run has finished here yet" not in json.dumps(second)
    assert (
        "your last run on this machine with measured speeds: time "
        in in_process(*plan, folder=tmp_path).stdout
    )


def steered_plan(folder: Path) -> dict[str, Any]:
    done = in_process("plan", folder / "job.yaml", "--offline", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["steering"]


def test_next_plan_begins_from_what_a_steered_run_saw_of_its_places(tmp_path: Path) -> None:
    """The cheapest place of the first plan had no machine for 19 hours: the second expects less of it."""
    (tmp_path / "job.yaml").write_text(DECLARED, encoding="utf-8")
    before = steered_plan(tmp_path)
    assert "priors" not in before
    kind = next(one for one in before["envelope"]["kinds"] if one["spot"])
    place = f"{kind['cloud']}/{kind['region']}"
    began = utc() - timedelta(days=1)
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        create_run(ledger, created=began)
        for hour in range(20):
            at, name = began + timedelta(hours=hour), f"r1-l0m{hour}-0"
            ledger.machines.intend(
                "r1", name, hour, None, at, lot=0, site=Site("gcp", kind["region"], None, "spot")
            )
            ledger.steering.record_asks("r1", [Ask(name, at, place, "spot", "L4", "g2-standard-4", 1)])
            ledger.steering.answer(name, AskAnswer.NONE, at, "backend")
    after = steered_plan(tmp_path)
    assert [(one["place"], one["gpu"], one["purchase"]) for one in after["priors"]] == [(place, "L4", "spot")]
    assert after["assumes"][-1].startswith("from 1 earlier run on this laptop, the newest 5 h")
    assert float(after["usd"]["p50"]) > float(before["usd"]["p50"])
