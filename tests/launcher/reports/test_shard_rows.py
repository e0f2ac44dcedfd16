"""Rows of shards are made when they are asked for, and are those of the receipts."""

import json

from launcher.costs.usage.work_done import fold
from launcher.documents.encode import json_pieces, to_json
from launcher.reports.document import ShardDone
from launcher.reports.report_json import read, report_document
from launcher.reports.shard_rows import ShardRows
from tests.support import sample_report
from tests.support.sample_report import at, receipt


def test_rows_are_those_of_the_receipts() -> None:
    rows = ShardRows(fold([receipt(0, "w", 10, 40), receipt(1, "v", 40, 70, failed=2, generation=3)]))
    first, second = rows
    assert (first.position, first.worker, first.started, first.seconds) == (0, "w", at(10), 30)
    assert (second.position, second.worker, second.generation, second.failed) == (1, "v", 3, 2)
    assert rows[1] == rows[-1] == second
    assert rows[:1] == (first,)
    assert rows == (first, second)
    assert isinstance(first, ShardDone)


def test_document_with_rows_is_written_and_read_as_one_with_values() -> None:
    document = report_document(sample_report.report())
    text = "".join(json_pieces(document))
    assert json.loads(text) == to_json(document)
    assert read(text).shards == list(document.shards)
    assert len(document.shards) == 6
