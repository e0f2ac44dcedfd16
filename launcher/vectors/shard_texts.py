"""Find the texts of some documents of one shard in the corpus.

Where the id says the place (a file that is one document, or a file and a position), that row alone is read; else the
shard, until the documents are found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from launcher.format import plural, size
from launcher.vectors.read_dataset import DatasetFile
from tasks.engines.batches.piece_hash import piece_hash
from tasks.formats.endings import compression_of
from tasks.formats.read import read_rows
from tasks.formats.rows import Columns, Document
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.tokenizer import PieceTokenizer
from tasks.protocol.shard import WHOLE_FILES, Kind, Shard, Slice
from tasks.stores.base import ObjectChanged, Store

DIRECT: tuple[Kind, ...] = (
    "parquet",
    "jsonl",
    "text",
)  # formats of which one row can be read, not compressed


@dataclass(frozen=True, slots=True)
class HitPlace:
    """A row of the output: its document and chunk, the file that holds its vector, and the hash of its text if kept."""

    id: str
    chunk: int
    file: DatasetFile
    text_hash: str | bytes | None = None


@dataclass(frozen=True, slots=True)
class HitText:
    """What the model read for a vector, without the prompt, and the file of the corpus; or why the text is not known."""

    text: str | None = None
    file: str | None = None  # relative to the corpus
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class PieceCutter:
    """Cuts texts as a run cut them."""

    tokenizer: PieceTokenizer
    spec: ChunkSpec

    def text_of(self, hit: HitPlace, text: str) -> str | None:
        """The part of a document that a hit's vector is of; None: this is not the text that was embedded."""
        parts = split_texts(self.tokenizer, [text], self.spec, spans=True)[0]
        if hit.chunk >= len(parts.ids):
            return None
        if hit.text_hash is not None:
            name = piece_hash(parts.ids[hit.chunk])
            if hit.text_hash not in (name, name.hex()):
                return None
        start, end = parts.spans[hit.chunk]
        return text[start:end]


@dataclass(slots=True)
class _Match:
    """The document of a hit, as far as it is found. `certain`: no other document can be meant."""

    hit: HitPlace
    text: HitText | None = None
    doubt: str | None = None  # why a document of this id is not taken
    certain: bool = False

    def offer(self, document: Document, cutter: PieceCutter, *, changed: bool) -> None:
        """Take a document that has the id, unless it is another text or may be. `changed`: so is its file."""
        text = cutter.text_of(self.hit, document.text)
        if text is not None and self.hit.text_hash is not None:
            self.text, self.certain = HitText(text, document.file), True
        elif changed:
            self.doubt = f"{document.file} changed since it was embedded"
        elif text is None:
            self.doubt = f"{document.file} is no longer read as the text that was embedded"
        elif self.text is not None:
            self.doubt = f"several documents have the id {self.hit.id}, and the output has no hashes of texts"
        else:
            self.text = HitText(text, document.file)

    def result(self, not_found: str) -> HitText:
        """The text; where there is none for certain, why. `not_found`: where no document has the id."""
        if self.text is not None and (self.certain or self.doubt is None):
            return self.text
        return HitText(missing=self.doubt or not_found)


@dataclass(slots=True)
class ShardTexts:
    """Finds the documents of hits in the slices of one shard.

    Attributes:
        columns: text and id, as the run reads them.
        most_bytes: that may still be read of slices whose rows have no known place.
        differing: files that are gone or another version than was embedded, and which of the two.
    """

    corpus: Store
    columns: Columns
    shard: Shard
    cutter: PieceCutter
    most_bytes: int
    differing: dict[str, str] = field(default_factory=dict[str, str])

    def of(self, hits: Sequence[HitPlace]) -> list[HitText]:
        """The text of each hit of this shard, or why it has none."""
        found: dict[int, HitText] = {}
        searched: dict[tuple[Slice, ...], list[int]] = {}
        for n, hit in enumerate(hits):
            slices, row = self._place(hit.id)
            if row is not None:
                found[n] = self._look((row,), [hit])[0]
            if row is None or (found[n].text is None and slices != (row,)):
                searched.setdefault(slices, []).append(n)
        for slices, numbers in searched.items():
            if self.shard.bytes > self.most_bytes:
                why = f"finding them means reading {size(self.shard.bytes)} of the corpus"
                found |= dict.fromkeys(numbers, HitText(missing=why))
                continue
            self.most_bytes -= self.shard.bytes
            texts = self._look(slices, [hits[n] for n in numbers])
            found |= dict(zip(numbers, texts, strict=True))
        return [found[n] for n in range(len(hits))]

    def _place(self, name: str) -> tuple[tuple[Slice, ...], Slice | None]:
        """The slices that may hold the document of this id, and the slice of its row alone, where that is known."""
        for piece in self.shard.slices:
            if piece.kind in WHOLE_FILES and piece.path == name:
                return (piece,), piece
        path, _, digits = name.rpartition("#")
        if path and digits.isdecimal():
            position = int(digits)
            for piece in self.shard.slices:
                by_place = self.columns.id is None or piece.kind == "text"
                inside = piece.start <= position and (piece.end is None or position < piece.end)
                if by_place and piece.path == path and inside:
                    direct = piece.kind in DIRECT and compression_of(path) is None
                    return (piece,), replace(piece, start=position, end=position + 1) if direct else None
        return tuple(piece for piece in self.shard.slices if piece.kind not in WHOLE_FILES), None

    def _look(self, slices: Sequence[Slice], hits: Sequence[HitPlace]) -> list[HitText]:
        """The texts of hits whose documents are in these slices; ends when each is certain."""
        matches = [_Match(hit) for hit in hits]
        for document in self._documents(slices):
            for match in matches:
                if match.hit.id == document.id and not match.certain:
                    match.offer(document, self.cutter, changed=document.file in self.differing)
            if all(match.certain for match in matches):
                break
        files = list(dict.fromkeys(piece.path for piece in slices))
        not_found = next(
            (
                f"{name} {self.differing[name]} since it was embedded"
                for name in files
                if name in self.differing
            ),
            f"it is not in {files[0] if len(files) == 1 else plural(len(files), 'file')} of its shard",
        )
        return [match.result(not_found) for match in matches]

    def _documents(self, slices: Sequence[Slice]) -> Iterator[Document]:
        """The documents of slices; of a file that is another version now, what it holds now."""
        for piece in slices:
            rows = read_rows(self.corpus, piece, self.columns)
            try:
                yield from (row for row in rows if isinstance(row, Document))
            except ObjectChanged as error:
                now = next((e for e in self.corpus.list(piece.path) if e.key == piece.path), None)
                self.differing[piece.path] = "is gone" if error.gone or now is None else "changed"
                if now is not None:
                    rows = read_rows(self.corpus, replace(piece, version=now.version), self.columns)
                    yield from (row for row in rows if isinstance(row, Document))
