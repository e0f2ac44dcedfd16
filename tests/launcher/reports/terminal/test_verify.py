from dataclasses import replace

from launcher.output.verify_report import VerifyReport
from launcher.reports.terminal.verify import verify_text
from tests.support.screens import printed

GOOD = VerifyReport(
    run="r1", shards=3, shards_done=3, documents=30, rows=28, failed_rows=2, failed_shards=(), resampled=20,
    worst_cosine=0.99999, fault_count=0, faults=(),
)  # fmt: skip


def test_good_run_is_verified() -> None:
    assert printed(verify_text(GOOD)).splitlines() == [
        "r1: verified",
        "3 of 3 shards signed; 30 documents of the input, 28 vectors, 2 rows in quarantine",
        "ids, digests and lengths checked; 20 rows embedded again, worst cosine 0.99999",
    ]


def test_each_listed_fault_is_a_line() -> None:
    faulty = replace(GOOD, fault_count=2, faults=("shard 1: wrong digest", "shard 2: no file"))
    found = printed(verify_text(faulty)).splitlines()
    assert found[0] == "r1: FAULTY"
    assert found[-2:] == ["  shard 1: wrong digest", "  shard 2: no file"]


def test_nothing_embedded_again_is_said() -> None:
    again = replace(GOOD, resampled=0, worst_cosine=None)
    assert "no row was embedded again" in printed(verify_text(again))
