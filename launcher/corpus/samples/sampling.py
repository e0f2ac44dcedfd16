"""Sample a corpus: read blocks of rows at random places, tokenised by the model's own tokenizer.

A small corpus is read whole, so its figures are counts. Of a larger one 48 blocks of each kind of file are read, chosen
with a seed: the same corpus gives the same profile. Holds one block in memory at a time, of at most a few MiB.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.listing import Listing
from launcher.corpus.samples.beginnings import check_beginnings, unreadable
from launcher.corpus.samples.block_positions import map_concurrently, open_blocks, slice_of
from launcher.corpus.samples.columns import check_schema
from launcher.corpus.samples.kept_columns import KeptColumns
from launcher.corpus.samples.profile import SampledBlock, Stratum
from launcher.corpus.samples.sample_faults import SampleFaults
from launcher.corpus.samples.sampled_ids import SampledIds
from launcher.corpus.samples.text_escapes import TextEscapes
from launcher.errors import Problem
from tasks.formats.damage import EncryptedFileError
from tasks.formats.parquet.parquet_footer import check_not_encrypted, chunks_of, read_groups
from tasks.formats.parquet.parquet_reader import open_footer
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.formats.vectors.vector_file import HASH_STORED_BYTES
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.tokenizer import PieceTokenizer
from tasks.protocol.shard import WHOLE_FILES, Kind
from tasks.stores.base import Store

READ_WHOLE_BYTES = 6 * 2**20  # as stored; a smaller corpus is read whole
BLOCK_BYTES = 128 * 2**10  # of a block in plain files
BLOCK_ROWS = 256  # of a block in Parquet, at most
BATCH_CHARACTERS = 2**20  # tokenised together, and bytes of text in a block of Parquet, about
BATCH_TEXTS = 128  # tokenised together, at most
# Of one block. A small file may unpack to far more than others do: then less of it is read.
MOST_CHARACTERS = 256 * 2**20
MOST_PARQUET_CHARACTERS = 64 * 2**20
KEPT_TEXTS = 600  # to measure speed with
KEPT_CHARACTERS = 100_000  # of one of them
LEVEL_BYTES_PER_ROW = 5  # of the output, in which Parquet writes where its list of numbers begins


@dataclass(frozen=True, slots=True)
class ParquetFooter:
    """The rows of each row group of a Parquet file, and the bytes of its texts as encoded."""

    groups: tuple[int, ...]
    text_bytes: int

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return sum(self.groups)


class CorpusSample:
    """The strata of a corpus by kind of file, the footers of its Parquet files, and some texts unchanged.

    Attributes:
        faults: the bad rows of the sample.
        ids: the ids of the sample that its files give.
        kept: which of the columns to keep have had a value.
        escapes: which of the texts seem to hold escapes or quotes.
    """

    def __init__(self, seed: int, columns: Columns, escapes: TextEscapes) -> None:
        self.strata: dict[str, Stratum] = {}
        self.footers: dict[str, ParquetFooter] = {}  # by path
        self.texts: list[str] = []
        self.faults = SampleFaults(columns)
        self.ids = SampledIds()
        self.kept = KeptColumns(columns.keep)
        self.escapes = escapes
        self._random = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._seen = 0

    def note(self, row: ReadRow) -> None:
        """Note what a row says about the corpus."""
        self.faults.add(row)
        if not isinstance(row, Document):
            return
        self.kept.add(row)
        self.escapes.add(row)
        if not row.id.startswith(
            row.file
        ):  # file and position, or a file that is a document: these are unique
            self.ids.add(row)

    def warnings(self) -> Sequence[str]:
        """Lines about what does not keep the corpus from being embedded, and should be known before."""
        others = (self.ids.line(), self.kept.line())
        return [*self.faults.lines(), *(line for line in others if line), *self.escapes.lines()]

    def keep(self, text: str) -> None:
        """Offer a text for measuring speed; every text has the same chance to be kept (reservoir sampling)."""
        self._seen += 1
        place = len(self.texts) if len(self.texts) < KEPT_TEXTS else self._random.randrange(self._seen)
        if place < KEPT_TEXTS:
            self.texts[place : place + 1] = [text[:KEPT_CHARACTERS]]

    def density(self, file: CorpusFile) -> float:
        """Return the tokens per row (Parquet) or per stored byte of files like this one."""
        return self.strata[stratum_of(file)].tokens_per_unit


def stratum_of(file: CorpusFile) -> str:
    """Return the stratum of a file: files of one stratum are sampled together."""
    return f"{file.kind}{' compressed' if file.compressed else ''}"


def sample_corpus(
    listing: Listing, columns: Columns, tokenizer: PieceTokenizer, spec: ChunkSpec, seed: int = 0
) -> CorpusSample:
    """Tokenise a sample of the corpus.

    Raises:
        Problem: the columns are not there, a file is not Parquet, no row has a text, or ids have two forms.
    """
    whole, block_rows = listing.bytes <= READ_WHOLE_BYTES, BLOCK_ROWS
    while True:
        found = CorpusSample(seed, columns, TextEscapes.of(listing, columns))
        try:
            _sample_strata(listing, columns, _Counting(tokenizer, spec, found), seed, block_rows, whole=whole)
        except _BlockTooLargeError as large:
            whole, block_rows = False, max(1, min(block_rows // 2, large.rows_of_a_batch))
            continue
        break
    found.faults.check(whole=whole)
    if not any(block.documents for stratum in found.strata.values() for block in stratum.blocks):
        kinds: dict[str, Kind] = {file.path: file.kind for file in listing.files}
        first = found.faults.first
        raise found.faults.refusal(kinds.get(first.file) if first else None)
    found.ids.check_one_form()
    return found


@dataclass(frozen=True, slots=True)
class _Counting:
    """What blocks are counted with, and the sample that their rows are noted in."""

    tokenizer: PieceTokenizer
    spec: ChunkSpec
    found: CorpusSample


class _BlockTooLargeError(Exception):
    """A block has more text than any should: the corpus unpacks to far more than its files say."""

    def __init__(self, rows: int, characters: int) -> None:
        super().__init__()
        self.rows_of_a_batch = rows * BATCH_CHARACTERS // characters


def _sample_strata(
    listing: Listing, columns: Columns, counting: _Counting, seed: int, block_rows: int, *, whole: bool
) -> None:
    """Count blocks of each kind of file, or all of it where the corpus is read `whole`.

    Raises:
        _BlockTooLargeError: less should be read.
    """
    strata: dict[str, list[CorpusFile]] = defaultdict(list)
    for file in listing.files:
        if file.bytes:
            strata[stratum_of(file)].append(file)
    dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
    for name, files in sorted(strata.items()):
        check_beginnings(listing, files, columns, whole=whole)
        footers = _read_footers(listing, files, columns)
        counting.found.footers |= footers
        rows = {path: footer.rows for path, footer in footers.items()}
        units = float(sum(rows.values())) if rows else float(sum(file.bytes for file in files))
        blocks: Iterable[tuple[float, Iterator[ReadRow]]]
        if not units:
            blocks = []  # Parquet without rows
        elif whole:
            store = listing.open()
            blocks = [
                (float(rows.get(f.path, f.bytes)), read_rows(store, slice_of(f), columns)) for f in files
            ]
        else:
            block_units = min(block_rows, _block_rows(footers.values(), units)) if rows else BLOCK_BYTES
            blocks = open_blocks(listing, files, rows, block_units, columns, dice)
        most = MOST_PARQUET_CHARACTERS if rows else MOST_CHARACTERS
        # A block of one row is as small as any.
        most = most if whole or block_rows > 1 else None
        counted = [_count_block(size, source, counting, most) for size, source in blocks]
        alone = len(files) if files[0].kind in WHOLE_FILES else None
        counting.found.strata[name] = Stratum(units, tuple(counted), alone)


def _block_rows(footers: Iterable[ParquetFooter], rows: float) -> int:
    """Choose the rows of a block of Parquet, the same for all blocks.

    Blocks that ended earlier where texts are long would give those texts less weight.
    """
    text_bytes = max(1, sum(footer.text_bytes for footer in footers))
    return max(1, min(BLOCK_ROWS, int(rows * BATCH_CHARACTERS / text_bytes)))


def _read_footers(
    listing: Listing, files: Sequence[CorpusFile], columns: Columns
) -> Mapping[str, ParquetFooter]:
    """Read the footers of the Parquet files among these, by path."""
    store = listing.open()
    tables = [file for file in files if file.kind == "parquet"]
    footers = map_concurrently(lambda file: read_footer(listing, store, file, columns), tables)
    return {file.path: footer for file, footer in zip(tables, footers, strict=True)}


def read_footer(listing: Listing, store: Store, file: CorpusFile, columns: Columns) -> ParquetFooter:
    """Read the footer of a Parquet file.

    Raises:
        Problem: it is not Parquet, lacks one of these columns, has two of one name, or one that is encrypted.
    """
    try:
        with open_footer(store, file.path, file.version) as stream:
            check_not_encrypted(stream)
            with pq.ParquetFile(stream) as parquet:
                schema = parquet.schema_arrow
                groups = read_groups(parquet.metadata, stream)
        for group in groups:
            chunks_of(group, columns.names)
        size = sum(chunk.unpacked_bytes for group in groups for chunk in chunks_of(group, [columns.text]))
    except EncryptedFileError as error:
        raise Problem(
            f"cannot read {listing.location(file)}: {error}",
            hint="write it again without encryption, or move it away",
        ) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(store, file, error, listing.location(file)) from error
    check_schema(schema, file.path, columns)
    return ParquetFooter(tuple(group.rows for group in groups), size)


@dataclass(slots=True)
class _BlockCounter:
    """Count the rows of a block: documents, chunks, tokens, repeats, and the bytes of ids and kept columns."""

    block: SampledBlock
    tokenizer: PieceTokenizer
    spec: ChunkSpec
    # Values of the output beside the vectors, by column.
    values: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: set[int] = field(default_factory=set[int])  # hashes of pieces

    def add(self, documents: Sequence[Document]) -> None:
        """Tokenise documents and count them."""
        block = self.block
        texts = [document.text for document in documents]
        for document, pieces in zip(documents, split_texts(self.tokenizer, texts, self.spec), strict=True):
            for place, value in enumerate((document.id, *document.kept)):
                self.values[place].append(value or "")
            block.documents += 1
            block.bytes += len(document.text.encode())
            block.tokens_cut += pieces.cut
            block.documents_cut += pieces.cut > 0
            shared = (self.spec.overlap or 0) * max(0, len(pieces.ids) - 1)  # counted in two chunks
            block.whole[sum(map(len, pieces.ids)) - shared + pieces.cut] += 1
            for ids in pieces.ids:
                block.lengths[len(ids)] += 1
                block.tokens += len(ids)
                name = hash(tuple(ids))
                block.repeated += len(ids) if name in self.seen else 0
                self.seen.add(name)

    def finish(self) -> SampledBlock:
        """Return the block after adding the bytes beside its vectors."""
        columns = sum(_compressed_bytes(values) for values in self.values.values())
        self.block.beside = round((LEVEL_BYTES_PER_ROW + HASH_STORED_BYTES) * self.block.chunks) + columns
        return self.block


def _count_block(
    units: float, rows: Iterator[ReadRow], counting: _Counting, most: int | None
) -> SampledBlock:
    """Count the rows of a block of this many units; offer its texts to the sample.

    Raises:
        _BlockTooLargeError: its texts have more than `most` characters.
    """
    found = counting.found
    counter = _BlockCounter(SampledBlock(units), counting.tokenizer, counting.spec)
    batch: list[Document] = []
    characters = total = 0
    for row in rows:
        found.note(row)
        if isinstance(row, BadRow):
            counter.block.bad += 1
            continue
        batch.append(row)
        characters += len(row.text)
        total += len(row.text)
        if most is not None and total > most:
            raise _BlockTooLargeError(counter.block.documents + len(batch), total)
        found.keep(row.text)
        if len(batch) == BATCH_TEXTS or characters > BATCH_CHARACTERS:
            counter.add(batch)
            batch, characters = [], 0
    counter.add(batch)
    return counter.finish()


def _compressed_bytes(values: Sequence[str]) -> int:
    """Measure the bytes of a column of the output: every value with its length before it, all of that compressed."""
    encoded = [value.encode("utf-8", "replace") for value in values]
    plain = b"".join(len(value).to_bytes(4, "little") + value for value in encoded)
    return len(pa.compress(plain, "zstd", asbytes=True)) if plain else 0
