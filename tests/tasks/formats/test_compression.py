"""Compressed files: everything that can be unpacked comes, then the damage; memory is bounded."""

import gzip
import io
import random
import zlib
from collections.abc import Callable
from typing import cast

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats import compression
from tasks.formats.compression import decompressed
from tasks.formats.damage import DamagedFileError, UnreadableFileError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "a.gz": lambda body: gzip.compress(body, mtime=0),
    "a.zst": zstd.compress,
}
LINES = "".join(f"line {n} {random.Random(n).random()}\n" for n in range(30_000)).encode()


def unpack(stored: bytes, name: str) -> tuple[bytes, str | None]:
    """The plain bytes that come, and the error after them."""
    out = bytearray()
    try:
        with decompressed(io.BytesIO(stored), name) as stream:
            while part := cast("io.BufferedReader", stream).read1(5_000):
                out += part
    except UnreadableFileError as error:
        return bytes(out), str(error)
    return bytes(out), None


@pytest.mark.parametrize("name", PACK)
def test_members_follow_each_other(name: str) -> None:
    padding = b"\0" * 700 if name == "a.gz" else b""
    stored = PACK[name](LINES[:99_999]) + padding + PACK[name](LINES[99_999:])
    assert unpack(stored, name) == (LINES, None)


@pytest.mark.parametrize("name", PACK)
def test_an_empty_file_is_an_empty_stream(name: str) -> None:
    assert unpack(b"", name) == (b"", None)
    assert unpack(PACK[name](b""), name) == (b"", None)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(PACK)), share=st.floats(0.001, 0.999))
def test_a_file_that_was_cut_off_gives_what_the_library_can_unpack(name: str, share: float) -> None:
    whole = PACK[name](LINES)
    stored = whole[: 1 + int(share * (len(whole) - 2))]
    library = zlib.decompressobj(31) if name == "a.gz" else zstd.ZstdDecompressor()
    assert unpack(stored, name) == (
        library.decompress(stored),
        "the file is damaged from here on: it ends in the middle of compressed data",
    )


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(sorted(PACK)), share=st.floats(0.3, 0.99))
def test_bytes_before_a_damaged_place_all_come(name: str, share: float) -> None:
    """zlib and zstd drop what they had unpacked in the call that finds the damage."""
    stored = bytearray(PACK[name](LINES))
    place = int(share * len(stored))
    stored[place:] = b"\xff" * (len(stored) - place)
    found, error = unpack(bytes(stored), name)
    sound = zlib.decompressobj(31) if name == "a.gz" else zstd.ZstdDecompressor()
    before = sound.decompress(bytes(stored[:place]))
    assert error
    assert found[: len(before)] == before


def test_a_cut_trailer_loses_nothing() -> None:
    assert unpack(PACK["a.gz"](LINES)[:-1], "a.gz")[0] == LINES


def frame(window_log: int) -> bytes:
    """A frame of zstd whose header asks for this window."""
    return (
        compression.ZSTD_MAGIC + bytes([0, (window_log - 10) << 3]) + b"\x01\x00\x00"
    )  # an empty last block


def test_a_window_of_two_gib_is_read_where_the_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_memory", lambda: 16 * 2**30)
    assert unpack(frame(31), "a.zst") == (b"", None)


def test_a_window_that_the_machine_cannot_hold_is_named_and_is_no_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compression, "_memory", lambda: 2**30)
    _, error = unpack(frame(31), "a.zst")
    assert error
    assert error.startswith("it was packed with a window of 2,048 MiB, and this machine allows 256 MiB")
    assert unpack(frame(27), "a.zst") == (b"", None)


def test_damage_is_an_error_without_a_number() -> None:
    """An error with a number is the system's, and passes."""
    with pytest.raises(DamagedFileError) as caught:
        decompressed(io.BytesIO(b"no such thing"), "a.gz").read()
    assert caught.value.errno is None
