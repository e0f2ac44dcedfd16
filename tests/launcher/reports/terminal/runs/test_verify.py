from dataclasses import replace

from launcher.output.verification.verify_report import VerifyReport
from launcher.reports.terminal.runs.verify import verify_text
from tests.support.screens import printed

GOOD = VerifyReport(
    run="r1", shards=3, shards_done=3, documents=30, rows=28, failed_rows=2, failed_shards=(), resampled=20,
    worst_cosine=0.99999, fault_count=0, faults=(), input_rows=32, compared_with="another engine",
)  # fmt: skip


def test_good_run_is_verified() -> None:
    assert printed(verify_text(GOOD)).splitlines() == [
        "r1: verified",
        "3 of 3 shards signed; 30 documents of the input, 28 vectors, 2 rows in quarantine",
        "rows of the input, counted by another way: 32",
        "ids, digests, lengths and the list of files checked",
        "20 rows compared with another engine, worst cosine 0.99999",
    ]


def test_shards_of_earlier_runs_and_notes_are_shown() -> None:
    found = printed(verify_text(replace(GOOD, shards_taken_over=5, input_rows=None, notes=("a note",))))
    assert "3 of 3 shards signed, 5 of earlier runs taken over;" in found
    assert "counted by another way: ?" in found
    assert "  note: a note" in found


def test_each_listed_fault_is_a_line() -> None:
    faulty = replace(GOOD, fault_count=2, faults=("shard 1: wrong digest", "shard 2: no file"))
    found = printed(verify_text(faulty)).splitlines()
    assert found[0] == "r1: FAULTY"
    assert found[-2:] == ["  shard 1: wrong digest", "  shard 2: no file"]


def test_a_run_that_goes_on_is_called_not_finished() -> None:
    found = printed(verify_text(replace(GOOD, shards=18, shards_done=16, finished=False))).splitlines()
    assert found[0] == "r1: not finished: 16 of 18 shards; these are good"


def test_nothing_embedded_again_is_said() -> None:
    again = replace(GOOD, resampled=0, worst_cosine=None)
    assert "no row was embedded again" in printed(verify_text(again))
