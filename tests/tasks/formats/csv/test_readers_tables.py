"""Tables are read strictly: what breaks the format is set aside with its line, and nothing is cut, shifted or lost."""

import csv
import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.formats.csv import csv_rows, records, tables
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import Kind, Slice
from tasks.stores.folder import FolderStore
from tests.support.runs import version

NO_ESCAPE = CsvFormat(escape="")
SPARK = CsvFormat(escape="\\")


def read(path: Path, body: bytes, kind: Kind = "csv", given: CsvFormat | None = None) -> list[ReadRow]:
    path.write_bytes(body)
    piece = Slice(path.name, version(path), kind, 0, None)
    return list(read_rows(FolderStore(path.parent), piece, Columns("text", "id", (), given)))


def rows(tmp_path: Path, body: bytes, kind: Kind = "csv", given: CsvFormat | None = None) -> dict[str, str]:
    found = read(tmp_path / f"a.{kind}", body, kind, given)
    return {row.id: row.text for row in found if isinstance(row, Document)}


def faults(tmp_path: Path, body: bytes, kind: Kind = "csv", given: CsvFormat | None = None) -> list[str]:
    return [row.reason for row in read(tmp_path / f"a.{kind}", body, kind, given) if isinstance(row, BadRow)]


def test_a_comma_without_quotes_sets_its_row_aside(tmp_path: Path) -> None:
    body = b'id,text\n1,red, green and blue\n2,"red, green"\n3,blue\n'
    assert rows(tmp_path, body) == {"2": "red, green", "3": "blue"}
    assert faults(tmp_path, body) == ["line 2: 3 fields, and the table has 2 columns"]


def test_surplus_fields_before_the_id_shift_nothing(tmp_path: Path) -> None:
    body = b"title,id,text\nmen, mice,7,x\nplain,8,y\n"
    assert rows(tmp_path, body) == {"8": "y"}


def test_a_quotation_mark_means_nothing_in_tsv(tmp_path: Path) -> None:
    body = b'id\ttext\n1\t"open\n2\tplain\n3\tan "inner" one\n4\t5" pipe\n'
    assert rows(tmp_path, body, "tsv") == {"1": '"open', "2": "plain", "3": 'an "inner" one', "4": '5" pipe'}


def test_a_tsv_with_quoting_is_read_where_the_job_says_so(tmp_path: Path) -> None:
    body = b'id\ttext\n1\t"tab\there\nand ""more"""\n2\tplain\n'
    assert rows(tmp_path, body, "tsv", CsvFormat(quote='"')) == {"1": 'tab\there\nand "more"', "2": "plain"}


def test_a_quote_that_is_never_closed_sets_aside_every_line_that_it_covers(tmp_path: Path) -> None:
    body = b'id,text\n1,one\n2,"open\n3,three\n4,four\n'
    reason = "a quotation mark is opened in line 3 and never closed"
    assert rows(tmp_path, body) == {"1": "one"}
    assert faults(tmp_path, body) == [f"line {n}: {reason}" for n in (3, 4, 5)]


def test_a_quote_that_the_next_record_closes_sets_both_aside_and_no_more(tmp_path: Path) -> None:
    body = b'id,text\n1,"open\n2,"good"\n3,three\n'
    assert rows(tmp_path, body) == {"3": "three"}
    assert [one.split(":")[0] for one in faults(tmp_path, body)] == ["line 2", "line 3"]


@pytest.mark.parametrize("field", [b'"a" b', b'"a"b"', b' "a"', b'"say \\"hi\\" now"', b'"C:\\"'])
def test_broken_quoting_sets_its_row_aside(tmp_path: Path, field: bytes) -> None:
    body = b"id,text\n1," + field + b"\n2,two\n"
    assert rows(tmp_path, body) == {"2": "two"}
    assert len(faults(tmp_path, body)) == 1


def test_a_backslash_before_a_mark_cuts_nothing(tmp_path: Path) -> None:
    body = b'id,text,n\n1,"a \\",b",3\n2,"12\\"",x\n3,"13\\"",y\n4,four,z\n'
    assert rows(tmp_path, body) == {"4": "four"}
    assert rows(tmp_path, body, given=SPARK) == {"1": 'a ",b', "2": '12"', "3": '13"', "4": "four"}


def test_without_escapes_a_backslash_is_a_character(tmp_path: Path) -> None:
    assert rows(tmp_path, b'id,text\n1,"C:\\"\n2,two\n', given=NO_ESCAPE) == {"1": "C:\\", "2": "two"}


def test_json_in_a_field_is_read(tmp_path: Path) -> None:
    body = b'id,text\n1,"{""a"": ""say \\""hi\\"" now""}"\n'
    assert rows(tmp_path, body) == {"1": '{"a": "say \\"hi\\" now"}'}


@pytest.mark.parametrize("given", [None, SPARK], ids=["as it is", "with escapes"])
@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_the_null_of_databases_is_no_text_and_no_id(
    kind: Kind, given: CsvFormat | None, tmp_path: Path
) -> None:
    body = b"id,text\n1,\\N\n\\N,two\n3,a \\N b\n"
    if kind == "tsv":
        body = body.replace(b",", b"\t")
    assert faults(tmp_path, body, kind, given) == [
        "not a string: 'text' is \\N, which is NULL in exports of databases",
        "no id: 'id' is \\N, which is NULL in exports of databases",
    ]
    assert rows(tmp_path, body, kind, given) == {"3": "a \\N b"}


def test_two_columns_of_one_name_make_every_row_bad(tmp_path: Path) -> None:
    assert rows(tmp_path, b"id,text,text\n1,a,b\n") == {}


def test_delimiter_and_quote_are_those_of_the_job(tmp_path: Path) -> None:
    given = CsvFormat(delimiter=";", quote="'")
    assert rows(tmp_path, b"id;text\n1;'a;b'\n2;a,b\n", given=given) == {"1": "a;b", "2": "a,b"}


def test_without_a_header_columns_have_numbers_or_the_given_names(tmp_path: Path) -> None:
    body = b"1,one\n2,two\n"
    assert rows(tmp_path, body, given=CsvFormat(header=("id", "text"))) == {"1": "one", "2": "two"}
    path = tmp_path / "b.csv"
    path.write_bytes(body)
    columns = Columns("2", "1", (), CsvFormat(header=False))
    found = list(read_rows(FolderStore(tmp_path), Slice("b.csv", version(path), "csv", 0, None), columns))
    assert [(row.id, row.text) for row in found if isinstance(row, Document)] == [("1", "one"), ("2", "two")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1252", "latin-1"])
def test_the_encoding_is_that_of_the_job(tmp_path: Path, encoding: str) -> None:
    body = "id,text\n1,café\n2,zoë\n".encode(encoding)
    assert rows(tmp_path, body, given=CsvFormat(encoding=encoding)) == {"1": "café", "2": "zoë"}


@pytest.mark.parametrize(
    ("written", "said"),
    [("utf-16", "utf-16"), ("utf-16-le", "utf-16le"), ("utf-16-be", "utf-16be"), ("utf-32-be", "utf-32be")],
)
def test_a_wide_encoding_is_named_as_it_must_be_said(tmp_path: Path, written: str, said: str) -> None:
    body = "id,text\n1,one\n".encode(written)
    advice = f"the file is {said.upper()}, not UTF-8; set corpus.csv.encoding to {said}"
    assert faults(tmp_path, body) == [advice]
    assert rows(tmp_path, body, given=CsvFormat(encoding=said)) == {"1": "one"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_wide_encoding_without_its_mark_names_the_two_orders(tmp_path: Path, encoding: str) -> None:
    body = "id,text\n1,one\n".encode(f"{encoding}-le")
    (found,) = faults(tmp_path, body, given=CsvFormat(encoding=encoding))
    assert f"set corpus.csv.encoding to {encoding}-le, or to {encoding}-be" in found


def test_a_table_that_cannot_be_read_is_more_than_one_row(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "a.csv", b'id,"text\n' + b"1,one\n" * 100)
    assert isinstance(row, BadRow)
    assert row.more


def test_a_header_that_comes_again_is_set_aside(tmp_path: Path) -> None:
    body = b"id,text\n1,one\nid,text\n2,two\n"
    assert rows(tmp_path, body) == {"1": "one", "2": "two"}
    assert faults(tmp_path, body) == ["line 3: the header comes again"]
    columns = Columns("text", None)
    found = list(read_rows(FolderStore(tmp_path), Slice("b.csv", _one_column(tmp_path), "csv"), columns))
    assert [row.text for row in found if isinstance(row, Document)] == ["text", "other"]


def _one_column(folder: Path) -> str:
    """The version of a table of one column that has its own name as a text."""
    (folder / "b.csv").write_bytes(b"text\ntext\nother\n")
    return version(folder / "b.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_lines_of_text_in_utf16_are_set_aside(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("first line\nsecond line\nthird line".encode(encoding))
    piece = Slice(path.name, version(path), "text", 0, None)
    found = list(read_rows(FolderStore(tmp_path), piece, Columns("text", None)))
    assert all(isinstance(row, BadRow) and "UTF-16" in row.reason for row in found), found


def test_a_broken_header_is_one_fault(tmp_path: Path) -> None:
    assert "the header cannot be read" in faults(tmp_path, b'id,"text\n1,one\n')[0]


def test_a_quoted_field_over_the_limit_is_one_fault() -> None:
    lines = ["id,text\n", '1,"aaaa\n', "bbbb\n", 'cccc"\n', "2,two\n"]
    found = list(tables.read_records(lines, tables.dialect_of("csv", None), 8))
    assert [type(item).__name__ for item in found] == ["Record", "Fault", "Record"]


def test_a_compressed_table_is_read_the_same_way(tmp_path: Path) -> None:
    body = b'id,text\n1,a,b\n2,"x\ny"\n'
    assert [row.position for row in read(tmp_path / "a.csv.gz", gzip.compress(body))] == [0, 1]


fields = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
awkward = st.text(st.sampled_from('a,"\\\n\r\t '), min_size=1, max_size=9)


@given(st.lists(fields | awkward, max_size=6))
@example(['"', "\\", '\\"', ',"', '"\n"'])
def test_what_a_csv_writer_wrote_is_read_as_it_was(texts: list[str]) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "text"])
    writer.writerows(enumerate(texts))
    with TemporaryDirectory() as folder:
        found = read(Path(folder) / "a.csv", out.getvalue().encode(), given=NO_ESCAPE)
    expected = {str(n): text for n, text in enumerate(texts) if text.strip()}
    assert {row.id: row.text for row in found if isinstance(row, Document)} == expected


@given(st.text(st.sampled_from('ab,"\\\n'), max_size=40))
def test_every_line_is_in_a_record_or_a_fault(body: str) -> None:
    lines = io.StringIO(body, newline="")
    found = list(tables.read_records(lines, tables.dialect_of("csv", None), 100))
    covered = {
        n
        for item in found
        for n in range(item.line, (item.last if isinstance(item, records.Fault) else item.line) + 1)
    }
    starts = sorted(item.line for item in found)
    assert len(starts) == len(set(starts))
    wanted = {n + 1 for n, line in enumerate(body.split("\n")) if line}
    inside = {
        n
        for item in found
        if isinstance(item, records.Record)
        for n in range(item.line, item.line + "".join(item.fields).count("\n") + 1)
    }
    assert wanted <= covered | inside


def of_long_line(tmp_path: Path, middle: str) -> list[str]:
    """Ids of the rows around a record that is too long, and the reasons of others."""
    body = f"id,text\na,one\n{middle}\nc,three\n"
    rows = read(tmp_path / "a.csv", body.encode())
    return [row.id if isinstance(row, Document) else row.reason for row in rows]


OVER_LONG = "line 3: over-long: a record of more than 1,000 characters"


@pytest.mark.parametrize(
    "middle",
    ["b," + "x" * 2**19, f'b,"{"x" * 2**19}"', f'b,"{"x" * 2**19}\nmore"', 'b,"' + "x\n" * 2**10 + '"'],
    ids=["bare", "quoted", "quoted over two lines", "quoted short lines"],
)
def test_rows_behind_an_over_long_record_are_read(
    tmp_path: Path, middle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "MAX_RECORD_CHARACTERS", 1_000)
    assert of_long_line(tmp_path, middle) == ["a", OVER_LONG, "c"]


def test_short_lines_inside_quotes_are_not_parsed_once_the_record_is_over_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of gzip holds 500 million of them."""
    opened = tables._OpenRecord  # pyright: ignore[reportPrivateUsage]
    parsed: list[str] = []
    inside = opened._inside  # pyright: ignore[reportPrivateUsage]

    def counted(self: object, body: str, position: int, end: str) -> int | None:
        parsed.append(body)
        return inside(self, body, position, end)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(csv_rows, "MAX_RECORD_CHARACTERS", 1_000)
    monkeypatch.setattr(opened, "_inside", counted)
    middle = 'b,"' + "x\n" * 5_000 + 'x"" still inside\n' + "x\n" * 5_000 + '"'
    assert of_long_line(tmp_path, middle) == ["a", OVER_LONG, "c"]
    assert len(parsed) < 600


def test_a_fault_of_many_lines_is_one_bad_row_that_counts_them(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", b'id,text\na,one\nb,"' + b"x\n" * 5_000)
    assert [row.rows for row in rows if isinstance(row, BadRow)] == [5_000]


def test_a_mark_where_files_were_put_one_behind_the_other_is_no_part_of_a_row(tmp_path: Path) -> None:
    one, two = "\ufeffid,text\n1,one\n".encode(), '\ufeffid,text\n"2","two"\n'.encode()
    assert rows(tmp_path, one + two) == {"1": "one", "2": "two"}
    assert faults(tmp_path, one + two) == ["line 3: the header comes again"]
    names = CsvFormat(header=("id", "text"))
    assert rows(tmp_path, '\ufeff1,one\n\ufeff"2","two"\n'.encode(), given=names) == {"1": "one", "2": "two"}


def test_a_mark_inside_a_quoted_text_stays(tmp_path: Path) -> None:
    assert rows(tmp_path, 'id,text\n1,"one\n\ufefftwo"\n'.encode()) == {"1": "one\n\ufefftwo"}
