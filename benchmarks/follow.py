"""What following a fleet costs: seconds of one look at 200 machines, SkyPilot's answer aside, printed as JSON.

The list of jobs is made up; the ledger, the store with the workers' heartbeats, and all that is done with them are
not.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from launcher.fleet.backends.skypilot import SkyPilotBackend
from launcher.fleet.backends.skypilot_status import ManagedJob
from launcher.fleet.controller import Controller
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.ledger.ledger import Ledger
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.shard import Shard, Slice, identify
from tasks.skypilot_task import Place
from tasks.stores.folder import FolderStore
from tasks.worker.monitoring.heartbeat import HeartbeatWriter

MACHINES = 200
SHARDS = 2_000
ROUNDS = 7
RUN = "follow-1a2b3c4d"


class Told(SkyPilotBackend):
    """A SkyPilot that answers at once: all jobs run."""

    def refresh(self) -> None:
        self.jobs = {job.id: job for job in jobs()}


def jobs() -> Sequence[ManagedJob]:
    now = time.time()
    return [
        ManagedJob(
            n,
            f"{RUN}-l0m{n}-0",
            "RUNNING",
            0,
            "AWS",
            "us-east-1",
            None,
            now - 300,
            now - 300,
            None,
            None,
            RUN,
        )
        for n in range(MACHINES)
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(Path(name)), indent=1))


def measure(folder: Path) -> dict[str, float]:
    store = FolderStore(folder / "out")
    slices = [[Slice(f"part-{n:06d}.jsonl", "1-1", "jsonl")] for n in range(SHARDS)]
    shards = [Shard(identify(slices[n]), n, tuple(slices[n]), 1_000) for n in range(SHARDS)]
    header = manifest.Header(
        RUN, str(folder), "text", None, "hash", "hash", "", None, None, "float32", None, 60.0, SHARDS
    )
    manifest.write(store, header, shards)
    place = Place("aws", "us-east-1")
    group = FleetGroup(
        0, MACHINES, f"{RUN}-l0m", (place,), (MACHINES,), cold_start=300, tokens_per_second=1_000
    )
    with Ledger.open(folder / "ledger.db") as ledger:
        ledger.runs.create(RUN, "follow", "{}", "digest", str(folder), utc())
        ledger.shards.add(RUN, shards)
        for job in jobs():
            ledger.machines.intend(RUN, job.name, job.id, None, utc(), lot=0)
            ledger.machines.confirm(job.name, f"{job.id}:{job.name}", utc())
            pulse = Heartbeat(
                run=RUN,
                worker=f"{job.name}-0",
                host="host",
                pid=1,
                started=utc(),
                state="working",
                ready=utc(),
            )
            HeartbeatWriter(store, pulse).write_now()
        context = RunContext(
            ledger=ledger,
            observer=StoreObserver(store, ledger, header),
            backend=Told(folder, store, RUN, {}),
            groups=(group,),
        )
        controller = Controller(context)
        first = look(controller)
        later = [look(controller) for _ in range(ROUNDS)]
    return {
        "machines": MACHINES,
        "first_look_seconds": round(first, 3),
        "look_seconds": round(median(later), 3),
    }


def look(controller: Controller) -> float:
    start = time.perf_counter()
    view = controller.observe()
    assert len(view.workers) == MACHINES
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
