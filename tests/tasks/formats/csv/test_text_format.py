"""The text format of PostgreSQL and MySQL: what they wrote comes back, whatever the texts hold."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.output.verification.input_counts import count_input
from tasks.formats.csv.records import Fault, Record
from tasks.formats.csv.table_lines import SKIPPED_CHARACTERS
from tasks.formats.csv.tables import dialect_of, open_table
from tasks.formats.read import rows_of_stream
from tasks.formats.rows import BadRow, Columns, Document
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import Slice
from tasks.stores.memory import MemoryStore

ESCAPES = CsvFormat(escape="\\")
POSTGRESQL = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
MYSQL = {"\\": "\\\\", "\t": "\\\t", "\n": "\\\n", "\0": "\\0"}
values = st.text("ab n\\t\n\tN.0\"'", min_size=1, max_size=8)


def split(body: str, limit: int = 10_000) -> list[Record | Fault]:
    table = open_table(io.StringIO(body, newline=""), dialect_of("tsv", ESCAPES), limit)
    return list(table.records)


@pytest.mark.parametrize("escapes", [POSTGRESQL, MYSQL], ids=["postgresql", "mysql"])
@given(written=st.lists(st.tuples(values, values), max_size=5))
def test_every_text_comes_back(escapes: dict[str, str], written: list[tuple[str, str]]) -> None:
    table = str.maketrans(escapes)
    lines = ["id\ttext\n", *("\t".join(one.translate(table) for one in row) + "\n" for row in written)]
    found = split("".join(lines))
    assert [tuple(one.fields) for one in found if isinstance(one, Record)] == written
    store = MemoryStore()
    store.put("a.tsv", "".join(lines).encode())
    counted = count_input(store, Slice("a.tsv", store.list("")[0].version, "tsv"), ESCAPES)
    assert counted is not None
    assert counted.rows == len(written)


def test_other_letters_keep_their_backslash() -> None:
    (row,) = split("id\ttext\n1\tC:\\games and \\d+\n")
    assert isinstance(row, Record)
    assert row.fields[1] == "C:\\games and \\d+"


def test_a_text_that_goes_on_behind_the_end_of_the_file_is_set_aside() -> None:
    assert split("id\ttext\n1\tone\n2\ttwo\\\nmore\\\n")[1] == Fault(
        3, 4, "a backslash stands at the end of the file"
    )


def test_a_record_that_is_longer_than_is_held_makes_no_row_of_its_rest() -> None:
    long = "x" * (2 * SKIPPED_CHARACTERS)
    found = split(f"id\ttext\n1\t{long}\\\n2\tinside\n3\tthree\n", limit=100)
    assert found == [
        Fault(2, 2, "over-long: a record of more than 100 characters"),
        Record(4, ["3", "three"]),
    ]


def test_without_the_word_of_the_job_a_backslash_is_a_character() -> None:
    body = b"id\ttext\n1\ta\\nb\n2\tC:\\new\n"
    rows = list(rows_of_stream(io.BytesIO(body), Slice("a.tsv", "1", "tsv"), Columns("text", "id")))
    assert [row.text for row in rows if isinstance(row, Document)] == ["a\\nb", "C:\\new"]


def test_null_is_no_text() -> None:
    body = b"id\ttext\n1\t\\N\n2\ttwo\n"
    columns = Columns("text", "id", (), ESCAPES)
    null, two = rows_of_stream(io.BytesIO(body), Slice("a.tsv", "1", "tsv"), columns)
    assert isinstance(null, BadRow)
    assert "NULL" in null.reason
    assert isinstance(two, Document)
