"""Propose a job: format, columns, model, chunks, dtype and output, by what a few records of the corpus show."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import quantiles
from typing import cast

from launcher.corpus.files.companions import WITHOUT_COLUMNS, is_about_folder
from launcher.corpus.files.left_out import left_out_text
from launcher.corpus.files.listing import Listing, find_files
from launcher.corpus.text_units import check_text_unit
from launcher.errors import Problem, Usage
from launcher.format import plural
from launcher.jobs.job import Unit
from launcher.proposal.columns import Guess, guess_columns
from launcher.proposal.language import is_english, token_estimate
from launcher.proposal.records import WHOLE_TEXT, Record, first_records
from tasks.models.tokenizing.chunk_by import ChunkBy
from tasks.protocol.csv_format import CsvFormat

ENGLISH_MODEL, OTHER_MODEL = "BAAI/bge-small-en-v1.5", "BAAI/bge-m3"
MODEL_TOKENS = {ENGLISH_MODEL: 512, OTHER_MODEL: 8192}  # the longest text that each takes whole
CHUNK_TOKENS, OVERLAP = 256, 32
LONG_SHARE = 0.05  # of the documents, longer than the model takes: then they are cut into chunks
USUAL_CHUNK = 1_024  # tokens from which a text holds several subjects, whatever the model takes
DELIMITERS = ";\t|"
MARKDOWN = (".md", ".markdown", ".rst")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A job as it is proposed, and what it rests on. `text` None: files are documents."""

    name: str
    corpus: str
    files: int
    bytes: int
    kinds: Mapping[str, int]  # files of each format
    left_out: str | None  # what is not read, in words
    text: str | None
    text_others: tuple[str, ...]  # columns that may hold the text instead
    columns: tuple[str, ...]
    id: str | None
    table: CsvFormat | None
    unit: Unit | None  # None: the default
    unit_question: str | None  # why it is asked
    unit_note: str | None  # why it is written, and not asked
    model: str
    english: bool | None
    median_tokens: int | None  # of a document, about
    long_share: float | None  # of the documents, longer than the model takes
    chunk: tuple[int, int, ChunkBy] | None  # tokens, overlap, by
    output: str
    by: ChunkBy = "sentences"  # where chunks of such files end best


def propose(path: str, base: Path) -> Proposal:
    """Look at a corpus and propose a job for it.

    Args:
        path: a folder, a file or a glob, or the address of a bucket.
        base: the folder that relative paths start at, where job.yaml will lie.

    Raises:
        Problem: there is nothing to read, or no column that can be the text.
    """
    listing = find_files(path, base)
    if not any(file.bytes for file in listing.files):
        raise Problem(f"the files of {path} are empty", hint="name a folder with texts")
    table, guess, records = _guess(listing)
    mixed = None
    if guess.text is not None:
        listing, mixed = _with_named_text(listing, path, base)
        records = first_records(listing, table)
    texts = [text for record in records if (text := _text_of(record, guess.text))]
    if records and not texts:
        raise Problem(
            f"no column of {path} looks like a text; its columns are {', '.join(guess.columns[:20])}",
            hint="write a job file by hand and set corpus.text",
        )
    unit, question = _unit(listing)
    if mixed and unit is None:
        unit = "file"
    english = is_english(texts)
    model = OTHER_MODEL if english is False else ENGLISH_MODEL
    lengths = sorted(map(token_estimate, _documents(texts, unit)))
    long = sum(n > MODEL_TOKENS[model] for n in lengths) / len(lengths) if lengths else None
    kinds = Counter(file.kind for file in listing.files)
    return Proposal(
        name=_slug(path, base),
        corpus=path,
        files=len(listing.files),
        bytes=listing.bytes,
        kinds=dict(kinds.most_common()),
        left_out=_left_out(listing),
        text=guess.text,
        text_others=guess.others,
        columns=guess.columns,
        id=guess.id,
        table=table,
        unit=unit,
        unit_question=question,
        unit_note=mixed,
        model=model,
        english=english,
        median_tokens=round(lengths[len(lengths) // 2]) if lengths else None,
        long_share=long,
        chunk=_chunk(listing, lengths, long),
        by=_chunk_by(listing),
        output=_output(path, base),
    )


def _guess(listing: Listing) -> tuple[CsvFormat | None, Guess, list[Record]]:
    """How tables are written, the columns, and the records that show it."""
    records = first_records(listing)
    rows = [record for record in records if WHOLE_TEXT not in record]
    if not rows:
        return None, Guess(None, None), records
    guess = guess_columns(rows)
    only = guess.columns[0] if len(guess.columns) == 1 else ""
    for delimiter in DELIMITERS:  # a header in one piece
        if delimiter in only and any(file.kind == "csv" for file in listing.files):
            table = CsvFormat(delimiter=delimiter)
            records = first_records(listing, table)
            return table, guess_columns(records), records
    return None, guess, records


def _with_named_text(listing: Listing, path: str, base: Path) -> tuple[Listing, str | None]:
    """What a job reads that names the column of the text, and why it says what a document is, if it has to.

    Documents beside tables are left out, unless they are more than the tables.
    """
    documents = [file.path for file in listing.files if file.kind in WITHOUT_COLUMNS]
    tables = len(listing.files) - len(documents)
    if sum(not is_about_folder(path) for path in documents) > tables:
        return listing, f"reads {plural(len(documents), 'document')} beside tables, too"
    return find_files(path, base, text_named=True) if documents else listing, None


def _text_of(record: Record, name: str | None) -> str | None:
    """The text of a record; `name` may lead into objects by dots."""
    if name is None or WHOLE_TEXT in record:
        return _string(record.get(WHOLE_TEXT))
    value: object = dict(record)
    for part in [name] if name in record else name.split("."):
        value = cast("Record", value).get(part) if isinstance(value, dict) else None
    return _string(value)


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _unit(listing: Listing) -> tuple[Unit | None, str | None]:
    """`line` where .txt files look like lists of texts, with the question that says why."""
    try:
        check_text_unit(listing)
    except Usage as question:
        return "line", str(question)
    return None, None


def _documents(texts: Sequence[str], unit: Unit | None) -> Sequence[str]:
    """The documents that these texts of files or rows are."""
    if unit != "line":
        return texts
    return [line for text in texts for line in text.splitlines() if line.strip()]


def _chunk(listing: Listing, lengths: list[float], long: float | None) -> tuple[int, int, ChunkBy] | None:
    """Chunks where more than a few documents are longer than the model takes, or hold several subjects."""
    if long is None:
        return None
    ninth = quantiles(lengths, n=10)[8] if len(lengths) > 1 else lengths[0]
    if long <= LONG_SHARE and ninth <= USUAL_CHUNK:
        return None
    return CHUNK_TOKENS, OVERLAP, _chunk_by(listing)


def _chunk_by(listing: Listing) -> ChunkBy:
    """Where chunks end best: at headings and paragraphs where most files have them."""
    markdown = sum(file.path.lower().endswith(MARKDOWN) for file in listing.files)
    return "markdown" if 2 * markdown > len(listing.files) else "sentences"


def _left_out(listing: Listing) -> str | None:
    return left_out_text(listing.left_out, examples=False) if listing.left_out else None


def _slug(path: str, base: Path) -> str:
    """A name for the job: the last part of the path that is no pattern."""
    parts = [part for part in path.rstrip("/").split("/") if part and not set(part) & set("*?[")]
    last = parts[-1] if parts and parts[-1] not in (".", "..") else (base / path).resolve().name
    stem = PurePosixPath(last).name.partition(".")[0] or last
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-") or "vectors"


def _output(path: str, base: Path) -> str:
    """A place for the vectors that is not inside the corpus."""
    if "://" in path:
        scheme, _, rest = path.partition("://")
        bucket = rest.partition("/")[0]
        return f"{scheme}://{bucket}/vectors/{_slug(path, base)}"
    root = (base / path).resolve()
    if root in (base.resolve(), *base.resolve().parents):
        return f"../{_slug(path, base)}-vectors"
    return f"{_slug(path, base)}-vectors" if (base / "vectors").exists() else "vectors"
