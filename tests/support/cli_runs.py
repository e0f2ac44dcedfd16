"""Real runs of the hash engine for the tests of the command line: a job, its plan, launchers as processes."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from launcher.cli.main import command_of, main
from launcher.cli.options.commands import Handler
from launcher.documents.status import to_json
from launcher.fleet.status import status_of
from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.planning import plan as plans
from launcher.planning import planner
from tasks.clock import utc
from tests.support.runs import write_jsonl

COMMAND = [sys.executable, "-m", "launcher.cli"]
PATIENCE = 60.0  # seconds; machines that run tests are busy


def environment(**changes: str) -> dict[str, str]:
    """Ours, without what would change a run."""
    mine = {
        k: v for k, v in os.environ.items() if not k.startswith(("EMBEDFLEET_", "COLUMNS", "FORCE_COLOR"))
    }
    return mine | changes


def embedfleet(*words: object, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command, run to its end in a folder."""
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=folder,
        env=environment(**env),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def in_process(*words: object, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command in this process, as if it was run in `folder`: what most tests need, without a second of start-up."""
    return run_main(words, folder, env)


def run_main(
    words: Sequence[object],
    folder: Path,
    env: Mapping[str, str] = MappingProxyType({}),
    handler_of: Callable[[str], Handler] = command_of,
) -> subprocess.CompletedProcess[str]:
    """The same, with commands that are carried out by what `handler_of` gives for their names."""
    out, err = io.StringIO(), io.StringIO()
    before, mine = dict(os.environ), environment(**env)
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        os.environ.clear()
        os.environ.update(mine)
        try:
            status = main([str(word) for word in words], handler_of=handler_of)
        except SystemExit as end:  # of argparse
            status = end.code if isinstance(end.code, int) else 0
        finally:
            os.environ.clear()
            os.environ.update(before)
    return subprocess.CompletedProcess([], status, out.getvalue(), err.getvalue())


def wait(until: Callable[[], bool], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not until():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def write_job(folder: Path, name: str = "job.yaml", **changes: str) -> Path:
    """A job of the hash engine over `in`; each change is a line of YAML."""
    fields = {
        "name": "small",
        "corpus": "{path: in, text: text, id: id}",
        "model": "hash",
        "output": "{path: out}",
        "local": "{workers: 2}",
    } | changes
    path = folder / name
    path.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()), encoding="utf-8")
    return path


def records(prefix: str, lengths: Sequence[int], seed: int = 0) -> list[dict[str, str]]:
    """Documents of so many words each."""
    dice = random.Random(seed)
    return [
        {"id": f"{prefix}-{n}", "text": " ".join(f"w{dice.randrange(50_000)}" for _ in range(words))}
        for n, words in enumerate(lengths)
    ]


def shards(folder: Path, count: int) -> None:
    """A corpus that makes so many shards of equal size, 16,384 tokens each."""
    (folder / "in").mkdir(parents=True)
    write_jsonl(folder / "in" / "a.jsonl", records("d", [510] * 32 * count))


def write_plan(job: Path, name: str = "plan.json") -> dict[str, Any]:
    """The plan of a job, as the command would write it."""
    choices = planner.PlanOptions(on="local", probe_seconds=0.1)
    body = plans.to_json(planner.make_plan(*read_job(job), choices, utc(), lambda _: None))
    (job.parent / name).write_text(json.dumps(body), encoding="utf-8")
    return body


class Launching:
    """A folder with a job, its plan and its runs, and the launchers that were started there."""

    def __init__(self, folder: Path, **changes: str) -> None:
        """The corpus lies in `in` already."""
        self.folder = folder
        self.job = write_job(folder, **changes)
        self.run: str = write_plan(self.job)["run"]
        self.launchers: list[subprocess.Popen[bytes]] = []

    def start(self, *words: object, **env: str) -> subprocess.Popen[bytes]:
        """A command that goes on by itself; its words are in `said`."""
        number = len(self.launchers)
        with (
            (self.folder / f"{number}.out").open("wb") as out,
            (self.folder / f"{number}.err").open("wb") as err,
        ):
            child = subprocess.Popen(
                [*COMMAND, *map(str, words)], cwd=self.folder, env=environment(**env), stdout=out, stderr=err
            )
        self.launchers.append(child)
        return child

    def said(self, child: subprocess.Popen[bytes]) -> str:
        """What a launcher wrote to stderr."""
        return (self.folder / f"{self.launchers.index(child)}.err").read_text(encoding="utf-8")

    def last_words(self, child: subprocess.Popen[bytes]) -> list[str]:
        return self.said(child).splitlines()[-2:]

    def status(self) -> dict[str, Any]:
        """As `status --json` has it; what the store alone knows is not looked up."""
        if not (self.folder / "runs" / "ledger.db").exists():
            return {"state": None, "workers": [], "shards_done": 0}
        with Ledger.open(self.folder / "runs" / "ledger.db") as ledger:
            if ledger.runs.get(self.run) is None:
                return {"state": None, "workers": [], "shards_done": 0}
            return to_json(status_of(ledger, self.run, None))

    def done(self) -> int:
        return len(list((self.folder / "out" / "_embedfleet" / self.run / "receipts").glob("*/*.json")))

    def up(self) -> list[dict[str, Any]]:
        return [w for w in self.status()["workers"] if w["state"] == "UP"]

    def processes(self) -> list[psutil.Process]:
        """The living processes of all workers that this run ever had."""
        found = [process(w["handle"]) for w in self.status()["workers"] if w["handle"]]
        return [p for p in found if p]

    def clean(self) -> None:
        for child in self.launchers:
            child.kill()
            child.wait()
        for worker in self.processes():
            worker.kill()


def process(handle: str) -> psutil.Process | None:
    """The living process behind a worker's handle."""
    pid, _, name = handle.partition(":")
    try:
        found = psutil.Process(int(pid))
        return found if name in found.cmdline() and found.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def corpus(folder: Path, documents: int = 60, words: int = 300) -> Path:
    """About a shard of text."""
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", records("d", [words] * documents))
    return folder


def problem(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The two lines that an error is; nothing on stdout, and no traceback."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = result.stderr.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Error: "))
    assert lines[-1].startswith("Try: ")
    return lines[start:]
