"""Verification: a good run has no faults, and a fault of its receipts or its numbers is found."""

from pathlib import Path

import pytest

from launcher.output.verification.verify import SHOWN_FAULTS, verify
from tasks.stores.folder import FolderStore
from tests.launcher.output.verification.damaged_run import DOCUMENTS, FILES, Finished, finish
from tests.support.runs import write_jsonl


def test_good_run_has_no_faults(run: Finished) -> None:
    report = run.verify(embed_again=True)
    assert (report.faults, report.fault_count) == ((), 0)
    assert (report.shards, report.shards_done) == (FILES, FILES)
    assert (report.documents, report.failed_rows) == (FILES * DOCUMENTS, 2)
    assert report.rows == sum(run.signed(n)["chunks"] for n in range(FILES)) > FILES * DOCUMENTS


def test_sample_is_embedded_again(run: Finished) -> None:
    report = run.verify(embed_again=True)
    assert report.resampled == min(64, report.rows)
    assert report.worst_cosine is not None
    assert report.worst_cosine > 0.99999


def test_no_cosine_without_embedding_again(run: Finished) -> None:
    report = run.verify()
    assert (report.resampled, report.worst_cosine) == (0, None)


def test_progress_is_called_after_each_shard(run: Finished) -> None:
    calls: list[tuple[int, int]] = []
    verify(
        FolderStore(run.root),
        run.header,
        0,
        embed_again=False,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_half_precision_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": n, "text": f"text number {n}"} for n in range(200)])
    report = finish(tmp_path, dtype="float16", dimensions=8).verify(embed_again=True)
    assert report.faults == ()
    assert report.resampled == 64


# --- receipts


def test_missing_receipt_is_found(run: Finished) -> None:
    name = run.receipt(1).stem
    run.receipt(1).unlink()
    assert run.faults() == [f"shard 1 ({name}) has no receipt"]
    assert run.verify().shards_done == FILES - 1


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"schema": "embedfleet/receipt/1"}', "\x00\x01"])
def test_unreadable_receipt_is_found(run: Finished, body: str) -> None:
    run.receipt(1).write_text(body)
    (fault,) = run.faults()
    assert fault.startswith("shard 1: its receipt _embedfleet/")
    assert ".json cannot be read: " in fault


# --- report


def test_all_faults_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in range(SHOWN_FAULTS + 5):
        write_jsonl(tmp_path / "in" / f"{file:02d}.jsonl", [{"id": file, "text": f"text {file}"}])
    found = finish(tmp_path)
    for path in (found.root / "data").iterdir():
        path.unlink()
    report = found.verify()
    assert report.fault_count == SHOWN_FAULTS + 5
    assert len(report.faults) == SHOWN_FAULTS
