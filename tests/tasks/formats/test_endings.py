"""What the end of a name says, in small letters or capitals."""

import pytest

from tasks.formats.endings import (
    COMPRESSED_ENDINGS,
    KIND_OF_ENDING,
    compression_of,
    is_packed_parquet,
    kind_of,
)


@pytest.mark.parametrize("packing", ["", *COMPRESSED_ENDINGS])
@pytest.mark.parametrize("ending", KIND_OF_ENDING)
def test_capitals_say_the_same(ending: str, packing: str) -> None:
    name = f"dir.x/part{ending}{packing}"
    assert kind_of(name.upper()) == kind_of(name)
    assert compression_of(name.upper()) == compression_of(name) == (packing or None)


@pytest.mark.parametrize(
    ("name", "kind", "packing"),
    [
        ("a.tgz", "webdataset", ".gz"),
        ("a.tar.zst", "webdataset", ".zst"),
        ("a.json.gz", "json", ".gz"),
        ("x.jsonl/a", None, None),
        ("jsonl", None, None),
        ("a.gz", None, ".gz"),
        ("a.parquet.gz", None, ".gz"),
    ],
)
def test_endings_of_all_sorts(name: str, kind: str | None, packing: str | None) -> None:
    assert (kind_of(name), compression_of(name)) == (kind, packing)


def test_packed_parquet_is_known() -> None:
    assert is_packed_parquet("a.PARQUET.gz")
    assert not is_packed_parquet("a.gz.parquet")
