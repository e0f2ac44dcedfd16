"""The quarantine of a finished run: which missing documents it excuses."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.formats.rows import BadRow
from tasks.protocol import keys
from tests.launcher.output.verification.damaged_run import DOCUMENTS, FILES, Finished


def test_quarantine_that_lost_a_row_is_found(run: Finished) -> None:
    path = run.root / run.signed(2)["quarantine"]
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert run.faults() == ["shard 2: 1 row in quarantine, but its receipt says 2"]


def test_missing_quarantine_is_found(run: Finished) -> None:
    (run.root / run.signed(2)["quarantine"]).unlink()
    assert run.faults() == ["shard 2: 0 rows in quarantine, but its receipt says 2"]


def test_receipt_that_hides_failed_rows_is_found(run: Finished) -> None:
    run.sign(2, failed_rows=0, quarantine=None)
    (fault,) = run.faults()
    assert fault.startswith("shard 2: 2 bad rows in the input, but its receipt says 0; ")
    assert fault.endswith(
        "not in quarantine: 2.jsonl at 966, no text: 'text' is missing or null; the line has 'id'"
    )


def fail_in_the_engine(run: Finished, position: int, document: str, *, listed: bool) -> None:
    """Make a readable document of the input one that the engine failed on: in quarantine, not in the output."""
    lines = Path(run.header.corpus) / f"{position}.jsonl"
    place = 0
    for line in lines.read_text().splitlines(keepends=True):
        if json.loads(line)["id"] == document:
            break
        place += len(line.encode())
    key = run.signed(position)["quarantine"] or keys.quarantine_key(run.header.run, "00000", f"q-{position}")
    row = asdict(BadRow(lines.name if listed else "other.jsonl", place, "no finite vector", document))
    (run.root / key).parent.mkdir(parents=True, exist_ok=True)
    with (run.root / key).open("a") as quarantine:
        quarantine.write(json.dumps(row) + "\n")
    signed = run.signed(position)
    kept = [
        n for n, name in enumerate(pq.read_table(run.data(position))["id"].to_pylist()) if name != document
    ]
    run.rewrite(
        position,
        lambda t: t.take(kept),
        chunks=len(kept),
        quarantine=key,
        failed_rows=signed["failed_rows"] + 1,
    )


@pytest.mark.parametrize("position", [1, 2])
@pytest.mark.parametrize("document", [0, 3, DOCUMENTS - 1])
def test_document_that_failed_in_the_engine_is_no_fault(run: Finished, position: int, document: int) -> None:
    fail_in_the_engine(run, position, f"{position}-{document}", listed=True)
    report = run.verify(embed_again=True)
    assert report.faults == ()
    assert (report.documents, report.failed_rows) == (FILES * DOCUMENTS, 3)


def test_quarantine_of_another_row_does_not_excuse_a_missing_document(run: Finished) -> None:
    fail_in_the_engine(run, 1, "1-3", listed=False)
    assert run.faults() == [
        "shard 1: 0 bad rows in the input, but its receipt says 1",
        "shard 1: 1 document of the input missing, 0 not in the input",
    ]


@pytest.mark.parametrize("line", ["", "[]", "{", '{"file": 1}', "\x00"])
def test_malformed_line_of_the_quarantine_excuses_no_row(run: Finished, line: str) -> None:
    fail_in_the_engine(run, 1, "1-3", listed=True)
    (run.root / run.signed(1)["quarantine"]).write_text(line + "\n")
    assert run.faults() == [
        "shard 1: 0 bad rows in the input, but its receipt says 1",
        "shard 1: 1 document of the input missing, 0 not in the input",
    ]


def test_document_in_output_and_quarantine_is_found(run: Finished) -> None:
    whole_table, chunks = pq.read_table(run.data(1)), run.signed(1)["chunks"]
    fail_in_the_engine(run, 1, "1-3", listed=True)
    run.rewrite(1, lambda _: whole_table, chunks=chunks)
    assert run.faults() == ["shard 1: 0 documents of the input missing, 1 not in the input"]
