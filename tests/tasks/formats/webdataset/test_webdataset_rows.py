"""Samples of WebDataset archives, as `tarfile` writes them; a damaged archive says so where `tarfile` would end."""

import io
import json
import tarfile
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.damage import DamagedFileError
from tasks.formats.read import rows_of_stream
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document, ReadRow
from tasks.formats.webdataset.tar_members import TarMembers
from tasks.protocol.shard import Slice

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
names = st.text(st.sampled_from("aé/ 1"), min_size=1, max_size=140).filter(
    lambda name: name.strip("/ ") == name
)


def archive(*files: tuple[str, bytes], how: int = tarfile.PAX_FORMAT) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=how) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return body.getvalue()


def rows(body: bytes, text: str = "txt", **more: Any) -> list[ReadRow]:
    columns = Columns(text, more.pop("id", None), **more)
    return list(rows_of_stream(io.BytesIO(body), Slice("0.tar", "1", "webdataset"), columns))


def sample(key: str, text: str) -> list[tuple[str, bytes]]:
    about = json.dumps({"caption": f"of {text}", "uid": f"u-{key}"}).encode()
    return [(f"{key}.jpg", b"\xff" * 700), (f"{key}.txt", text.encode()), (f"{key}.json", about)]


SECOND = 3_584  # where the second sample begins
TWO = archive(*sample("a/000", "one"), *sample("a/001", "two"))


@given(st.lists(st.tuples(names, st.binary(max_size=1_100)), max_size=4), st.sampled_from(FORMATS))
def test_members_are_those_of_tarfile(files: list[tuple[str, bytes]], how: int) -> None:
    try:
        body = archive(*files, how=how)
    except ValueError:  # ustar cannot hold the name
        return
    members = TarMembers(io.BytesIO(body))
    got = [(member.name, members.body(2_000)) for member in members]
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        wanted = [(m.name, file.read()) for m in tar.getmembers() if (file := tar.extractfile(m))]
    assert [(name.rstrip("/"), content) for name, content in got] == wanted


def test_text_and_id_of_a_sample() -> None:
    assert rows(TWO) == [Document("a/000", "one", "0.tar", 0), Document("a/001", "two", "0.tar", SECOND)]


def test_keys_of_json_by_dots() -> None:
    found = rows(TWO, "json.caption", id="json.uid", keep=("__key__",))
    assert [(row.id, row.text, row.kept) for row in found if isinstance(row, Document)] == [
        ("u-a/000", "of one", ("a/000",)),
        ("u-a/001", "of two", ("a/001",)),
    ]


def test_a_sample_without_the_text_says_what_it_has() -> None:
    (row,) = rows(archive(("0.jpg", b"x"), ("0.cls", b"1")))
    assert isinstance(row, BadRow)
    assert (row.id, row.reason) == (
        "0",
        "no text: 'txt' is missing or null; the sample has '__key__', 'jpg', 'cls'",
    )


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([("0.txt", b"a"), ("0.txt", b"b")], "a file of the sample is in the archive twice"),
        (
            [("0.txt", b"x" * (MAX_TEXT_BYTES + 1))],
            "a file of the sample is over-long: more than 8,388,608 bytes",
        ),
        ([("0.txt", b"\xff")], "invalid UTF-8 in the text"),
    ],
)
def test_a_sample_that_cannot_be_read_costs_no_other(files: list[tuple[str, bytes]], why: str) -> None:
    bad, good = rows(archive(*files, ("1.txt", b"good")))
    assert isinstance(bad, BadRow)
    assert (bad.id, bad.reason) == ("0", why)
    assert isinstance(good, Document)


@pytest.mark.parametrize("size", [600, 4_100, 5_000, 7_000])
def test_a_cut_archive_says_so(size: int) -> None:
    last = rows(TWO[:size])[-1]
    assert isinstance(last, BadRow)
    assert (last.more, last.damage) == (True, True)


def test_a_damaged_header_is_not_taken_for_the_end() -> None:
    broken = bytearray(TWO)
    broken[SECOND + 5] ^= 1
    first, last = rows(bytes(broken))
    assert isinstance(first, Document)
    assert isinstance(last, BadRow)
    assert last.reason == "the file is damaged from here on: a header is broken"


def test_archives_behind_one_another_are_one() -> None:
    more = archive(*sample("b", "three"))
    assert [row.id for row in rows(TWO + more)] == ["a/000", "a/001", "b"]


def test_other_files_are_no_archive() -> None:
    (row,) = rows(b'{"text": "a"}\n' * 100)
    assert isinstance(row, BadRow)
    assert row.reason == "the file is damaged from here on: it is no tar archive"


def test_a_header_that_claims_a_huge_name_is_not_held() -> None:
    body = bytearray(archive(("x" * 200 + ".txt", b"a"), how=tarfile.GNU_FORMAT))
    body[124:136] = b"77777777777\0"
    body[148:156] = b" " * 8
    body[148:156] = b"%06o\0 " % sum(body[:512])
    tracemalloc.start()
    with pytest.raises(DamagedFileError, match="a name takes more than 65,536 bytes"):
        list(TarMembers(io.BytesIO(bytes(body))))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@given(st.data())
def test_any_changed_bytes_give_rows(data: st.DataObject) -> None:
    body = bytearray(TWO)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, 8_000))] = data.draw(st.integers(0, 255))
    assert all(isinstance(row, Document | BadRow) for row in rows(bytes(body), "json.caption"))


@pytest.mark.parametrize("how", FORMATS)
def test_links_are_set_aside_by_name(how: int) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=how) as tar:
        for name, kind in (
            ("1.txt", tarfile.REGTYPE),
            ("2.txt", tarfile.LNKTYPE),
            ("3.txt", tarfile.SYMTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, 3 if kind == tarfile.REGTYPE else 0
            member.linkname = "" if kind == tarfile.REGTYPE else "1.txt"
            tar.addfile(member, io.BytesIO(b"one"))
    whole, hard, soft = rows(body.getvalue())
    assert isinstance(whole, Document)
    assert [(row.id, row.reason) for row in (hard, soft) if isinstance(row, BadRow)] == [
        ("2", "a file of the sample is a link"),
        ("3", "a file of the sample is a symbolic link"),
    ]


def test_a_sparse_file_is_set_aside_and_the_next_is_read() -> None:
    """As GNU tar writes it: a map of parts in the header, more of it in a block behind, then the parts."""
    sparse = bytearray(tarfile.TarInfo("1.txt").tobuf(tarfile.GNU_FORMAT))
    sparse[124:136], sparse[156:157], sparse[482] = b"00000000003\0", b"S", 1
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    body = bytes(sparse) + bytes(512) + b"one".ljust(512, b"\0") + archive(("2.txt", b"two"))
    first, second = rows(body)
    assert isinstance(first, BadRow)
    assert first.reason == "a file of the sample is a sparse file, which is stored in parts"
    assert isinstance(second, Document)
    assert second.text == "two"


@pytest.mark.parametrize("version", ["0.1", "1.0"])
def test_a_sparse_file_of_pax_is_set_aside_under_its_own_name(version: str) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("GNUSparseFile.7/1.txt")
        member.size = 3
        member.pax_headers = {
            "GNU.sparse.major": version[0],
            "GNU.sparse.minor": version[2],
            "GNU.sparse.name": "1.txt",
        }
        tar.addfile(member, io.BytesIO(b"one"))
    (row,) = rows(body.getvalue())
    assert isinstance(row, BadRow)
    assert (row.id, "sparse" in row.reason) == ("1", True)
