"""The promise, on the demo's corpus with the real model: workers are killed, the launcher is killed, nothing is lost.

The checker shares no code with the product: it reads receipts with json, vectors and corpus with pyarrow and gzip.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from demo.corpus import build

KILLS = 5  # of each slot's workers
PATIENCE = 900  # seconds for one launch
SEED = 7

JOB = """\
name: {name}
corpus: {{path: corpus, text: text, id: id}}
model: {model}
output: {{path: {name}}}
engine: torch
"""


@pytest.mark.e2e
def test_every_worker_is_killed_five_times_and_the_launcher_once_and_no_row_is_lost_doubled_or_changed(
    tmp_path: Path, minilm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path / "corpus")
    launch(tmp_path, "quiet", minilm).wait(PATIENCE)
    launcher = launch(tmp_path, "stormy", minilm)
    dice = random.Random(SEED)
    killed: Counter[str] = Counter()
    storm(tmp_path / "stormy", killed, dice, until=lambda: sum(killed.values()) >= KILLS)
    launcher.kill()
    launcher.wait()
    time.sleep(dice.uniform(1, 4))  # the workers go on alone
    resumed = start(tmp_path, "resume")
    storm(
        tmp_path / "stormy",
        killed,
        dice,
        until=lambda: min(killed["0"], killed["1"]) >= KILLS or resumed.poll() is not None,
    )
    assert resumed.wait(PATIENCE) == 0
    with capsys.disabled():
        print(f"\nkilled by slot: {dict(killed)}, and the launcher once; seed {SEED}")
    assert min(killed["0"], killed["1"]) >= KILLS, "the run ended before every worker was killed often enough"
    expected = ids_of_corpus(tmp_path / "corpus")
    quiet, stormy = vectors(tmp_path / "quiet"), vectors(tmp_path / "stormy")
    assert sorted(quiet) == sorted(expected)
    assert sorted(stormy) == sorted(expected)
    cosines = np.array([float(quiet[name] @ stormy[name]) for name in expected])
    assert cosines.min() >= 0.999
    with capsys.disabled():
        print(f"{len(expected):,} ids in, {len(stormy):,} out, worst cosine {cosines.min():.6f}")
    report = json.loads(next((tmp_path / "runs").glob("stormy-*/report.json")).read_text(encoding="utf-8"))
    assert len([m for m in report["machines"] if m["state"] == "LOST"]) >= 2 * KILLS
    assert report["spend"]["seconds"]["lost"] > 0


def launch(folder: Path, name: str, model: str) -> subprocess.Popen[bytes]:
    (folder / f"{name}.yaml").write_text(JOB.format(name=name, model=json.dumps(model)), encoding="utf-8")
    return start(folder, "launch", f"{name}.yaml", "--on", "local", "--probe", "1")


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "EMBEDFLEET_RUNS": str(folder / "runs")}
    command = [str(Path(sys.executable).parent / "embedfleet"), *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def storm(output: Path, killed: Counter[str], dice: random.Random, until: Callable[[], bool]) -> None:
    """SIGKILL workers that are at work, at random, the less often killed slot first. The dead cannot be hit."""
    deadline = time.monotonic() + PATIENCE
    while not until() and time.monotonic() < deadline:
        time.sleep(dice.uniform(0.5, 4))
        pulses = [json.loads(p.read_bytes()) for p in output.glob("_embedfleet/*/workers/*.json")]
        at_work = [p for p in pulses if p["state"] == "working"]
        at_work.sort(key=lambda p: killed[slot_of(p)])
        hit = next((p for p in at_work if kill(p)), None)
        if hit:
            killed[slot_of(hit)] += 1


def slot_of(pulse: dict[str, Any]) -> str:
    return pulse["worker"].rsplit("-", 2)[1].removeprefix("w")


def kill(pulse: dict[str, Any]) -> bool:
    """Whether this very worker was alive and is now killed."""
    try:
        process = psutil.Process(pulse["pid"])
        if pulse["worker"] not in process.cmdline():
            return False
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    return True


def ids_of_corpus(folder: Path) -> list[str]:
    ids = [name for p in folder.glob("*.parquet") for name in pq.read_table(p)["id"].to_pylist()]
    for path in folder.glob("*.jsonl.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            ids += [json.loads(line)["id"] for line in lines]
    return [str(name) for name in ids]


def vectors(output: Path) -> dict[str, NDArray[np.float32]]:
    """Each id's vector; every id must come once."""
    found: dict[str, NDArray[np.float32]] = {}
    for path in output.glob("_embedfleet/*/receipts/*/*.json"):
        table = pq.read_table(output / json.loads(path.read_bytes())["key"])
        for name, vector in zip(table["id"].to_pylist(), table["vector"].to_pylist(), strict=True):
            assert name not in found, f"{name} came twice"
            found[str(name)] = np.array(vector, np.float32)
    return found
