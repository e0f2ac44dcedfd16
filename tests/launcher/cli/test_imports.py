"""Which libraries a command loads: each of them costs a tenth of a second or more of every start."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from launcher.cli.options.commands import COMMANDS
from tests.support.cli_runs import environment

HEAVY = {
    "boto3",
    "duckdb",
    "google",
    "highspy",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "scipy",
    "sky",
    "sqlalchemy",
    "sqlmodel",
    "tokenizers",
    "torch",
    "transformers",
    "vllm",
}
# What a command line needs for its help, beyond the standard library: nothing.
LIGHT = {"msgspec", "psutil", "rich", "shtab", "sqlite3", "yaml"}
OPTION_MODULES = ("commands", "planning", "runs", "serving", "shared", "types", "vectors")

PROGRAM = """
import contextlib, io, json, sys
from launcher.cli.main import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print(json.dumps(sorted(sys.modules)))
"""


def loaded(folder: Path, *words: str) -> set[str]:
    """The top-level modules in a fresh interpreter after a command."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "words", [(), *((name,) for name in COMMANDS), ("ledger", "rebuild"), ("prices", "refresh")]
)
def test_help_loads_the_standard_library_alone(words: Sequence[str], tmp_path: Path) -> None:
    modules = loaded(tmp_path, *words, "--help")
    assert modules & (HEAVY | LIGHT) == set()
    ours = {name for name in modules if name.partition(".")[0] in ("launcher", "tasks", "pricing")}
    assert ours <= {
        "launcher",
        "launcher.cli",
        "launcher.cli.main",
        "launcher.errors",
        "launcher.cli.options",
        *(f"launcher.cli.options.{name}" for name in OPTION_MODULES),
        "launcher.cli.streams",
        "launcher.jobs",
        "launcher.jobs.durations",
        "launcher.jobs.paths",
        "tasks",
        "tasks.errors",
        "tasks.printable",
    }


def test_a_usage_error_loads_no_command(tmp_path: Path) -> None:
    assert not any(
        name.startswith("launcher.cli.commands.status") for name in loaded(tmp_path, "status", "--jsn")
    )


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("stop",),
        ("report", "--all"),
        ("compare", "small", "small"),
        ("down", "--verify"),
    ],
)
def test_command_for_a_finished_run_loads_no_heavy_library(words: Sequence[str], finished: Path) -> None:
    """But numpy: machine time is metered over columns, so that a million receipts fit into memory."""
    modules = loaded(finished, *words)
    assert "launcher.ledger.ledger" in modules  # it did something
    assert modules & HEAVY <= {"numpy"}


def test_report_of_a_run_loads_only_what_reads_its_vectors(finished: Path) -> None:
    """The page shows a sample of them. pyarrow imports pandas where it is installed."""
    assert loaded(finished, "report") & HEAVY <= {"numpy", "pyarrow", "pandas"}


@pytest.mark.parametrize(
    "words",
    [("prices", "--offline", "--limit", "3"), ("speed", "--model", "BAAI/bge-base-en-v1.5", "--gpu", "L4")],
)
def test_tables_of_prices_and_speeds_load_no_heavy_library(words: Sequence[str], tmp_path: Path) -> None:
    assert loaded(tmp_path, *words) & HEAVY == set()


def test_plan_of_a_declared_corpus_loads_no_reader_of_files(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(
        "{name: a, corpus: {documents: 1e6, tokens_per_document: 100}, model: BAAI/bge-base-en-v1.5}"
    )
    modules = loaded(tmp_path, "plan", str(job), "--offline", "--json")
    assert modules & HEAVY == {"highspy", "numpy"}
    # Neither what reads a ledger, where there is none, nor what compares plans.
    assert modules & {"launcher.ledger.ledger", "launcher.planning.saved.plan_diff"} == set()


def test_verify_loads_no_solver(finished: Path) -> None:
    assert (
        loaded(finished, "verify", "--no-embed") & {"highspy", "scipy", "sqlalchemy", "sqlmodel", "torch"}
        == set()
    )
