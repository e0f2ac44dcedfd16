"""LiteLLM as a gateway before `embedfleet serve`, by the recipe in docs/recipes.md: it changes no vector and no error."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cli_runs import COMMAND, embedfleet, environment, write_job
from tests.support.paths import ROOT
from tests.support.runs import write_jsonl

pytestmark = pytest.mark.e2e

PROGRAM = ROOT / ".venv-recipes" / "bin" / "litellm"
PATIENCE = 240.0  # seconds; the gateway imports a lot
KEYS = {
    "EMBEDFLEET_KEY": "a-key-of-the-server-behind",
    "LITELLM_MASTER_KEY": "sk-a-key-of-the-gateway",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_PROXY": "127.0.0.1",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def recipe(run: str, port: int) -> str:
    """The config of the document, for this run and this port."""
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(# litellm --config.*?)```", text, re.DOTALL)
    assert found is not None
    config = found[1].replace("openai/RUN ", f"openai/{run} ").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    assert run in config
    assert str(port) in config
    return config


def wait_for(url: str, child: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        assert child.poll() is None, log.read_text(errors="replace")[-2_000:]
        assert time.monotonic() < end, log.read_text(errors="replace")[-2_000:]
        time.sleep(0.5)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """A folder with a run, the run's name, and the address of the gateway before its server."""
    if not PROGRAM.exists():
        pytest.skip("no LiteLLM: `make e2e-recipes` sets up .venv-recipes")
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "in").mkdir()
    write_jsonl(
        folder / "in" / "a.jsonl", ({"id": f"d{n}", "text": f"the text of number {n}"} for n in range(200))
    )
    write_job(folder)
    done = embedfleet("launch", "job.yaml", "--on", "local", "--offline", "--probe", "0.1", folder=folder)
    assert done.returncode == 0, done.stderr
    run = next((folder / "out" / "_embedfleet").iterdir()).name
    ours, theirs = free_port(), free_port()
    (folder / "config.yaml").write_text(recipe(run, ours))
    mine = environment(**KEYS)
    foreign = {k: v for k, v in mine.items() if k != "PYTHONPATH"}
    children: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "serve.log").open("wb") as log:
            command = [*COMMAND, "serve", run, "--port", str(ours), "--key", "EMBEDFLEET_KEY"]
            children.append(subprocess.Popen(command, cwd=folder, env=mine, stdout=log, stderr=log))
        wait_for(f"http://127.0.0.1:{ours}/health", children[0], folder / "serve.log")
        with (folder / "litellm.log").open("wb") as log:
            command = [str(PROGRAM), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(theirs)]
            children.append(subprocess.Popen(command, cwd=folder, env=foreign, stdout=log, stderr=log))
        wait_for(f"http://127.0.0.1:{theirs}/health/liveliness", children[1], folder / "litellm.log")
        yield folder, run, f"http://127.0.0.1:{theirs}"
    finally:
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def ask(url: str, key: str | None = KEYS["LITELLM_MASTER_KEY"], **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.post(
        f"{url}/v1/embeddings", json={"model": "docs", **body}, headers=headers, timeout=60, trust_env=False
    )


def test_gateway_gives_the_vectors_of_the_run(gateway: tuple[Path, str, str]) -> None:
    folder, run, url = gateway
    words = ("--check", f"{url}/v1", "--model", "docs", "--key", "LITELLM_MASTER_KEY", "--no-latency")
    found = embedfleet("serve", run, *words, folder=folder, **KEYS)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "64 rows compared" in found.stdout


def test_fields_of_ours_and_errors_pass_through(gateway: tuple[Path, str, str]) -> None:
    url = gateway[2]
    assert ask(url, input=["a"], input_type="document").is_success
    assert ask(url, input=[[101, 102]]).is_success
    wrong = ask(url, input=["a"], input_type="nonsense")
    assert wrong.status_code == 400
    assert "input_type must be query or document" in wrong.text
    assert ask(url, input=["a"], dimensions=16).status_code == 400


def test_gateway_wants_its_key(gateway: tuple[Path, str, str]) -> None:
    assert not ask(gateway[2], None, input=["a"]).is_success
