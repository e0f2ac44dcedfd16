"""Read trace files: CSV or Parquet (also .gz, .zst) with the columns place, at, available and perhaps usd_per_hour.

`at` is seconds or an ISO time, one of the two in the whole file; `available` is a number of machines, or 0 and 1. Files
of availability probes are read as well (source, cloud, zone, gap_seconds, tick, available); where one holds several
sources, FILE#SOURCE names one of them. Every mistake is refused with the number of its line.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from launcher.errors import Usage
from launcher.simulator.traces import TraceRow, TraceSet, trace_set
from tasks.formats.compression import PlainBytes
from tasks.formats.damage import UnreadableFileError

COLUMNS = ("place", "at", "available")
PRICE = "usd_per_hour"
PROBE_COLUMNS = ("source", "cloud", "zone", "gap_seconds", "tick", "available")
MOST_BYTES = 2 * 2**30  # unpacked
MOST_MACHINES = 1_000_000  # in one place; more is damage
MOST_SECONDS = 4e9  # 127 years; and `at` may be a Unix time
FORMAT_HINT = "a trace has the columns place, at, available, and usd_per_hour where prices are known"


@dataclass(frozen=True, slots=True)
class _Table:
    """Lines of a file: the number of each, and its values by column."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Mapping[str, str]]]


def read_traces(path: Path, source: str | None = None) -> TraceSet:
    """The traces in a file. `source` names one of several in a file of probes.

    Raises:
        Usage: the file cannot be read, or says something that no trace can say; names the line.
    """
    with _opened(path) as stream:
        table = _parquet(path, stream) if _is_parquet(path) else _csv(path, stream)
        if set(PROBE_COLUMNS) <= set(table.columns):
            rows, about = _probe_rows(table, source)
        else:
            if source is not None:
                raise Usage(f"{path} holds one trace, no {source!r}", hint=f"leave #{source} out")
            _check_columns(table)
            rows, about = _rows(table), ""
        try:
            found = list(rows)
        except (UnreadableFileError, OSError, csv.Error, UnicodeDecodeError, EOFError) as error:
            raise Usage(f"cannot read {path}: {error}", hint=FORMAT_HINT) from error
    _check_order(path, found)
    return trace_set(path.name if source is None else f"{path.name}#{source}", about, found)


def _opened(path: Path) -> io.BufferedReader:
    try:
        if path.is_dir():
            raise Usage(f"{path} is a folder", hint="name one trace file")
        if path.stat().st_size > MOST_BYTES:
            raise Usage(f"{path} has more than 2 GB", hint="cut the trace: a month of it is plenty")
        return path.open("rb")
    except OSError as error:
        raise Usage(
            f"cannot read {path}: {error.strerror}", hint="name a trace file that is there"
        ) from error


def _is_parquet(path: Path) -> bool:
    return any(suffix == ".parquet" for suffix in path.suffixes)


def _plain(path: Path, stream: io.BufferedReader) -> io.RawIOBase | io.BufferedReader:
    return PlainBytes(stream, path.name) if path.suffix in (".gz", ".zst") else stream


def _csv(path: Path, stream: io.BufferedReader) -> _Table:
    lines = _lines(path, stream)
    try:
        header = next(csv.reader(lines, strict=True), None)
    except (OSError, csv.Error, UnicodeDecodeError, EOFError) as error:
        raise Usage(f"cannot read {path}: {error}", hint=FORMAT_HINT) from error
    if not header:
        raise Usage(f"{path} is empty", hint=FORMAT_HINT)
    columns = tuple(name.strip() for name in header)
    return _Table(str(path), columns, _csv_rows(path, columns, lines))


def _lines(path: Path, stream: io.BufferedReader) -> Iterator[str]:
    """The lines of a text file, at most MOST_BYTES of them."""
    read = 0
    plain = _plain(path, stream)
    for number, line in enumerate(io.BufferedReader(plain) if isinstance(plain, io.RawIOBase) else plain):
        read += len(line)
        if read > MOST_BYTES:
            raise Usage(f"{path} has more than 2 GB unpacked", hint="cut the trace: a month of it is plenty")
        yield line.decode("utf-8" if number else "utf-8-sig")


def _csv_rows(
    path: Path, columns: tuple[str, ...], lines: Iterator[str]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, values in enumerate(csv.reader(lines, strict=True), start=2):
        if not values:
            continue
        if len(values) != len(columns):
            raise Usage(
                f"{path}, line {number}: {len(values)} values for {len(columns)} columns", hint=FORMAT_HINT
            )
        yield number, dict(zip(columns, values, strict=True))


def _parquet(path: Path, stream: io.BufferedReader) -> _Table:
    import pyarrow as pa  # noqa: PLC0415 - most traces are CSV
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        body = _plain(path, stream).read(MOST_BYTES + 1) or b""
        if len(body) > MOST_BYTES:
            raise Usage(f"{path} has more than 2 GB unpacked", hint="cut the trace: a month of it is plenty")
        with pq.ParquetFile(io.BytesIO(body)) as parquet:
            table = cast("Any", parquet).read()
    except (pa.ArrowException, OSError, EOFError) as error:
        raise Usage(f"cannot read {path}: {error}", hint=FORMAT_HINT) from error
    return _Table(str(path), tuple(table.column_names), _parquet_rows(table))


def _parquet_rows(table: Any) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Rows of a Parquet table as text, numbered from 1."""
    number = 0
    for batch in table.to_batches():
        for row in batch.to_pylist():
            number += 1
            yield number, {key: _text(value) for key, value in row.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _check_columns(table: _Table) -> None:
    missing = [name for name in COLUMNS if name not in table.columns]
    unknown = [name for name in table.columns if name not in (*COLUMNS, PRICE)]
    if missing:
        raise Usage(f"{table.name} has no column {', '.join(missing)}", hint=FORMAT_HINT)
    if unknown:
        raise Usage(f"{table.name} has the unknown column {', '.join(unknown)}", hint=FORMAT_HINT)
    if len(set(table.columns)) < len(table.columns):
        raise Usage(f"{table.name} has a column twice", hint=FORMAT_HINT)


def _rows(table: _Table) -> Iterator[TraceRow]:
    iso: bool | None = None
    for line, row in table.rows:
        where = f"{table.name}, line {line}"
        at, is_iso = _moment(row["at"].strip(), where)
        if iso is not None and iso != is_iso:
            raise Usage(f"{where}: times in seconds and ISO times in one file", hint="write all times alike")
        iso = is_iso
        place = row["place"].strip()
        if not place:
            raise Usage(f"{where}: no place", hint="name it as cloud/region/zone")
        yield TraceRow(
            place,
            at,
            _count(row["available"].strip(), where),
            _price(row.get(PRICE, "").strip(), where),
            line,
        )


def _moment(word: str, where: str) -> tuple[float, bool]:
    """Seconds, and whether the time was written as an ISO time."""
    hint = "give seconds, or an ISO time such as 2026-11-01T06:00"
    try:
        seconds, iso = float(word), False
    except ValueError:
        try:
            found = datetime.fromisoformat(word)
        except ValueError:
            raise Usage(f"{where}: {word[:40]!r} is no time", hint=hint) from None
        seconds, iso = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp(), True
    if not (math.isfinite(seconds) and 0 <= seconds <= MOST_SECONDS):
        raise Usage(f"{where}: {word[:40]!r} is no time", hint=hint)
    return seconds, iso


def _count(word: str, where: str) -> int:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not (0 <= number <= MOST_MACHINES and number == int(number)):
        raise Usage(
            f"{where}: {word[:40]!r} is no number of machines", hint="available is a whole number from 0 on"
        )
    return int(number)


def _price(word: str, where: str) -> float | None:
    if not word:
        return None
    try:
        usd = float(word)
    except ValueError:
        usd = math.nan
    if not 0 < usd < math.inf:
        raise Usage(
            f"{where}: {word[:40]!r} is no price",
            hint="usd_per_hour is above 0, or empty where it is unknown",
        )
    return usd


def _probe_rows(table: _Table, source: str | None) -> tuple[Iterator[TraceRow], str]:
    """Rows of one source in a file of probes."""
    rows = list(table.rows)
    sources = list(dict.fromkeys(row["source"] for _, row in rows))
    if source is None and len(sources) > 1:
        hint = f"name one: {table.name}#{sources[0]}"
        raise Usage(f"{table.name} holds {len(sources)} traces: {', '.join(sources)}", hint=hint)
    chosen = source if source is not None else next(iter(sources), "")
    if source is not None and source not in sources:
        raise Usage(f"{table.name} holds no {source!r}", hint=f"it holds {', '.join(sources)}")
    mine = [(line, row) for line, row in rows if row["source"] == chosen]
    about = ""
    if mine:
        one = mine[0][1]
        about = f"{one.get('accelerator', '?')}, {one['cloud'].upper()}"
    return (_probe_row(table.name, line, row) for line, row in mine), about


def _probe_row(name: str, line: int, row: Mapping[str, str]) -> TraceRow:
    where = f"{name}, line {line}"
    gap, tick = (_moment(row[key], where)[0] for key in ("gap_seconds", "tick"))
    zone = row["zone"]
    place = f"{row['cloud']}/{zone.rstrip('abcdef') if row['cloud'] == 'aws' else zone}/{zone}"
    return TraceRow(place, gap * tick, _count(row["available"], where), None, line)


def _check_order(path: Path, rows: list[TraceRow]) -> None:
    """Refuse rows of a place that go back in time, or two of one moment."""
    by_place: dict[str, list[TraceRow]] = {}
    for row in rows:
        by_place.setdefault(row.place, []).append(row)
    for place, found in by_place.items():
        for before, after in pairwise(found):
            if after.at <= before.at:
                what = "goes back in time" if after.at < before.at else "has two rows of one moment"
                raise Usage(
                    f"{path}, line {after.line}: {place} {what}", hint="sort the rows of each place by at"
                )
