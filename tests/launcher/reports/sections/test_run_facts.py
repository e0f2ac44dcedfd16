"""The facts of real runs: what reports say of the vectors is what is in the store."""

import json
from pathlib import Path

import pytest

from launcher.jobs.job import JobChunking
from launcher.ledger.ledger import Ledger
from launcher.reports.assemble import readable_plan
from launcher.reports.sections.run_facts import chunking_text, collect_facts
from tasks.stores.open import open_store
from tests.support.cli_runs import embedfleet, in_process, records, write_job
from tests.support.runs import write_jsonl


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the hash model, in float16 and in chunks."""
    folder = tmp_path_factory.mktemp("facts")
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", records("d", [40] * 20))
    write_job(folder, chunk="{tokens: 16, overlap: 4}", output="{path: out, dtype: float16}")
    done = embedfleet("launch", "job.yaml", "--on", "local", "--probe", 0, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "hash; chunks of 16 tokens, 4 of them shared with the next" in done.stdout
    return folder


def test_report_names_what_was_embedded_how_and_where(folder: Path) -> None:
    document = json.loads(in_process("report", "--json", folder=folder).stdout)
    facts = document["facts"]
    assert facts["model"] == "hash"
    assert (facts["dtype"], facts["dimensions"]) == ("float16", 32)
    assert facts["corpus"] == str(folder / "in")
    assert facts["output"] == str(folder / "out")
    assert facts["engine"].startswith("hash")
    assert {"embedfleet", "python", "numpy"} <= facts["versions"].keys()
    assert facts["command"] == "embedfleet launch job.yaml --on local --probe 0"
    assert facts["load"].endswith(f'ef.load("{folder / "out"}", run="{document["run"]}")')


def test_markdown_has_the_line_that_loads_the_vectors(folder: Path) -> None:
    text = in_process("report", "--md", folder=folder).stdout
    assert "- Load: `import embedfleet as ef; vectors = ef.load(" in text


def test_facts_without_a_store_are_those_of_the_plan(folder: Path) -> None:
    with Ledger.open(folder / "runs" / "ledger.db") as ledger:
        run = ledger.runs.find()
        asked = collect_facts(ledger, open_store(run.output), run, readable_plan(run))
        alone = collect_facts(ledger, None, run, readable_plan(run))
    assert (alone.model, alone.dtype, alone.chunking) == (asked.model, asked.dtype, asked.chunking)
    assert alone.dimensions is None  # only the files say it
    assert alone.command == asked.command


def test_chunking_in_words() -> None:
    assert chunking_text(JobChunking(256, 0)) == "chunks of 256 tokens"
    assert chunking_text(JobChunking(truncate=128)) == "one vector a document, truncated at 128 tokens"
    assert chunking_text(JobChunking()) == "one vector a document, truncated at the model's maximum"
