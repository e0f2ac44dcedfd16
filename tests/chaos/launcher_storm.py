"""A run whose launchers, workers and records all go wrong: two laptops, kills, damaged and deleted objects.

python -m tests.chaos.launcher_storm --acts 100 --seed 1

Every command is the real one, in a process of its own. Where a command refuses, its advice is followed: what it says
cannot be read is deleted, and the run is resumed. At the end the output is held against the corpus by
`tests/chaos/reference.py`, which shares no code with the product. Prints the counts as JSON.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.chaos.reference import Verdict, check, expected
from tests.support.paths import ROOT

DOCUMENTS, WORDS = 300, 60  # of a file; shards have 16k tokens
PAUSE = (0.3, 2.5)  # seconds between two acts
PATIENCE = 900.0  # seconds for one command
ROUNDS = 30  # of resume and verify, with what they advise between
DAMAGES = (b"", b"{", b"\x00\xff\x00", b'{"schema": "embedfleet/receipt/99"}')
KEY = r"(?:_embedfleet|data)/\S+\.(?:json|parquet)"
UNREADABLE = re.compile(
    rf"cannot be read(?:, the first is|:) ({KEY})|({KEY}) (?:cannot be read|is not the file)"
)
JOB = """\
name: storm
corpus: {path: corpus, text: text, id: id}
model: hash
output: {path: out}
engine: hash
local: {workers: 2}
"""


@dataclass
class Storm:
    """The folder of a storm, its dice, and what was done and seen."""

    folder: Path
    dice: random.Random
    seconds: float
    acts: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])
    launchers: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])
    run: str = ""

    @property
    def output(self) -> Path:
        return self.folder / "out"

    def command(self, laptop: str, *words: str) -> subprocess.Popen[str]:
        """Start the real command on one of the laptops: each has its own ledger."""
        environment = os.environ | {
            "EMBEDFLEET_RUNS": str(self.folder / laptop),
            "EMBEDFLEET_HASH_SECONDS": str(self.seconds),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "500",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "launcher.cli", *words],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def ended(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """The exit status of a command and all that it printed; a traceback is a fault."""
        said, _ = process.communicate(timeout=PATIENCE)
        if "Traceback" in said:
            self.faults.append(f"a traceback: {said[-600:]}")
        return process.returncode, said

    def settle(self, laptop: str) -> str:
        """Resume, verify and do what they advise, until verify has no fault; what it says at the end, else ""."""
        said = ""
        for _ in range(ROUNDS):
            if not (self.folder / laptop / "ledger.db").exists():
                self.ended(self.command(laptop, "ledger", "rebuild", "out"))
            status, said = self.ended(self.command(laptop, "resume", self.run))
            if status == 0:
                status, said = self.ended(self.command(laptop, "verify", self.run))
                if status == 0:
                    return ""
            if f"embedfleet finish {self.run}" in said:
                self.ended(self.command(laptop, "finish", self.run))
            for before, after in UNREADABLE.findall(said):
                (self.output / (before or after)).unlink(missing_ok=True)
        return said


def build(folder: Path, files: int, seed: int) -> None:
    """A corpus of random words."""
    rng = random.Random(seed)
    folder.mkdir()
    for number in range(files):
        lines = [
            json.dumps(
                {"id": f"{number}-{n}", "text": " ".join(f"w{rng.randrange(3_000)}" for _ in range(WORDS))}
            )
            for n in range(DOCUMENTS)
        ]
        (folder / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def kill_worker(storm: Storm) -> bool:
    """SIGKILL a worker of this storm, or freeze it and wake it later."""
    found = [p for p in psutil.process_iter(["cmdline"]) if _is_worker(p, storm.folder)]
    if not found:
        return False
    storm.dice.choice(found).send_signal(signal.SIGKILL)
    return True


def kill_launcher(storm: Storm) -> bool:
    alive = [p for p in storm.launchers if p.poll() is None]
    if not alive:
        return False
    process = storm.dice.choice(alive)
    process.kill()
    storm.ended(process)
    return True


def start_launcher(storm: Storm) -> bool:
    """Resume on either laptop, whether another launcher is at work or not; one without a ledger makes it first."""
    laptop = storm.dice.choice(("ann", "bob"))
    if not (storm.folder / laptop / "ledger.db").exists():
        storm.ended(storm.command(laptop, "ledger", "rebuild", "out"))
    storm.launchers.append(storm.command(laptop, "resume", storm.run))
    return True


def lose_ledger(storm: Storm) -> bool:
    """A laptop's ledger is deleted while nothing runs there that holds it open."""
    if any(p.poll() is None for p in storm.launchers):
        return False
    shutil.rmtree(storm.folder / storm.dice.choice(("ann", "bob")), ignore_errors=True)
    return True


def damage(pattern: str) -> Callable[[Storm], bool]:
    def act(storm: Storm) -> bool:
        path = _any(storm, pattern)
        if path is None:
            return False
        path.write_bytes(storm.dice.choice((*DAMAGES, path.read_bytes()[:40])))
        return True

    return act


def delete(pattern: str) -> Callable[[Storm], bool]:
    def act(storm: Storm) -> bool:
        path = _any(storm, pattern)
        if path is None:
            return False
        path.unlink(missing_ok=True)
        return True

    return act


ACTS: Mapping[str, tuple[int, Callable[[Storm], bool]]] = {
    "workers killed": (10, kill_worker),
    "launchers killed": (4, kill_launcher),
    "launchers started": (6, start_launcher),
    "ledgers deleted": (1, lose_ledger),
    "receipts damaged": (2, damage("_embedfleet/*/receipts/*/*.json")),
    "receipts deleted": (1, delete("_embedfleet/*/receipts/*/*.json")),
    "vectors deleted": (1, delete("data/*.parquet")),
    "heartbeats damaged": (2, damage("_embedfleet/*/workers/*.json")),
    "spend records deleted": (1, delete("_embedfleet/*/budget/spent-*.json")),
}


def run_storm(folder: Path, seed: int, acts: int, files: int) -> dict[str, Any]:
    """One storm: so many acts, then calm, and the verdict."""
    storm = Storm(folder, random.Random(seed), seconds=0.15)
    build(folder / "corpus", files, seed)
    (folder / "job.yaml").write_text(JOB, encoding="utf-8")
    storm.launchers.append(storm.command("ann", "launch", "job.yaml", "--on", "local", "--probe", "1"))
    _wait_for_run(storm)
    names, weights = list(ACTS), [weight for weight, _ in ACTS.values()]
    try:
        while sum(storm.acts.values()) < acts:
            time.sleep(storm.dice.uniform(*PAUSE))
            name = storm.dice.choices(names, weights)[0]
            storm.acts[name] += ACTS[name][1](storm)
    finally:
        for process in storm.launchers:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            storm.ended(process)
    if said := storm.settle("ann"):
        storm.faults.append(f"not verified after {ROUNDS} rounds: {said[-900:]}")
    verdict = _verdict(storm)
    return {
        "seed": seed,
        "acts": dict(storm.acts),
        "rows": verdict.rows,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "different": verdict.different,
        "faults": [*storm.faults, *verdict.faults],
    }


def _verdict(storm: Storm) -> Verdict:
    """The output beside the corpus. Of a shard that was put back, its last receipt counts."""

    receipts = f"_embedfleet/{storm.run}/receipts/"

    def names(prefix: str) -> list[str]:
        found = [str(p.relative_to(storm.output)) for p in storm.output.rglob("*") if p.is_file()]
        found = [key for key in found if key.startswith(prefix)]
        return _newest(storm.output, found) if prefix == receipts else found

    shards = len(names(receipts))  # a shard without one shows as rows that are lost
    wanted = expected(storm.folder / "corpus")
    return check(storm.run, shards, wanted, names, lambda key: (storm.output / key).read_bytes())


def _newest(output: Path, keys: list[str]) -> list[str]:
    newest: dict[str, tuple[int, str]] = {}
    for key in keys:
        if not key.endswith(".json"):
            continue
        try:
            one = json.loads((output / key).read_bytes())
        except ValueError:
            continue  # its rows count as lost
        newest[one["shard"]] = max(newest.get(one["shard"], (-1, "")), (one.get("retry", 0), key))
    return [key for _, key in newest.values()]


def _wait_for_run(storm: Storm) -> None:
    until = time.monotonic() + PATIENCE
    while not (found := list(storm.output.glob("_embedfleet/*/manifest/run.json"))):
        if storm.launchers[0].poll() is not None:
            raise SystemExit(storm.ended(storm.launchers[0])[1])
        if time.monotonic() > until:
            raise SystemExit("the run did not begin")
        time.sleep(0.2)
    storm.run = found[0].parents[1].name


def _any(storm: Storm, pattern: str) -> Path | None:
    found = sorted(storm.output.glob(pattern))
    return storm.dice.choice(found) if found else None


def _is_worker(process: psutil.Process, folder: Path) -> bool:
    """Whether it is a worker of this storm: its command line names the storm's own output."""
    words: list[str] = process.info["cmdline"] or []
    return "tasks.worker" in words and str(folder / "out") in words


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.launcher_storm")
    parser.add_argument("--acts", type=int, default=100, help="kills, damages and launches of one storm")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--storms", type=int, default=1)
    parser.add_argument("--files", type=int, default=40, help="of the corpus")
    arguments = parser.parse_args()
    bad = False
    for seed in range(arguments.seed, arguments.seed + arguments.storms):
        with TemporaryDirectory(prefix="storm-") as folder:
            found = run_storm(Path(folder).resolve(), seed, arguments.acts, arguments.files)
        print(json.dumps(found), flush=True)
        bad = bad or bool(found["faults"] or found["lost"] or found["doubled"] or found["different"])
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
