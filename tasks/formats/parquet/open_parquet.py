"""Open a Parquet file so that damage is an error: pages are compared with their checksums, and names are text."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

BUFFER_BYTES = 2**20  # of a column, fetched at once
CHECKED: dict[str, Any] = {"page_checksum_verification": True}  # of pages whose writer left a checksum


def open_parquet(stream: "BinaryIO | pa.NativeFile", buffer_size: int = BUFFER_BYTES) -> pq.ParquetFile:
    """Open a file whose columns are fetched as they are read. The caller closes both.

    Reading pages that do not fit their checksum raises an OSError without a number.

    Raises:
        pyarrow.ArrowException, OSError: it is damaged, or no Parquet file.
    """
    file = None
    try:
        file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=buffer_size, **CHECKED)
        _ = file.schema_arrow
    except UnicodeDecodeError as error:  # of a name in the footer
        if file is not None:
            file.close()
        raise pa.ArrowInvalid(f"its footer is not text: {error}") from error
    return file
