"""`embedfleet ledger rebuild OUTPUT`: a ledger made anew from the output path alone, on whatever laptop.

The store holds the truth: the plan as it was launched, the manifest, every receipt, what each worker said last. Only
money that nobody wrote there is gone, and stays unknown. Done twice, or beside a ledger that knows the run, it adds
what is missing and changes nothing else. `add` is called for every command line, so all else is imported later.
"""

import argparse
import json
import re
from argparse import Namespace
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.errors import Problem
from tasks.protocol.keys import plan_key, runs_of

if TYPE_CHECKING:
    from launcher.ledger.ledger import Ledger
    from launcher.ledger.records import Run
    from tasks.protocol.heartbeat import Pulse
    from tasks.protocol.manifest import Header
    from tasks.stores.base import Store

SCHEMA = "embedfleet/ledger/1"
WORKER = re.compile(r"(.+)-\d+(?:r\d+)?")  # of a rented machine: see `tasks.supervisor`


def add(commands: Any, runs: Callable[[argparse.ArgumentParser], None]) -> None:
    """The command among the others of `commands`; `runs` gives it its --runs."""
    ledger = commands.add_parser("ledger", help="make the ledger anew from an output path")
    actions = ledger.add_subparsers(dest="action", required=True, metavar="ACTION")
    rebuild = actions.add_parser("rebuild", help="learn all runs of an output path, then resume any of them")
    rebuild.add_argument(
        "output", metavar="OUTPUT", help="a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
    )
    runs(rebuild)
    rebuild.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: Namespace) -> int:
    """Rebuild, and say what was found."""
    from launcher.cli.console import show  # noqa: PLC0415
    from launcher.cli.progress import say  # noqa: PLC0415
    from launcher.ledger.ledger import Ledger  # noqa: PLC0415
    from tasks.stores.open import open_store  # noqa: PLC0415

    output: str = arguments.output
    path = output if "://" in output else str(Path(output).absolute())
    store = open_store(path)
    names = list(runs_of(store))
    if not names:
        raise Problem(f"no run under {path}", hint="name the output.path of a job that was launched")
    found: list[dict[str, Any]] = []
    with Ledger.open(arguments.runs / "ledger.db") as ledger:
        for name in names:
            say(f"reading run {name}")
            found.append(_told(ledger, rebuild(ledger, store, path, name)))
    show({"schema": SCHEMA, "output": path, "runs": found}, _text, as_json=arguments.json)
    return 0


def rebuild(ledger: "Ledger", store: "Store", output: str, name: str) -> "Run":
    """Write down all that the store knows of a run.

    Raises:
        Problem: the run has no plan in the store.
    """
    from launcher.fleet.monitoring.store_observer import Eye  # noqa: PLC0415
    from launcher.jobs import job as jobs  # noqa: PLC0415
    from launcher.ledger.records import RunState  # noqa: PLC0415
    from launcher.planning import plan as plans  # noqa: PLC0415
    from tasks.clock import utc  # noqa: PLC0415
    from tasks.protocol import manifest  # noqa: PLC0415
    from tasks.stores.base import read  # noqa: PLC0415

    text = read(store, plan_key(name))
    if text is None:
        raise Problem(
            f"run {name} has no plan under {output}: it was launched by an older version",
            hint="resume it where it was launched from, with the ledger there",
        )
    body = plans.check(json.loads(text))
    created = next(entry.modified for entry in store.list(plan_key(name)))
    job = jobs.load(body["work"]["job"])
    ledger.create_run(name, job.name, json.dumps(body), body["digest"], output, created)
    try:
        header = manifest.read_header(store, name)
    except manifest.NoRun:  # its launcher died before the manifest was whole: `resume` writes it
        return ledger.find(name)
    ledger.add_shards(name, manifest.every_shard(store, header))
    eye = Eye(store, ledger, header)
    eye.receipts()
    _machines(ledger, eye, header, body)
    eye.lost()
    if ledger.find(name).state == RunState.PLANNED:
        ledger.set_run_state(name, RunState.DONE if eye.finished else RunState.STOPPED, utc())
        ledger.note(name, "rebuilt", f"from {output}", utc())
    return ledger.find(name)


def _machines(ledger: "Ledger", eye: Any, header: "Header", body: dict[str, Any]) -> None:
    """Each machine as its workers told of it. Whoever still works there is found by its cloud, not by us."""
    from launcher.fleet.monitoring.store_observer import returned_of  # noqa: PLC0415
    from launcher.ledger.records import MachineState  # noqa: PLC0415
    from tasks.protocol.heartbeat import load  # noqa: PLC0415
    from tasks.protocol.keys import root  # noqa: PLC0415
    from tasks.stores.base import every, read  # noqa: PLC0415

    lot = body["lots"][0]
    local = lot["cloud"] == "local"
    price = Decimal(lot["usd_per_hour"]) / int(lot["workers"]) if local and lot["usd_per_hour"] else None
    pulses: dict[str, list[Pulse]] = {}
    for entry in every(eye.store, f"{root(header.run)}/workers/"):
        said = read(eye.store, entry.key)
        if said is None:
            continue
        pulse = load(said)
        rented = WORKER.fullmatch(pulse.worker)
        pulses.setdefault(rented[1] if rented and not local else pulse.worker, []).append(pulse)
    for number, (machine, told) in enumerate(sorted(pulses.items(), key=lambda one: one[1][0].started)):
        started = min(datetime.fromisoformat(pulse.started) for pulse in told)
        gpu = str(lot["gpu"])
        if not ledger.intend_machine(header.run, machine, number, price, started, gpu=gpu):
            continue
        ledger.confirm_machine(machine, f"{told[0].pid}:{machine}", started)
        ready = [datetime.fromisoformat(pulse.ready) for pulse in told if pulse.ready]
        if ready:
            ledger.ready_machine(machine, min(ready))
        ended = max(datetime.fromisoformat(pulse.stopping or pulse.at) for pulse in told)
        well = all(pulse.state in ("done", "stopped") for pulse in told)
        state = MachineState.STOPPED if well else MachineState.LOST
        ledger.end_machine(machine, state, max(started, ended), "its last sign of life, by the output path")
    for pulse in (pulse for told in pulses.values() for pulse in told):
        ledger.record_leases(header.run, [returned_of(pulse.worker, entry) for entry in pulse.returned])


def _told(ledger: "Ledger", run: "Run") -> dict[str, Any]:
    progress = ledger.progress(run.id)
    return {
        "run": run.id,
        "state": run.state.value,
        "shards": progress.shards,
        "shards_done": progress.shards_done,
        "documents": progress.documents,
        "failed_rows": progress.failed_rows,
        "workers": len(ledger.machines(run.id)),
    }


def _text(body: dict[str, Any]) -> str:
    lines: list[str] = []
    for one in body["runs"]:
        left = one["shards"] - one["shards_done"]
        todo = f"{left:,} left: embedfleet resume {one['run']}" if left else "nothing is left to do"
        if not one["shards"]:
            todo = f"its manifest is not written yet: embedfleet resume {one['run']}"
        lines.append(
            f"{one['run']}: {one['state'].lower()}, {one['shards_done']:,} of {one['shards']:,} shards, "
            f"{one['documents']:,} documents, {one['workers']} workers; {todo}"
        )
    return "\n".join(lines)
