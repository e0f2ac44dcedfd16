"""The first runs on AWS and GCP, as far as they go without an account: whole commands, plans, and the bucket of GCP."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from launcher.cli.main import parse
from tests.docs.test_readme import MARKED_JOB, PAGES, run_in_shell
from tests.support.objectserver import Running, environment

FIRST_RUNS = ("docs/aws.md", "docs/gcp.md")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
DECLARED = re.compile(r"`(corpus: \{documents: [^`]+\})`")
SETTING = re.compile(r"^(?:export )?[A-Z_]+=")


def commands(page: str) -> list[list[str]]:
    """The calls of embedfleet in the page's blocks for a shell, as words."""
    lines = [line for block in SHELL.findall(PAGES[page]) for line in block.splitlines()]
    calls = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    calls = [[word for word in words if not SETTING.match(word)] for words in calls]
    return [words for words in calls if words[:1] == ["embedfleet"]]


def plan_of_declared(page: str, folder: Path) -> Any:
    """The page's job with the corpus that it declares for whoever has no account, planned."""
    (job,) = MARKED_JOB.findall(PAGES[page])
    (declared,) = DECLARED.findall(PAGES[page])
    (folder / "job.yaml").write_text(re.sub(r"^corpus: .*$", declared, job, flags=re.MULTILINE), "utf-8")
    done = run_in_shell("embedfleet plan job.yaml --offline --json", folder, EMBEDFLEET_PRICES=str(folder))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("page", FIRST_RUNS)
def test_every_command_of_a_first_run_can_be_parsed_as_it_stands(page: str) -> None:
    found = commands(page)
    assert len(found) >= 5
    for words in found:
        parse(words[1:])  # it raises for a word, an option or a value that the command does not take


@pytest.mark.parametrize("page", FIRST_RUNS)
def test_the_declared_corpus_of_a_first_run_is_planned_without_an_account(page: str, tmp_path: Path) -> None:
    plan = plan_of_declared(page, tmp_path)
    assert plan["lots"][0]["cloud"] == page.removeprefix("docs/").removesuffix(".md")
    assert plan["totals"]["machines"] == 1


def test_dollars_of_the_first_run_on_gcp_are_those_of_its_plan(tmp_path: Path) -> None:
    usd = plan_of_declared("docs/gcp.md", tmp_path)["steering"]["usd"]
    said = re.search(
        r"was \$([\d.]+) for one on-demand L4 over \w+ minutes, P90 \$([\d.]+)", PAGES["docs/gcp.md"]
    )
    assert said is not None
    assert [round(float(usd[name]), 2) for name in ("p50", "p90")] == [float(word) for word in said.groups()]


def test_doctor_finds_the_bucket_of_the_first_run_on_gcp_fit(tmp_path: Path) -> None:
    """Against a server of the GCS protocol on this machine."""
    (command,) = [words for words in commands("docs/gcp.md") if words[-1].startswith("gs://")]
    with Running(tmp_path / "objects") as server:
        make = f"{server.address}/storage/v1/b?project=test"  # what `gcloud storage buckets create` asks for
        urlopen(Request(make, b'{"name": "bucket"}', {"Content-Type": "application/json"})).close()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "launcher.cli",
                *(word.replace("BUCKET", "bucket") for word in command[1:]),
            ],
            capture_output=True,
            text=True,
            env=os.environ | environment(server.address) | {"EMBEDFLEET_RUNS": str(tmp_path / "runs")},
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "create-only" in done.stdout
