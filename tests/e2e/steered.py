"""Steered jobs of the hash engine: what their plans may rent, how they are judged, and those on the Slurm cluster."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from launcher.ledger.steering_records import Ask, DecisionRecord
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.saved import plan_file
from tasks.clock import utc
from tests.e2e.rental import SLOW, Launches, group, open_to_all, place, rented
from tests.support.cli_runs import records
from tests.support.clusters.slurm import PRICES, Slurm
from tests.support.runs import write_jsonl

GPU = "L4"
DOCUMENTS = 32  # of a shard
TOKENS_PER_SECOND = 2_000.0  # of the hash engine with SLOW, as it sleeps for half a second a thousand tokens
SLOW_SHARE = 0.7  # of that, at the slow end
COLD_START_SECONDS = 90
MACHINES = 2


class SteeredRental(Launches):
    """A job of the hash engine over `shards` shards, whose plan may rent `MACHINES` machines, spot or on demand."""

    def __init__(self, cluster: Slurm, name: str, shards: int, deadline: str) -> None:
        super().__init__(cluster.sky, cluster.shared / name, cluster.folder / "worker-env")
        self.cluster = cluster
        self.shards = shards
        self.deadline = deadline
        self.settings = {**SLOW, "EMBEDFLEET_COLD_START_SECONDS": str(COLD_START_SECONDS)}
        (self.folder / "in").mkdir()
        write_jsonl(self.folder / "in" / "a.jsonl", records("d", [510] * DOCUMENTS * shards))

    def plan(self) -> str:
        """Write the plan; return the run's name."""
        job = self.folder / "job.yaml"
        job.write_text(
            f"name: {self.folder.name}\ncorpus: {{path: in, text: text, id: id}}\nmodel: hash\nengine: hash\n"
            f"chunk: {{tokens: 128, overlap: 16}}\noutput: {{path: out}}\n"
            f"limits: {{deadline: {self.deadline}, budget: $5}}\n"
        )
        choices = planner.PlanOptions(on="local", probe_seconds=0.1)
        body = plans.to_json(planner.make_plan(*read_job(job), choices, utc(), lambda _: None))
        first = place("east", "spot", "", MACHINES, PRICES["east", "spot"][GPU])
        body = rented(body, [group("slurm", GPU, [first], spot=True, rate=TOKENS_PER_SECOND)], "hash")
        body.pop("digest")
        body["steering"] = steering(
            [
                kind("slurm", region, partition, "", spot=partition == "spot", usd=Decimal(str(usd[GPU])))
                for (region, partition), usd in PRICES.items()
            ]
        )
        (self.folder / "plan.json").write_text(json.dumps(plan_file.signed(body)))
        open_to_all(self.folder)
        return str(body["run"])

    def done(self, run: str) -> int:
        """Shards with a receipt."""
        return len(list((self.folder / "out" / "_embedfleet" / run / "receipts").glob("*/*.json")))


def kind(
    cloud: str, region: str, zone: str | None, instance_type: str, *, spot: bool, usd: Decimal
) -> dict[str, Any]:
    """What a plan says of machines in one place, bought in one way."""
    return {
        "cloud": cloud, "region": region, "zone": zone, "instance_type": instance_type, "gpu": GPU,
        "gpus_per_machine": 1.0, "spot": spot, "machines": MACHINES, "workers": 1, "usd_per_hour": str(usd),
        "usd_per_million_tokens": str(round(usd / Decimal(TOKENS_PER_SECOND) / 3600 * 10**6, 4)),
        "tokens_per_second": TOKENS_PER_SECOND, "tokens_per_second_p10": TOKENS_PER_SECOND * SLOW_SHARE,
        "cold_start_seconds": float(COLD_START_SECONDS), "cold_start_seconds_p90": float(COLD_START_SECONDS),
    }  # fmt: skip


def steering(kinds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The section of a plan that says what may be rented."""
    return {
        "policy": "autopilot",
        "usd": {"p10": "0.10", "p50": "0.20", "p90": "0.50"},
        "hours": {"p10": 0.1, "p50": 0.15, "p90": 0.2},
        "on_demand_share": {"p50": 0.1, "p90": 0.5},
        "chance_late": 0.01,
        "chance_over_budget": 0.0,
        "assumes": ["on-demand L4 can be had in 2 regions (assumed)"],
        "envelope": {"kinds": list(kinds), "machines": MACHINES, "on_demand": MACHINES, "quotas": []},
    }


@dataclass(frozen=True, slots=True)
class Kept:
    """What a steered run that was in time left: its requests to places, its decisions, and its report."""

    asks: Sequence[Ask]
    decisions: Sequence[DecisionRecord]
    report: str
    document: Mapping[str, Any]  # of the report, as JSON


def kept(rental: Launches, run: str, documents: int) -> Kept:
    """Judge a steered run that is over: all rows once, before the deadline, and every decision told."""
    checked = rental.run("verify", run, "--json", python=sys.executable)
    assert checked.returncode == 0, checked.stderr
    verdict = json.loads(checked.stdout)
    assert (verdict["documents"], verdict["fault_count"], verdict["failed_rows"]) == (documents, 0, 0)
    with Ledger.open(rental.folder / "runs" / "ledger.db") as ledger:
        row, progress = ledger.runs.find(run), ledger.shards.progress(run)
        asks, decisions = ledger.steering.asks(run), ledger.steering.decisions(run)
    assert row.state == RunState.DONE
    assert progress.shards_done == progress.shards
    assert all(ask.answer is not None for ask in asks)
    course = json.loads(rental.run("status", run, "--json").stdout)["course"]
    assert course["late_minutes"]["p50"] < 0
    reasons = [one.reason for one in decisions]
    told = [one["reason"] for one in course["decisions"]]
    assert told == reasons[-len(told) :]
    report = rental.run("report", run)
    assert report.returncode == 0, report.stderr
    assert "before the deadline" in report.stdout, report.stdout
    document = json.loads(rental.run("report", run, "--json").stdout)
    assert document["steering"]["late_minutes"] < 0
    assert [one["reason"] for one in document["steering"]["decisions"]] == reasons
    return Kept(asks, decisions, report.stdout, document)
