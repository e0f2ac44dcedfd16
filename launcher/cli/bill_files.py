"""Read the files of a cloud's bill: Parquet, or CSV that may be compressed with gzip."""

import csv
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfoNotFoundError

from launcher.costs.bills.cloud_bill import BILL_HINT, BadBill, Bill, is_needed_column, parse_bill
from launcher.format import plural

BATCH_ROWS = 20_000  # rows of Parquet read together
MAX_CELL_BYTES = 2**24


def read_bill(path: Path, run: str) -> Bill:
    """Read the rows of a bill that have the run's label.

    Raises:
        BadBill: the file does not exist, is broken, or has an unknown layout.
    """
    try:
        columns, rows = _table(path)
    except FileNotFoundError as error:
        raise BadBill(f"no file {path}", hint=BILL_HINT) from error
    except _broken_file_errors() as error:
        raise BadBill(f"{path} cannot be read: {_reason(error)}", hint=BILL_HINT) from error
    return parse_bill(str(path), columns, _until_broken(rows), run)


def _broken_file_errors() -> tuple[type[Exception], ...]:
    """What pyarrow, csv and gzip raise for a broken file. ValueError includes UnicodeDecodeError."""
    import pyarrow as pa  # noqa: PLC0415 - only a broken file needs it

    gzip_errors = (EOFError, zlib.error)  # besides OSError
    value_errors = (ValueError, OverflowError, ZoneInfoNotFoundError)  # times of Parquet out of range or zone
    return (pa.ArrowException, OSError, csv.Error, *gzip_errors, *value_errors)


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or "it is broken"


def _until_broken(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows.

    Raises:
        BadBill: the file breaks off.
    """
    count = 0
    try:
        for count, row in enumerate(rows, 1):  # noqa: B007 - the message says how many were read
            yield row
    except _broken_file_errors() as error:
        raise BadBill(f"it breaks off after {plural(count, 'row')}: {_reason(error)}", hint="") from error


def _table(path: Path) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    """The column names and the rows of a file."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        import pyarrow.parquet as pq  # noqa: PLC0415 - CSV does not need it

        parquet = pq.ParquetFile(path, pre_buffer=False)
        names = list(parquet.schema_arrow.names)
        return names, _parquet_rows(parquet, [name for name in names if is_needed_column(name)])
    rows = _csv_rows(path, gzipped=magic[:2] == b"\x1f\x8b")
    first = next(rows, None)
    if first is None:
        raise ValueError("it is empty")
    header = [name.strip().lstrip("\ufeff") for name in first]
    return header, (_cells(header, row, number) for number, row in enumerate(rows, 1) if row)


def _cells(header: Sequence[str], row: Sequence[str], number: int) -> dict[str, str]:
    if len(row) != len(header):
        raise BadBill(f"row {number}: it has {len(row)} cells, the header {len(header)}", hint="")
    return dict(zip(header, row, strict=True))


def _parquet_rows(parquet: Any, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows with the given columns only: a bill has hundreds."""
    for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False):
        yield from batch.to_pylist()


def _csv_rows(path: Path, *, gzipped: bool) -> Iterator[list[str]]:
    import gzip  # noqa: PLC0415 - most files are not compressed

    csv.field_size_limit(MAX_CELL_BYTES)
    open_it = gzip.open if gzipped else open
    with open_it(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.reader(cast("Iterable[str]", file), strict=True)
