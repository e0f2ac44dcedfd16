"""Debian's Prometheus scrapes a run on this machine: clean names, and counters that only grow over a kill."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_runs import COMMAND, Launching, environment, shards, wait
from tests.support.paths import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
FOLDER = ROOT / ".prometheus" / "usr" / "bin"  # `make prometheus` unpacks Debian's package there


def program(name: str) -> str:
    found = shutil.which(name, path=str(FOLDER)) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: `make prometheus` fetches it from Debian")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """A Prometheus that scrapes one address every second."""

    def __init__(self, folder: Path, target: int) -> None:
        self.port = free_port()
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": "embedfleet", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        listen = f"127.0.0.1:{self.port}"
        command = [
            program("prometheus"),
            f"--web.listen-address={listen}",
            f"--storage.tsdb.path={folder}/data",
        ]
        self.log = (folder / "prometheus.log").open("wb")
        self.child = subprocess.Popen(
            [*command, f"--config.file={folder}/prometheus.yml"], stdout=self.log, stderr=self.log
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:  # it starts
            return []

    def value(self, expression: str) -> float | None:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def close(self) -> None:
        self.child.terminate()
        self.child.wait(20)
        self.log.close()


@pytest.fixture
def launching(tmp_path: Path) -> Iterator[Launching]:
    shards(tmp_path, 12)
    found = Launching(tmp_path, local="{workers: 2}")
    yield found
    found.clean()


def check(page: str) -> None:
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_counters_only_grow_over_a_worker_kill(launching: Launching, tmp_path: Path) -> None:
    program("prometheus")
    port = free_port()
    # An engine that takes its time, so that the run outlives some scrapes.
    launching.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="0.1")
    wait(lambda: len(launching.up()) == 2)
    watching = launching.start("status", "--listen", port)
    prometheus = Prometheus(tmp_path, port)
    name = f'{{run="{launching.run}"}}'
    try:
        wait(lambda: (prometheus.value(f"embedfleet_tokens_total{name}") or 0) > 0)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            check(answer.read().decode())
        before = prometheus.value(f"embedfleet_tokens_total{name}")
        launching.processes()[0].send_signal(signal.SIGKILL)
        wait(lambda: (prometheus.value("embedfleet_shards{state='done'}") or 0) == 12, patience=180)
        last = prometheus.value(f"embedfleet_tokens_total{name}")
        assert before is not None
        assert last is not None
        assert last == 12 * 16_384 > before
        for counter in ("tokens", "documents", "vectors", "output_bytes"):
            assert prometheus.value(f"resets(embedfleet_{counter}_total{name}[10m])") == 0
        assert watching.wait(60) == 0
        assert "the run has ended" in launching.said(watching)
    finally:
        prometheus.close()


def test_textfile_is_clean(launching: Launching, tmp_path: Path) -> None:
    program("promtool")
    assert launching.start("launch", "plan.json").wait(120) == 0
    words = ["status", "--textfile", "run.prom"]
    assert subprocess.run([*COMMAND, *words], cwd=tmp_path, env=environment(), check=False).returncode == 0
    check((tmp_path / "run.prom").read_text())


def test_metrics_of_a_supervisor_are_clean(tmp_path: Path) -> None:
    program("promtool")
    from tasks.stores.folder import FolderStore
    from tests.support.runs import corpus, launch

    (tmp_path / "in").mkdir()
    corpus(tmp_path / "in", 20, 40)
    header = launch(FolderStore(tmp_path / "out"), tmp_path / "in", 20)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "tasks.supervisor",
        "--store",
        str(tmp_path / "out"),
        "--run",
        header.run,
    ]
    child = subprocess.Popen(
        [*command, "--name", "m", "--metrics", str(port), "--heartbeat", "0.5"], cwd=ROOT, stdout=subprocess.DEVNULL,
        env=environment(EMBEDFLEET_HASH_SECONDS="1"),
    )  # fmt: skip
    try:
        found: list[str] = []

        def answered() -> bool:
            url = f"http://127.0.0.1:{port}/metrics"
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
                found.append(answer.read().decode())
            return bool(found) and "embedfleet_worker_memory_bytes" in found[-1]

        wait(answered)
        check(found[-1])
        assert f'embedfleet_workers{{run="{header.run}",machine="m",state="up"}} 1' in found[-1]
    finally:
        child.terminate()
        child.wait(60)
