"""The recipe that turns a Kafka topic into files of a corpus, against the mock broker of the client library itself."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.cli_runs import embedfleet, environment, write_job
from tests.support.paths import ROOT

pytestmark = pytest.mark.e2e

PYTHON = ROOT / ".venv-recipes" / "bin" / "python"
# The mock broker lives in the producer's process, so the recipe runs there too; twice, as cron would run it.
SCRIPT = """
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": "unused:1", "test.mock.num.brokers": 1})
broker = str(producer.list_topics(timeout=10).brokers[1]).split("/")[0]
recipe = open("recipe.py").read().replace("127.0.0.1:9092", broker)
for first, last in ((0, 25), (25, 40), (40, 40)):
    for number in range(first, last):
        producer.produce("documents", f"text {number} \\u00e9".encode())
    assert producer.flush(10) == 0
    exec(compile(recipe, "recipe.py", "exec"), {})
"""


def recipe() -> str:
    """The code of the document; it waits for 15 seconds instead of a minute.

    The mock broker keeps a member that has left until its session ends, so that is short here.
    """
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(# pip install confluent-kafka.*?)```", text, re.DOTALL)
    assert found is not None
    assert "timeout=60" in found[1]
    code = found[1].replace("timeout=60", "timeout=15")
    return code.replace(
        '"enable.auto.commit": False', '"enable.auto.commit": False, "session.timeout.ms": 6000'
    )


def test_topic_becomes_files_that_are_embedded_once(tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("no Kafka client: `make e2e-recipes` sets up .venv-recipes")
    (tmp_path / "in").mkdir()
    (tmp_path / "recipe.py").write_text(recipe())
    mine = {k: v for k, v in environment().items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT],
        cwd=tmp_path,
        env=mine,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "in").iterdir())
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(files) == 2  # the third run had nothing to write
    assert sorted(row["text"] for row in rows) == sorted(f"text {n} é" for n in range(40))
    assert len({row["id"] for row in rows}) == 40
    write_job(tmp_path)
    launched = embedfleet(
        "launch", "job.yaml", "--on", "local", "--offline", "--probe", "0.1", folder=tmp_path
    )
    assert launched.returncode == 0, launched.stderr
    assert "40" in launched.stdout
