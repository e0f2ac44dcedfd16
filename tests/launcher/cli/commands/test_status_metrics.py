"""`status --listen` and `--textfile`: the metrics of a run that has ended, and what is refused."""

import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from launcher.cli.commands import status
from tests.support.cli_runs import in_process, wait


def test_textfile_holds_the_run(finished: Path) -> None:
    done = in_process("status", "--textfile", "metrics/run.prom", folder=finished)
    assert done.returncode == 0, done.stderr
    page = (finished / "metrics" / "run.prom").read_text()
    assert "embedfleet_documents_total{" in page
    assert [path.name for path in (finished / "metrics").iterdir()] == ["run.prom"]  # nothing half written


def test_last_state_is_served_until_it_was_read(finished: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pages: list[str] = []

    def scrape() -> None:
        def answered() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    pages.append(answer.read().decode())
            except OSError:
                return False
            return "done" in pages[-1]

        wait(answered)

    reader = threading.Thread(target=scrape)
    reader.start()
    done = in_process("status", "--listen", port, folder=finished)
    reader.join()
    assert (done.returncode, f"metrics: http://127.0.0.1:{port}/metrics" in done.stderr) == (0, True)
    assert 'state="done"} 1' in pages[-1]


def test_nobody_reads_and_it_ends(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "LAST_SCRAPE_SECONDS", 0.1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert in_process("status", "--listen", f"127.0.0.1:{port}", folder=finished).returncode == 0


def test_port_that_is_taken_and_words_that_are_none_are_refused(finished: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = in_process("status", "--listen", taken.getsockname()[1], folder=finished)
        assert (done.returncode, done.stderr.count("\n")) == (1, 2)
        assert "metrics cannot be served" in done.stderr
    assert in_process("status", "--listen", "host:none", folder=finished).returncode == 2
    done = in_process("status", "--textfile", "in/a.jsonl/x.prom", folder=finished)
    assert (done.returncode, "cannot write" in done.stderr) == (1, True)
