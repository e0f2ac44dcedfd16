"""A job on the Slurm bed for the tests of rented machines: its corpus, its plan of two lots, its launcher."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from launcher import plan as plans
from launcher import planner
from launcher.planning import read_job
from tasks.heart import utc
from tests.beds.skyhome import CLOUD, ROOT
from tests.beds.slurm import PRICES, Slurm


class Rental:
    """A folder that every machine sees, with a job whose plan rents an L4 lot on spot and an H100 lot on demand."""

    def __init__(
        self, bed: Slurm, name: str, *, model: str, engine: str, machines: tuple[int, int] = (2, 1)
    ) -> None:
        self.bed = bed
        self.folder = bed.shared / name
        self.folder.mkdir(parents=True)
        self.model = model
        self.engine = engine
        self.machines = machines
        self.settings: dict[str, str] = {}

    def plan(self, *, tokens_per_second: float = 400.0) -> str:
        """The plan of what lies in `in`; the run's name."""
        job = self.folder / "job.yaml"
        job.write_text(
            f"name: {self.folder.name}\ncorpus: {{path: in, text: text, id: id}}\nmodel: {self.model}\n"
            f"engine: {self.engine}\nchunk: {{tokens: 128, overlap: 16}}\noutput: {{path: out}}\n"
        )
        choices = planner.Choices(on="local", probe_seconds=0.1)
        body = plans.to_json(planner.make(*read_job(job), choices, utc(), lambda _: None))
        body.pop("digest")
        body["lots"] = [
            self._lot("L4", "spot", self.machines[0], tokens_per_second),
            self._lot("H100", "ondemand", self.machines[1], tokens_per_second),
        ]
        body["totals"]["machines"] = sum(self.machines)
        body["totals"]["usd"] = {"p10": "0.10", "p50": "0.20", "p90": "0.50"}
        body["work"]["engine"] = self.engine
        (self.folder / "plan.json").write_text(json.dumps(plans.signed(body)))
        return str(body["run"])

    def _lot(self, gpu: str, partition: str, machines: int, rate: float) -> dict[str, Any]:
        regions = ["east", "west"] if partition == "spot" else ["east"]
        places = [
            {
                "region": region,
                "zone": partition,
                "instance_type": "",
                "machines": machines if region == "east" else 0,
                "usd_per_hour": str(PRICES[region, partition][gpu]),
            }
            for region in regions
        ]
        return {
            "gpu": gpu,
            "gpus_per_machine": 1.0,
            "cloud": "slurm",
            "regions": regions,
            "spot": partition == "spot",
            "machines": machines,
            "workers": 1,
            "threads": 1,
            "tokens": 0,
            "tokens_per_second": rate,
            "speed_source": "assumed by a test",
            "usd_per_hour": places[0]["usd_per_hour"],
            "usd_per_million_tokens": None,
            "places": places,
        }

    @property
    def environment(self) -> dict[str, str]:
        return self.bed.sky.environment | {
            "EMBEDFLEET_WORKER_ENV": str(self.bed.folder / "worker-env"),
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

    def done(self, run: str) -> int:
        """Shards with a receipt."""
        return len(list((self.folder / "out" / "_embedfleet" / run / "receipts").glob("*/*.json")))


def open_to_all(folder: Path) -> None:
    """Let the machines' user read and write here."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
