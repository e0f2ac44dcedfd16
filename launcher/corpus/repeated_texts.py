"""Write the repeats run of a run: the texts that its corpus has more than once (`tasks.protocol.repeats`).

The corpus is read twice: once to count its texts (`repeat_counts`), and again, up to the last chosen text, to copy the
chosen ones into the output path. Both are deterministic, so a launch that is repeated writes the same objects. What a
text is, is what the corpus says of a document, before it is cut; a text is compared by a hash of 128 bits, and a worker
finds a vector by the hash of the tokens, so even a mistake here could only cost time.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.listing import Listing
from launcher.corpus.repeat_counts import RepeatedTexts, TextCounts, TextSize, text_hash
from launcher.corpus.samples.block_positions import slice_of
from launcher.corpus.samples.profile import target_shard_tokens
from launcher.errors import Problem
from launcher.format import duration, percent, plural, share_text, size
from tasks.formats.reread import InputUnreadable, reread_rows
from tasks.formats.rows import MAX_TEXT_BYTES, Columns, Document
from tasks.protocol import manifest
from tasks.protocol.keys import repeats_run, repeats_texts_key
from tasks.protocol.manifest import Header
from tasks.protocol.repeats import TEXT, repeats_header
from tasks.protocol.shard import Shard, Slice, identify
from tasks.stores.base import Store, create_once

SAY_SECONDS = 10.0  # between two lines about how far the corpus is read
MOST_SHARD_BYTES = 2**25  # of texts in one file
# A longer text is left to its shard: the line that holds it must stay within what a reader takes.
MOST_TEXT_BYTES = MAX_TEXT_BYTES // 8


@dataclass(frozen=True, slots=True)
class CorpusTexts:
    """The texts of a corpus, file by file; `say` gets a line now and then about how far they are read."""

    listing: Listing
    columns: Columns
    say: Callable[[str], None]

    def read(self, what: str, files: Sequence[tuple[int, CorpusFile]]) -> Iterator[tuple[int, str]]:
        """The texts of these files, each with the number of its file. Rows that cannot be read are left out.

        Raises:
            ObjectChanged: a file is not what was planned.
        """
        store, columns = self.listing.open(), replace(self.columns, keep=())
        whole = sum(file.bytes for _, file in files)
        begun = said = monotonic()
        done = 0
        for number, file in files:
            with suppress(InputUnreadable):  # its shard is read again, perhaps by another machine
                for row in reread_rows(store, slice_of(file), columns):
                    if isinstance(row, Document) and _may_be_copied(row.text):
                        yield number, row.text
            done += file.bytes
            now = monotonic()
            if now - said >= SAY_SECONDS and done < whole:
                left = (now - begun) * (whole - done) / max(1, done)
                rate = size(done / (now - begun))
                self.say(f"{what}: {percent(done, whole)} of the corpus, {rate}/s, {duration(left)} left")
                said = now


def write_repeats_run(
    store: Store, header: Header, output: str, texts: CorpusTexts, costs: TextSize
) -> tuple[bool, str | None]:
    """Write the repeats run of the run with this header, unless it is there: whether it has one, and a line about it.

    Raises:
        Problem: the corpus cannot be read, or the local disk is full.
    """
    with suppress(manifest.RunNotFound):
        manifest.read_header(store, repeats_run(header.run))
        return True, None
    files = [(n, file) for n, file in enumerate(texts.listing.files) if file.bytes]
    texts.say(f"reading all {plural(len(files), 'file')} twice for texts that repeat (deduplicate: corpus)")
    found = _counted(texts, files, costs)
    if not found.files:
        return False, "no text of the corpus repeats"
    shards = _Shards(store, header.run, target_shard_tokens(found.tokens), costs)
    _copy(texts, files, found, shards)
    manifest.write(store, repeats_header(header, output, len(shards.done)), shards.done)
    return True, _line(found)


def _counted(texts: CorpusTexts, files: Sequence[tuple[int, CorpusFile]], costs: TextSize) -> RepeatedTexts:
    with TemporaryDirectory(prefix="embedfleet-") as folder:
        counts = TextCounts(Path(folder))
        for number, text in texts.read("counting texts", files):
            counts.add(text, number)
        return counts.choose(costs)


def _copy(
    texts: CorpusTexts, files: Sequence[tuple[int, CorpusFile]], found: RepeatedTexts, shards: "_Shards"
) -> None:
    """Copy each chosen text once, in the order of the corpus."""
    left = Counter(
        found.files.values()
    )  # chosen texts that are still to come, by the file that has them first
    wanted = dict(found.files)
    source = [(number, file) for number, file in files if left[number]]
    for number, text in texts.read("copying texts that repeat", source):
        if left[number] and wanted.pop(text_hash(text), None) is not None:
            left[number] -= 1
            shards.add(text)
    shards.close()


@dataclass(slots=True)
class _Shards:
    """The shards of a repeats run while its texts are written, a file each."""

    store: Store
    run: str
    target: int  # tokens of a shard
    costs: TextSize
    done: list[Shard] = field(default_factory=list[Shard])
    _lines: list[bytes] = field(default_factory=list[bytes])
    _bytes: int = 0
    _tokens: float = 0.0

    def add(self, text: str) -> None:
        line = json.dumps({TEXT: text}, ensure_ascii=False).encode() + b"\n"
        self._lines.append(line)
        self._bytes += len(line)
        self._tokens += self.costs.tokens_of(len(text))
        if self._tokens >= self.target or self._bytes >= MOST_SHARD_BYTES:
            self.close()

    def close(self) -> None:
        """Write what was added since the last file."""
        if not self._lines:
            return
        key = repeats_texts_key(self.run, len(self.done))
        if not create_once(self.store, key, b"".join(self._lines)):
            raise Problem(
                f"{key} holds other texts: the corpus was another one when it was written",
                hint="change `name:` in the job file, plan and launch",
            )
        version = next(entry.version for entry in self.store.list(key) if entry.key == key)
        pieces = (Slice(path=key, version=version, kind="jsonl"),)
        self.done.append(
            Shard(
                id=identify(pieces),
                position=len(self.done),
                slices=pieces,
                bytes=self._bytes,
                tokens=round(self._tokens),
            )
        )
        self._lines, self._bytes, self._tokens = [], 0, 0.0


def _may_be_copied(text: str) -> bool:
    """Whether a text comes back from a line of JSON as it was, and is one at all."""
    if not text.strip() or len(text) > MOST_TEXT_BYTES:
        return False
    try:
        return len(text.encode()) <= MOST_TEXT_BYTES
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _line(found: RepeatedTexts) -> str:
    of_repeated = (
        "all" if found.repeats_chosen == found.repeats else percent(found.tokens_saved, found.tokens_repeated)
    )
    return (
        f"{share_text(found.repeats / max(1, found.texts))} of {plural(found.texts, 'text')} occur before:"
        f" {plural(len(found.files), 'text')} of about {plural(found.tokens, 'token')} are embedded once for all workers,"
        f" which saves about {plural(found.tokens_saved, 'token')}, {of_repeated} of what repeats"
    )
