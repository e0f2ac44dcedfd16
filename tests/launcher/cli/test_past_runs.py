"""A finished run is remembered beside its plan, and the next plan on this laptop says how it came."""

import json
from pathlib import Path

from launcher.ledger.ledger import Ledger
from tests.support.cli_runs import in_process, records, write_job
from tests.support.runs import write_jsonl


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
