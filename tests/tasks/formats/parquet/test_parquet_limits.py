"""How much of a row group is decoded at once, for every column that is read, however its name leads to it."""

import io

import pytest

from tasks.formats.damage import EncryptedFileError, UnreadableFileError
from tasks.formats.parquet.parquet_footer import Chunk, Group
from tasks.formats.parquet.parquet_limits import BATCH_ROWS, batch_rows

GIB = 2**30


def group(path: str, unpacked: int = 100, stored: int = 100, *, encrypted: bool = False) -> Group:
    chunk = Chunk(path, 10, unpacked, stored, None, 4, encrypted)
    return Group(10, 100, (Chunk("id", 10, 100, 100, None, 4), chunk))


@pytest.mark.parametrize("path", ["text", "meta.text", "text.list.element", "meta.text.list.element"])
def test_a_column_that_unpacks_to_too_much_is_refused(path: str) -> None:
    name = path.removesuffix(".list.element")
    with pytest.raises(UnreadableFileError, match=f"column '{path}' unpacks from 1,000 to"):
        batch_rows(group(path, GIB, 1_000), ["id", name], io.BytesIO())


@pytest.mark.parametrize("name", ["text", "meta.text"])
def test_an_encrypted_column_is_refused_where_it_is_read(name: str) -> None:
    with pytest.raises(EncryptedFileError, match=f"its column '{name}' is encrypted"):
        batch_rows(group(name, encrypted=True), ["id", name], io.BytesIO())


@pytest.mark.parametrize("other", ["texts", "meta.text", "text2.list.element"])
def test_a_column_that_is_not_read_is_not_refused(other: str) -> None:
    assert batch_rows(group(other, GIB, 1_000, encrypted=True), ["id", "text"], io.BytesIO()) == BATCH_ROWS
