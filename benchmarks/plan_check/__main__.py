"""`make check-plans`: plan jobs offline with the command line as a process, and check each plan a second time.

    python -m benchmarks.plan_check [JOB.yaml ...] [--cases FOLDER]

Without arguments: the jobs beside this file, and those of ../shared/cases/plans where that folder is. The ledger is an
empty one, so that nothing measured on this machine changes a plan. Prints JSON; the exit status is 1 where a plan
deviates from the second calculation.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.plan_check import arithmetic, choice
from benchmarks.plan_check.findings import Findings
from benchmarks.plan_check.snapshot import ROOT, Snapshot
from benchmarks.plan_check.steered import check_steered

JOBS = Path(__file__).parent / "jobs"
CASES = ROOT.parent / "shared" / "cases" / "plans"
REFUSED = 3  # exit status: no fleet keeps the limits
SECONDS = 600  # for a plan, on a busy machine


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan_check")
    parser.add_argument("jobs", nargs="*", type=Path)
    parser.add_argument("--cases", type=Path, default=CASES, help="a folder with further jobs")
    arguments = parser.parse_args()
    cases: list[Path] = sorted(arguments.cases.glob("*.yaml"))
    paths: list[Path] = arguments.jobs or [*sorted(JOBS.glob("*.yaml")), *cases]
    snapshot = Snapshot()
    plans: dict[str, dict[str, Any]] = {}
    for path in paths:
        plans[path.stem] = found = check_job(path, snapshot)
        print(
            path.stem, found["status"], json.dumps(found.get("deviations", [])), file=sys.stderr, flush=True
        )
    body = {
        "schema": "embedfleet/plan-check/1",
        "jobs": len(plans),
        "planned": sum(plan["status"] == "planned" for plan in plans.values()),
        "checks": sum(plan.get("checks", 0) for plan in plans.values()),
        "deviations": sum(len(plan.get("deviations", ())) for plan in plans.values()),
        "skipped": {} if cases or arguments.jobs else {str(arguments.cases.name): "the folder is not here"},
        "plans": plans,
    }
    print(json.dumps(body, indent=1))
    return 1 if body["deviations"] else 0


def check_job(path: Path, snapshot: Snapshot) -> dict[str, Any]:
    """Plan one job and check the plan."""
    with tempfile.TemporaryDirectory() as runs:
        command = [
            sys.executable,
            "-m",
            "launcher.cli",
            "plan",
            str(path),
            "--offline",
            "--json",
            "--runs",
            runs,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=SECONDS)
    if done.returncode == REFUSED:
        return {"status": "refused", "message": done.stderr.strip()}
    if done.returncode:
        return {
            "status": "failed",
            "deviations": [{"check": "plan ends with 0 or 3", "said": done.returncode, "found": done.stderr}],
        }
    job = yaml.safe_load(path.read_text(encoding="utf-8"))
    return check(json.loads(done.stdout), job, snapshot)


def check(plan: dict[str, Any], job: dict[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """All checks of a plan, as JSON."""
    found = Findings()
    arithmetic.check_totals(plan, job, found)
    arithmetic.check_hours(plan, snapshot, found)
    arithmetic.check_shares(plan, snapshot, found)
    arithmetic.check_machine_items(plan, snapshot, found)
    arithmetic.check_disks(plan, snapshot, found)
    arithmetic.check_storage(plan, job, snapshot, found)
    arithmetic.check_egress(plan, job, snapshot, found)
    arithmetic.check_controller(plan, found)
    check_steered(plan, found)
    choice.check_limits(plan, job, found)
    choice.check_quotes(plan, job, snapshot, found)
    choice.check_single_types(plan, job, found)
    choice.check_overlooked(plan, job, snapshot, found)
    totals = plan["totals"]
    fleet = "; ".join(
        f"{group['machines']} x ({group['gpus_per_machine']:g} x {group['gpu']}) {group['cloud']} "
        f"{group['regions'][0]} {'spot' if group['spot'] else 'on demand'}"
        for group in plan["lots"]
    )
    return {
        "status": "planned",
        "fleet": fleet,
        "hours": totals["hours"],
        "usd": totals["usd"],
        **found.document(),
    }


if __name__ == "__main__":
    sys.exit(main())
