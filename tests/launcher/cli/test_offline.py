"""`plan --offline` and `prices --offline` ask nobody: no process of theirs opens a connection or looks up a name."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cli_runs import corpus, embedfleet, write_job

# Python runs this as it starts, in every process that inherits PYTHONPATH.
WATCH = """
import os, sys
def note(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        with open(os.environ["ASKED"], "a") as file:
            file.write(f"{event} {args[-1] if event == 'socket.connect' else args}\\n")
sys.addaudithook(note)
open(os.environ["ASKED"], "a").close()
"""
DECLARED = {
    "corpus": "{documents: 10M, tokens_per_document: 100, region: aws/us-east-1}",
    "model": "BAAI/bge-m3",
    "output": "{path: 's3://bucket/vectors', region: aws/us-east-1}",
}


def watched(folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with the hub allowed; `asked` then has each connection and look-up of its processes."""
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WATCH)
    paths = os.pathsep.join(filter(None, (str(hook), os.environ.get("PYTHONPATH", ""))))
    return embedfleet(
        *words, folder=folder, PYTHONPATH=paths, ASKED=str(folder / "asked"), HF_HUB_OFFLINE="0", **env
    )


def asked(folder: Path, *words: str) -> list[str]:
    """Run a command to its good end; every connection and look-up that its processes began."""
    end = watched(folder, *words)
    assert end.returncode == 0, end.stderr
    return (folder / "asked").read_text().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("cloud", ["all", "local"])
def test_a_plan_offline_asks_nobody(cloud: str, tmp_path: Path) -> None:
    if cloud == "local":
        write_job(corpus(tmp_path))
        assert asked(tmp_path, "plan", "job.yaml", "--offline", "--on", "local", "--probe", "0.1") == []
        return
    write_job(tmp_path, **DECLARED)
    assert asked(tmp_path, "plan", "job.yaml", "--offline", "-o", "plan.json") == []
    assert json.loads((tmp_path / "plan.json").read_text())["lots"]


def test_a_list_of_prices_offline_asks_nobody(tmp_path: Path) -> None:
    assert asked(tmp_path, "prices", "--offline") == []


def test_what_asks_is_noticed(tmp_path: Path) -> None:
    """The watch sees a command that does ask: prices of a service that is not there."""
    nobody = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    end = watched(tmp_path, "prices", "refresh", "--source", "aws", **nobody)
    assert end.returncode != 0
    assert any("127.0.0.1" in line for line in (tmp_path / "asked").read_text().splitlines())
