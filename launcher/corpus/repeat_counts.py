"""Count the texts of a corpus exactly, in bounded memory, and choose those that are embedded once for all workers.

A record of 24 bytes a text goes to local files, divided by the first byte of the text's hash; each of these is sorted on
its own. What is chosen are the texts that save the most tokens for each of their vectors, within what a worker's disk is
to hold of them. Equal counts and equal texts give the same choice, in whatever order the texts came.
"""

# numpy's stubs are generic in shapes and types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from math import ceil
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt

from launcher.errors import Problem

HASH_BYTES = 16
BUCKETS = 256  # by the first byte of the hash
BUFFER_BYTES = 2**16  # of each bucket in memory
RECORD = Struct(f"<{HASH_BYTES}sII")  # hash, characters, number of the file
RECORD_TYPE = np.dtype([("name", f"S{HASH_BYTES}"), ("characters", "<u4"), ("file", "<u4")])
REPEATED_TYPE = np.dtype(
    [
        ("name", f"S{HASH_BYTES}"),
        ("count", "<i8"),
        ("tokens", "<f8"),
        ("vectors", "<f8"),
        ("worth", "<f8"),
        ("file", "<u4"),
    ]
)
MOST_CHARACTERS = 2**32 - 1
MOST_VECTOR_BYTES = 2**31  # of the vectors of chosen texts: every worker copies them to its disk

Records = npt.NDArray[Any]


def text_hash(text: str) -> bytes:
    """The hash of a text, by which texts are equal."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


@dataclass(frozen=True, slots=True)
class TextSize:
    """What a text of so many characters costs.

    Attributes:
        tokens_per_character: of the corpus.
        limit: tokens of a chunk at most.
        chunked: a longer text becomes several chunks; else it is cut.
        dimensions: of a vector.
    """

    tokens_per_character: float
    limit: int
    chunked: bool
    dimensions: int

    @property
    def most_vectors(self) -> int:
        """How many vectors may be chosen."""
        return MOST_VECTOR_BYTES // (4 * self.dimensions)

    def tokens_of(self, characters: int) -> float:
        """About how many tokens the model reads of a text of so many characters."""
        return float(self.tokens(np.asarray([characters], np.float64))[0])

    def tokens(self, characters: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """About how many tokens the model reads."""
        whole = np.maximum(1.0, characters * self.tokens_per_character)
        return whole if self.chunked else np.minimum(whole, self.limit)


@dataclass(frozen=True, slots=True)
class RepeatedTexts:
    """The texts that are embedded once for all workers, beside what the corpus has.

    Attributes:
        files: the number of the first file that has a chosen text, by the hash of the text.
        texts: of the corpus.
        repeats: texts of the corpus that occurred before.
        repeats_chosen: those of them that are occurrences of a chosen text.
        tokens: about, of all chosen texts, each once.
        tokens_saved: about, of the further occurrences of chosen texts.
        tokens_repeated: about, of the further occurrences of all texts.
    """

    files: Mapping[bytes, int]
    texts: int
    repeats: int
    repeats_chosen: int
    tokens: int
    tokens_saved: int
    tokens_repeated: int


@dataclass(slots=True)
class TextCounts:
    """The hashes of texts, in files of this folder."""

    folder: Path
    texts: int = 0
    _buffers: list[bytearray] = field(default_factory=lambda: [bytearray() for _ in range(BUCKETS)])

    def add(self, text: str, file: int) -> None:
        """Count a text of the file with this number. Texts of one file come together, files in their order.

        Raises:
            Problem: the disk is full.
        """
        name = text_hash(text)
        self.texts += 1
        buffer = self._buffers[name[0]]
        buffer += RECORD.pack(name, min(len(text), MOST_CHARACTERS), file)
        if len(buffer) >= BUFFER_BYTES:
            self._write(name[0])

    def choose(self, size: TextSize) -> RepeatedTexts:
        """Choose the texts that save the most tokens a vector."""
        chosen = np.empty(0, REPEATED_TYPE)
        repeats, tokens_repeated = 0, 0.0
        for found in self._repeated(size):
            repeats += int((found["count"] - 1).sum())
            tokens_repeated += float(((found["count"] - 1) * found["tokens"]).sum())
            chosen = _best(np.concatenate((chosen, found)), size.most_vectors)
        further = chosen["count"] - 1
        hashes = np.ascontiguousarray(chosen["name"]).tobytes()  # a single name would lose zeros at its end
        return RepeatedTexts(
            {
                hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]: file
                for place, file in enumerate(chosen["file"].tolist())
            },
            texts=self.texts,
            repeats=repeats,
            repeats_chosen=int(further.sum()),
            tokens=ceil(chosen["tokens"].sum()),
            tokens_saved=ceil((further * chosen["tokens"]).sum()),
            tokens_repeated=ceil(tokens_repeated),
        )

    def _repeated(self, size: TextSize) -> Iterator[Records]:
        """The texts of each bucket that occur more than once."""
        for number in range(BUCKETS):
            self._write(number)
            if self._path(number).exists():
                yield _repeated(np.fromfile(self._path(number), RECORD_TYPE), size)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:03d}"

    def _write(self, number: int) -> None:
        if not self._buffers[number]:
            return
        try:
            with self._path(number).open("ab") as out:
                out.write(self._buffers[number])
        except OSError as error:
            raise Problem(
                f"cannot write the hashes of texts in {self.folder}: {error.strerror or error}; they take "
                f"{RECORD.size} bytes a text",
                hint="set TMPDIR to a folder of a disk with more space, or leave `deduplicate: corpus` out",
            ) from error
        self._buffers[number] = bytearray()


def _repeated(records: Records, size: TextSize) -> Records:
    """The texts of some records that occur more than once, each with the first file that has it."""
    _, first, counts = np.unique(records["name"], return_index=True, return_counts=True)
    again = counts > 1
    rows = records[first[again]]
    found = np.empty(len(rows), REPEATED_TYPE)
    tokens = size.tokens(rows["characters"].astype(np.float64))
    found["name"], found["count"], found["tokens"], found["file"] = (
        rows["name"],
        counts[again],
        tokens,
        rows["file"],
    )
    found["vectors"] = np.ceil(tokens / size.limit) if size.chunked else 1.0
    found["worth"] = (found["count"] - 1) * tokens / found["vectors"]
    return found


def _best(found: Records, most_vectors: int) -> Records:
    """The texts of most worth, up to so many vectors in all; of equal worth the smaller hash first."""
    order = np.lexsort((found["name"], -found["worth"]))
    fits = np.cumsum(found["vectors"][order]) <= most_vectors
    return found[order[fits]]
