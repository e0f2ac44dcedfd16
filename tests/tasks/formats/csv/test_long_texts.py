"""Texts of very many lines inside quotes, which are read in blocks and not line by line."""

import csv
import io
import random
from collections.abc import Iterator
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.csv.records import Fault, Record
from tasks.formats.csv.table_lines import OverLong, TableLines
from tasks.formats.csv.tables import MANY_LINES, dialect_of, open_table, read_records
from tasks.protocol.csv_format import CsvFormat

LIMIT = 2**20
WORDS = ["a", "", "bb ", 'say ""x""', "b,c", "\u00e9", "\ufeff", "\\"]


def table(text: str, limit: int = LIMIT, csv_format: CsvFormat | None = None) -> list[Record | Fault]:
    return list(open_table(io.StringIO(text, newline=""), dialect_of("csv", csv_format), limit).records)


def lines(seed: int, count: int, words: list[str]) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice(words) + draw.choice(["\n", "\n", "\r\n", "\r"]) for _ in range(count))


@pytest.mark.parametrize("seed", range(30))
def test_long_text_is_read_as_the_csv_module_reads_it(seed: int) -> None:
    words = WORDS if seed % 2 else [word for word in WORDS if '"' not in word]
    count = random.Random(seed).choice([MANY_LINES - 1, MANY_LINES, 3_000, 30_000])
    text = f'id,text\n1,"{lines(seed, count, words)}end"\n2,"short"\n3,plain\n'
    expected = list(csv.reader(io.StringIO(text, newline="")))[1:]
    found = table(text)
    assert [one.fields for one in found if isinstance(one, Record)] == expected


def test_lines_after_a_long_text_have_their_numbers() -> None:
    text = 'id,text\n1,"' + "x\n" * 5_000 + '"\n2,"a" b\n'
    found = table(text)
    assert [one.line for one in found] == [2, 5_003]
    assert isinstance(found[1], Fault)


def test_text_beyond_the_limit_is_set_aside_and_the_next_row_is_read() -> None:
    text = 'id,text\n1,"' + "x\n" * LIMIT + '"\n2,b\n'
    bad, good = table(text)
    assert isinstance(bad, Fault)
    assert "over-long" in bad.reason
    assert isinstance(good, Record)
    assert good.fields == ["2", "b"]


def test_escapes_in_a_long_text_are_read_line_by_line() -> None:
    given = CsvFormat(escape="\\")
    text = 'id,text\n1,"' + "x\n" * 500 + 'an \\"escaped\\" mark\n' + "y\n" * 500 + '"\n2,b\n'
    first, second = table(text, csv_format=given)
    assert isinstance(first, Record)
    assert first.fields[1] == "x\n" * 500 + 'an "escaped" mark\n' + "y\n" * 500
    assert isinstance(second, Record)


def test_mark_that_is_never_closed_is_a_fault_however_long_its_text() -> None:
    (found,) = table('id,text\n1,"' + "x\n" * 5_000)
    assert isinstance(found, Fault)
    assert "opened in line 2 and never closed" in found.reason


@given(
    lines=st.lists(
        st.sampled_from(["\n", "\r\n", "\r", " \n", "1,a\n", '2,"b\n"\r\n', "\n" * 150, "\r\n" * 5_000]),
        max_size=12,
    )
)
def test_blank_lines_that_are_passed_over_together_change_no_record(lines: list[str]) -> None:
    dialect = dialect_of("csv", None)
    one_by_one = list(read_records(StringIO("".join(lines), newline=""), dialect, 100))
    together = TableLines(StringIO("".join(lines), newline=""), 100, dialect.quote, dialect.escape)
    found = read_records(together, dialect, 100, together.take_lines, together.skip_blank_lines)
    assert list(found) == one_by_one


def test_many_blank_lines_take_few_steps() -> None:
    """A .gz of 1 MB holds a billion: one at a time takes minutes."""

    class Counted(TableLines):
        lines = 0

        def __iter__(self) -> Iterator[str | OverLong]:
            for line in super().__iter__():
                self.lines += 1
                yield line

    dialect = dialect_of("csv", None)
    lines = Counted(
        StringIO("a\n" + "\n" * 1_000_000 + "b\n", newline=""), 100, dialect.quote, dialect.escape
    )
    found = list(read_records(lines, dialect, 100, lines.take_lines, lines.skip_blank_lines))
    assert found == [Record(1, ["a"]), Record(1_000_002, ["b"])]
    assert lines.lines < 1_000
