"""A job on a test cluster: its corpus, its plan, its launcher, and what the ledger has of it."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Life, Machine
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.saved import plan_file
from tasks.clock import utc
from tests.support.clusters.skyhome import CLOUD, ROOT, Sky
from tests.support.clusters.slurm import PRICES, Slurm

PATIENCE = 900.0  # seconds for a launch on a machine that does other things too
SLOW = {"EMBEDFLEET_HASH_SECONDS": "0.5"}  # of 1,000 tokens: slow enough to be disturbed


def wait(until: Callable[[], object], patience: float = PATIENCE, pause: float = 1.0) -> None:
    end = time.monotonic() + patience
    while not until():
        assert time.monotonic() < end, "it took too long"
        time.sleep(pause)


class Launches:
    """A folder to launch from, with a SkyPilot that rents."""

    def __init__(self, sky: Sky, folder: Path, worker_env: Path) -> None:
        self.sky = sky
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.worker_env = worker_env
        self.settings: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        return self.sky.environment | {
            "EMBEDFLEET_WORKER_ENV": str(self.worker_env),
            "EMBEDFLEET_POLL_SECONDS": "3",
            "EMBEDFLEET_COLD_START_SECONDS": "60",
            "HF_HUB_OFFLINE": "1",
        } | self.settings  # fmt: skip

    def command(self, *words: str) -> list[str]:
        return [str(CLOUD / "bin" / "python"), "-m", "launcher.cli", *words]

    def start(self, *words: str, log: str = "launcher.log") -> "subprocess.Popen[bytes]":
        """A command that goes on by itself; its words are in the log."""
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(
                self.command(*words), cwd=self.folder, env=self._here(), stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, umask=0,
            )  # fmt: skip

    def run(
        self, *words: str, timeout: float = 300, python: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command, run to its end; `python` of another environment than the one that rents."""
        command = self.command(*words)
        return subprocess.run(
            [python, *command[1:]] if python else command, cwd=self.folder, env=self._here(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False, umask=0,
        )  # fmt: skip

    def _here(self) -> dict[str, str]:
        path = f"{self.environment['PYTHONPATH']}{os.pathsep}{ROOT}"
        return self.environment | {"PYTHONPATH": path, "EMBEDFLEET_RUNS": str(self.folder / "runs")}

    def said(self, log: str = "launcher.log") -> str:
        return (self.folder / log).read_text(errors="replace")

    def machines(self, run: str) -> list[Machine]:
        path = self.folder / "runs" / "ledger.db"
        if not path.exists():
            return []
        with Ledger.open(path) as ledger:
            return ledger.machines.of_run(run) if ledger.runs.get(run) else []

    def lives(self, run: str) -> list[Life]:
        with Ledger.open(self.folder / "runs" / "ledger.db") as ledger:
            return ledger.machines.lives(run)

    def events(self, run: str) -> list[str]:
        with Ledger.open(self.folder / "runs" / "ledger.db") as ledger:
            return [f"{e.kind}: {e.text}" for e in ledger.runs.events(run)]


def place(region: str, zone: str | None, kind: str, machines: int, usd: object) -> dict[str, Any]:
    """Where so many machines of a lot are to be."""
    return {
        "region": region, "zone": zone, "instance_type": kind, "machines": machines, "usd_per_hour": str(usd),
    }  # fmt: skip


def group(
    cloud: str, gpu: str, places: Sequence[dict[str, Any]], *, spot: bool, rate: float
) -> dict[str, Any]:
    """As a plan has it; the first place is the one it is priced by."""
    return {
        "gpu": gpu,
        "gpus_per_machine": 1.0,
        "cloud": cloud,
        "regions": [one["region"] for one in places],
        "spot": spot,
        "machines": sum(one["machines"] for one in places),
        "workers": 1,
        "threads": 1,
        "tokens": 0,
        "tokens_per_second": rate,
        "speed_source": "assumed by a test",
        "usd_per_hour": places[0]["usd_per_hour"],
        "usd_per_million_tokens": None,
        "places": list(places),
    }


def rented(body: dict[str, Any], groups: Sequence[Mapping[str, Any]], engine: str) -> dict[str, Any]:
    """A plan of this machine, as a plan that rents these groups."""
    body.pop("digest")
    body["lots"] = list(groups)
    body["totals"]["machines"] = sum(group["machines"] for group in groups)
    body["totals"]["usd"] = {"p10": "0.10", "p50": "0.20", "p90": "0.50"}
    body["work"]["engine"] = engine
    return plan_file.signed(body)


class Rental(Launches):
    """A folder that every machine sees, with a job whose plan rents a group of L4 on spot and one of H100 on demand."""

    def __init__(
        self, cluster: Slurm, name: str, *, model: str, engine: str, machines: tuple[int, int] = (2, 1)
    ) -> None:
        super().__init__(cluster.sky, cluster.shared / name, cluster.folder / "worker-env")
        self.cluster = cluster
        self.model = model
        self.engine = engine
        self.wanted = machines

    def plan(self, *, tokens_per_second: float = 400.0) -> str:
        """Write the plan of the corpus in `in`; return the run's name."""
        job = self.folder / "job.yaml"
        job.write_text(
            f"name: {self.folder.name}\ncorpus: {{path: in, text: text, id: id}}\nmodel: {self.model}\n"
            f"engine: {self.engine}\nchunk: {{tokens: 128, overlap: 16}}\noutput: {{path: out}}\n"
        )
        choices = planner.PlanOptions(on="local", probe_seconds=0.1)
        body = plans.to_json(planner.make_plan(*read_job(job), choices, utc(), lambda _: None))
        groups = [
            self._group("L4", "spot", self.wanted[0], tokens_per_second),
            self._group("H100", "ondemand", self.wanted[1], tokens_per_second),
        ]
        (self.folder / "plan.json").write_text(json.dumps(rented(body, groups, self.engine)))
        return str(body["run"])

    def _group(self, gpu: str, partition: str, machines: int, rate: float) -> dict[str, Any]:
        regions = ["east", "west"] if partition == "spot" else ["east"]
        places = [
            place(region, partition, "", machines if region == "east" else 0, PRICES[region, partition][gpu])
            for region in regions
        ]
        return group("slurm", gpu, places, spot=partition == "spot", rate=rate)

    def done(self, run: str) -> int:
        """Shards with a receipt."""
        return len(list((self.folder / "out" / "_embedfleet" / run / "receipts").glob("*/*.json")))


def open_to_all(folder: Path) -> None:
    """Let the machines' user read and write here."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
