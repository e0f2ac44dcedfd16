"""Compressed files: the stream of a .gz or .zst file, decompressed as it is read."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import io
import zlib
from typing import Any, BinaryIO, cast

import pyarrow as pa

ZSTD_READ_BYTES = 4_096  # decompressed at once: where a .zst is damaged, Arrow loses this read

GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """The stream of a file, decompressed when its name ends with .gz or .zst."""
    if name.endswith(".gz"):
        return cast("BinaryIO", gzip.open(stream, "rb"))
    if name.endswith(".zst"):
        native = pa.CompressedInputStream(pa.PythonFile(cast("Any", stream), "r"), "zstd")
        return cast("BinaryIO", io.BufferedReader(cast("Any", native), ZSTD_READ_BYTES))
    return stream
