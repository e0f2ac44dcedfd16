"""What a file is by its first bytes, where these are not of the format that its name says. Pure."""

from collections.abc import Mapping

MARK_BYTES = 512  # as many as a header of tar has
TAR_MARK, TAR_PLACE = b"ustar", 257
# A pointer of Git LFS or git-annex stands in a clone for a file that was not fetched.
POINTERS: Mapping[bytes, tuple[str, str]] = {
    b"version https://git-lfs.github.com/spec/": (
        "a pointer of Git LFS",
        "fetch the file itself: git lfs pull",
    ),
    b"/annex/objects/": ("a pointer of git-annex", "fetch the file itself: git annex get"),
    b"../.git/annex/": ("a pointer of git-annex", "fetch the file itself: git annex get"),
}
TAR = "a tar archive"
KINDS = {
    "Parquet": "parquet",
    "Arrow": "arrow",
    "Feather of version 1": "arrow",
    TAR: "webdataset",
}  # that are read here
PACKINGS: Mapping[str, bytes] = {
    ".gz": b"\x1f\x8b",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\0",
}
# A frame of zstd that holds no data (RFC 8878, 3.1.2), with which pzstd and others begin: the low half of a byte is free.
SKIPPABLE_FRAMES = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
PACKED_WITH = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
_RENAME = "end its name in {}, so that it is decompressed"
_UNPACK = "unpack it, or move it out of the corpus"
_DOWNLOAD = "fetch the file again: a server has sent a page, perhaps one of an error"
_MARKS: Mapping[bytes, tuple[str, str]] = {
    **POINTERS,
    **{
        mark: (f"compressed with {PACKED_WITH[ending]}", _RENAME.format(ending))
        for ending, mark in PACKINGS.items()
    },
    b"\x04\x22\x4d\x18": ("compressed with lz4", "unpack it"),
    b"\xff\x06\0\0sNaPpY": ("compressed with snappy", "unpack it"),
    b"PAR1": ("Parquet", "set corpus.format to parquet"),
    b"ARROW1": ("Arrow", "set corpus.format to arrow"),
    b"FEA1": ("Feather of version 1", "write it again as version 2"),
    b"ORC": ("ORC", "write it again as Parquet"),
    b"Obj\x01": ("Avro", "write it again as Parquet"),
    b"\x89HDF\r\n\x1a\n": ("HDF5", "write it again as Parquet"),
    b"PK\x03\x04": ("a ZIP archive", _UNPACK),
    b"Rar!\x1a": ("a RAR archive", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"SQLite format 3\0": (
        "a SQLite database",
        "export the table, as by sqlite3 FILE -json 'select * from NAME', and set corpus.format to json",
    ),
    b"%PDF-": ("a PDF", "extract its text, or move it out of the corpus"),
    b"{\\rtf": ("RTF", "extract its text, or move it out of the corpus"),
    b"<!DOCTYPE html": ("a page of HTML", _DOWNLOAD),
    b"<!doctype html": ("a page of HTML", _DOWNLOAD),
    b"<html": ("a page of HTML", _DOWNLOAD),
    b"<?xml": ("XML", _DOWNLOAD),
}


def is_packed(first: bytes, packing: str) -> bool:
    """Whether a file that begins so is compressed in this way, one of PACKINGS."""
    return first.startswith(PACKINGS[packing]) or (packing == ".zst" and first.startswith(SKIPPABLE_FRAMES))


def other_format(first: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, and what to do about it; None where that is not known.

    `first` are its first MARK_BYTES bytes, or fewer.
    """
    for mark, found in _MARKS.items():
        if first.startswith(mark):
            return found
    if first[TAR_PLACE:].startswith(TAR_MARK):
        return TAR, "unpack it, or set corpus.format to webdataset"
    if len(first) == MARK_BYTES and not first.strip(b"\0"):
        return "nothing but zeros at its beginning", "fetch the file again, or move it away"
    return None


def pointer_of(first: bytes) -> str | None:
    """What a small file is that stands for another one, which was not fetched; None where it is none."""
    return next((what for mark, (what, _) in POINTERS.items() if first.startswith(mark)), None)
