"""What `verify` advises fits the faults that it found."""

from dataclasses import replace

import pytest

from launcher.cli.commands import verify as command
from launcher.ledger.records import RunState
from launcher.output.verification.verify_report import VerifyReport
from tasks.formats.ids import rounded_id
from tests.support.ledger_values import NOON

REPORT = VerifyReport(
    run="r1", shards=3, shards_done=3, documents=30, rows=28, failed_rows=2, failed_shards=(), resampled=0,
    worst_cosine=None, fault_count=1, faults=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("state", "advice"),
    [(RunState.RUNNING, "embedfleet status r1"), (RunState.STOPPED, "embedfleet resume r1")],
)
def test_advice_fits_a_run_that_is_not_finished(state: RunState, advice: str) -> None:
    run = command.Run("r1", "r", "{}", "d", "out", "local", state, NOON, NOON)
    found = command._not_finished(run, replace(REPORT, shards=18, shards_done=16, finished=False))  # pyright: ignore[reportPrivateUsage]
    assert str(found) == "run r1 is not finished: 2 shards of 18 left; no fault in those that are done"
    assert found.hint.startswith(advice)


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("_embedfleet/r1/dataset.parquet does not list 1 file", "embedfleet finish r1"),
        ("shard 1: data/a.parquet is missing", "embedfleet resume r1"),
        ("shard 1 (0123456789abcdef) has no receipt", "embedfleet resume r1"),
        ("no vector can be compared: the model at m", "--no-embed"),
        (
            "shard 1: its receipt _embedfleet/r1/a.json cannot be read: x",
            "delete it: embedfleet resume r1",
        ),
        (
            "shard 1: data/a.parquet is not the file that its receipt names (SHA-256)",
            "restore data/a.parquet",
        ),
        (
            f"shard 0: 4 bad rows in the input; not in quarantine: a.csv at 0, 'id' is {rounded_id(2.0**53 + 2)}",
            "took rounded ids as they are",
        ),
        ("shard 1: 2 vectors not of length 1", "embed into a new output path"),
    ],
)
def test_advice_fits_the_fault(fault: str, advice: str) -> None:
    run = command.Run("r1", "r", "{}", "d", "out", "local", RunState.DONE, NOON, NOON)
    found = command._next_step(run, replace(REPORT, faults=(fault,)))  # pyright: ignore[reportPrivateUsage]
    assert advice in found
