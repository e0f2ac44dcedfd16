"""The first records of a few files of a corpus, whatever their format: enough to guess what is what.

A record is a mapping of names to values; a file that is one document is a record with its text alone. What cannot be read
here is left out: planning says why.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import csv
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from typing import Any, BinaryIO, cast

import pyarrow as pa

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.listing import Listing
from launcher.corpus.samples.block_positions import slice_of
from tasks.errors import Problem
from tasks.formats.arrow.arrow_rows import ArrowBatches
from tasks.formats.compression import decompressed
from tasks.formats.csv.tables import dialect_of
from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.read import open_slice, rows_of_stream
from tasks.formats.rows import Columns, Document
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import WHOLE_FILES

Record = Mapping[str, Any]
RECORDS = 200  # of a corpus
FILES = 12  # that records are taken from
TRIED_FILES = 48  # where some cannot be read
BEGINNING_BYTES = 2**20  # of a file of records
WHOLE_TEXT = ""  # the name of the text of a file that is one document


def first_records(listing: Listing, table: CsvFormat | None = None) -> list[Record]:
    """Records of up to a dozen files that can be read, as many of each, in the order of the listing.

    A digest of their names chooses the files, so that one that cannot be read changes no choice and no share.
    """
    files = sorted((file for file in listing.files if file.bytes), key=lambda file: _digest(file.path))
    store = listing.open()
    found: dict[str, list[Record]] = {}
    for file in files[:TRIED_FILES]:
        records: list[Record] = []
        with (
            suppress(OSError, ValueError, Problem, pa.ArrowException, tarfile.TarError, csv.Error, EOFError),
            open_slice(store, slice_of(file)) as stored,
        ):
            records.extend(islice(_records(file, stored, table), RECORDS))
        if records:
            found[file.path] = records
        if len(found) == FILES:
            break
    each = -(-RECORDS // max(1, len(found)))
    return [record for file in listing.files for record in found.get(file.path, ())[:each]]


def _digest(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _records(file: CorpusFile, stored: BinaryIO, table: CsvFormat | None) -> Iterator[Record]:
    if file.kind in (*WHOLE_FILES, "text"):
        for row in rows_of_stream(stored, slice_of(file), Columns("text", None)):
            if isinstance(row, Document):
                yield {WHOLE_TEXT: row.text}
        return
    if file.kind == "parquet":
        with CheckedTable(stored) as parquet:
            for batch in parquet.batches(RECORDS):
                yield from batch.to_pylist()
        return
    with decompressed(stored, file.path) as stream:
        match file.kind:
            case "csv" | "tsv":
                yield from _rows_of_table(stream.read(BEGINNING_BYTES), file, table)
            case "json" | "jsonl":
                yield from _json(stream.read(BEGINNING_BYTES).decode("utf-8-sig", "replace"))
            case "arrow":
                yield from _arrow(stream)
            case "webdataset":
                yield from _samples(stream)
            case _:
                return


def _rows_of_table(body: bytes, file: CorpusFile, table: CsvFormat | None) -> Iterator[Record]:
    dialect = dialect_of(cast("Any", file.kind), table)
    text = body.decode(dialect.encoding, "replace")
    whole = text if len(body) < BEGINNING_BYTES else text[: text.rfind("\n") + 1]
    quote = dialect.quote or None
    for row in csv.DictReader(
        io.StringIO(whole, newline=""),
        delimiter=dialect.delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        restkey="",
    ):
        yield {name: value for name, value in row.items() if name}  # without fields that have no column


def _json(text: str) -> Iterator[Record]:
    """The objects of lines, of one array, or one after the other; a cut one at the end is left out."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        while at < len(text) and (text[at].isspace() or text[at] in "[,]"):
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            return
        if isinstance(value, dict):
            yield cast("Record", value)


def _arrow(stream: BinaryIO) -> Iterator[Record]:
    for _, batch in ArrowBatches(stream).read():
        yield from batch.slice(0, RECORDS).to_pylist()


def _samples(stream: BinaryIO) -> Iterator[Record]:
    """The texts of a WebDataset's samples: `txt` is a file, `json` an object."""
    sample: dict[str, Any] = {}
    key = None
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            name, _, ending = member.name.rpartition("/")[2].partition(".")
            if not member.isfile():
                continue
            if key is not None and name != key and sample:
                yield sample
                sample = {}
            key = name
            if ending in ("txt", "json") and (file := archive.extractfile(member)):
                body = file.read().decode("utf-8", "replace")
                sample[ending] = body if ending == "txt" else json.loads(body)
    if sample:
        yield sample
