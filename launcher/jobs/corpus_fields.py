"""The corpus of a job file: read from files, or declared; how CSV is written; where files are."""

import codecs
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import fsum

from launcher.jobs.job import CorpusSource, DeclaredCorpus, Unit
from launcher.jobs.keys import CLOUDS, LIMIT_CLOUDS, UNITS, names
from launcher.jobs.paths import check_location, expand
from launcher.jobs.yaml_fields import (
    Field,
    choice,
    count,
    entries,
    excerpt,
    flag,
    mapping,
    number,
    report_missing,
    text,
)
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import KINDS, WHOLE_FILES, Kind

UNIT_FORMATS: Mapping[Unit, Sequence[Kind]] = {"file": ("text", *WHOLE_FILES), "line": ("text",)}
DECLARED_KEYS = ("documents", "tokens_per_document")  # of a corpus that is only described
STORE_CLOUDS = (*CLOUDS[:3], "r2", "local")  # whose storage has a price here
REGIONLESS_STORES = ("r2", "local")
LEAST_SHARE = Decimal("1e-9")
SHARES_TOLERANCE = 1e-6  # by which the sum of shares written by hand may differ from 1


def read_path(field: Field | None) -> str | None:
    """A path or a URL; its `~` and variables are replaced here, so that a plan means the same for every reader."""
    written = text(field)
    if field is None or written is None:
        return None
    try:
        return check_location(expand(written))
    except ValueError as error:
        return field.reject(str(error))


def read_corpus(field: Field | None) -> CorpusSource | DeclaredCorpus:
    if field is None or field.is_scalar:
        return CorpusSource(read_path(field) or "", text_by_default=True)
    known, declared_keys = names("corpus"), DECLARED_KEYS
    source_keys = [name for name in known if name not in (*DECLARED_KEYS, "region")]
    at = mapping(field, known)
    source, declared = [k for k in source_keys if k in at], [k for k in declared_keys if k in at]
    if source and declared:
        field.reject(
            f"{source[0]} and {declared[0]} together; a corpus is either read ({', '.join(source_keys)}) "
            "or declared (documents, tokens_per_document)"
        )
    elif at:
        for name in declared_keys if declared else ("path",):
            if name not in at:
                report_missing(field, name)
    lengths, documents = _lengths(at.get("tokens_per_document")), count(at.get("documents")) or 0
    region = read_region(at.get("region"))
    found = CorpusSource(
        path=read_path(at.get("path")) or "",
        text=text(at.get("text")) or "text",
        id=text(at.get("id")),
        region=region,
        csv=_csv_format(at.get("csv")),
        format=choice(at.get("format"), KINDS),
        join=text(at.get("join"), blank=True),
        unit=choice(at.get("unit"), UNITS),
        text_by_default="text" not in at,
    )
    if found.unit and found.format and found.format not in UNIT_FORMATS[found.unit]:
        at["unit"].reject(f"a document of {found.format} is no {found.unit}; keep unit or format")
    return DeclaredCorpus(documents, lengths, region) if declared else found


def _csv_format(field: Field | None) -> CsvFormat | None:
    """How CSV and TSV files are written. None: as is usual."""
    if field is None:
        return None
    at = mapping(field, names("csv"))
    found = CsvFormat(
        delimiter=_character(at.get("delimiter"), {"tab": "\t"}),
        quote=_character(at.get("quote"), {"none": ""}),
        escape=_character(at.get("escape"), {"none": ""}),
        header=_csv_header(at.get("header")),
        encoding=_encoding(at.get("encoding")),
    )
    quote = '"' if found.quote is None else found.quote
    if found.delimiter and found.delimiter in (quote, found.escape):
        at["delimiter"].reject("is the quote or the escape, too")
    return None if found == CsvFormat() else found


def _character(field: Field | None, words: Mapping[str, str]) -> str | None:
    """One character, or a word that stands for one, or for none."""
    written = text(field, blank=True)
    if field is None or written is None:
        return None
    if written in words or (written == "" in words.values()):
        return words.get(written, "")
    if len(written) == 1 and written not in "\r\n":
        return written
    return field.reject(f"must be one character, or {' or '.join(words)}; this is {excerpt(written)}")


def _csv_header(field: Field | None) -> bool | tuple[str, ...]:
    """Whether there is a header, or the names of the columns."""
    if field is None:
        return True
    if field.is_scalar:
        given = flag(field)
        return True if given is None else given
    names = tuple(text(entry) or "" for entry in entries(field, "[id, text]"))
    for name in names:
        if names.count(name) > 1:
            field.reject(f"{excerpt(name)} is named twice")
            break
    return names


def _encoding(field: Field | None) -> str | None:
    """The name of an encoding that Python knows, in its usual form. None: UTF-8."""
    written = text(field)
    if field is None or written is None:
        return None
    try:
        codec = codecs.lookup(written)
        "".encode(written)  # refuses codecs that are not of text, such as base64
    except (LookupError, ValueError):
        return field.reject(f"must be an encoding, such as utf-16 or latin-1; this is {excerpt(written)}")
    return None if codec.name in ("utf-8", "utf-8-sig") else codec.name


def read_region(field: Field | None) -> str | None:
    """Where files are: cloud/region, such as aws/us-east-1, or r2 alone."""
    written = text(field)
    if field is None or written is None:
        return None
    cloud, _, region = written.partition("/")
    if cloud in STORE_CLOUDS and (region or cloud in REGIONLESS_STORES):
        return written
    if cloud in LIMIT_CLOUDS and cloud not in STORE_CLOUDS:
        return field.reject(
            f"storage and transfer of {cloud} have no price here: name a region of {', '.join(STORE_CLOUDS[:3])}, r2 or "
            f"local, or leave it out (they are then unknown); this is {excerpt(written)}"
        )
    return field.reject(
        f"must be cloud/region of {', '.join(STORE_CLOUDS[:3])}, such as aws/us-east-1, or r2 or local; "
        f"this is {excerpt(written)}"
    )


def _lengths(field: Field | None) -> tuple[tuple[float, float], ...]:
    """One length for all documents, or [share, tokens] pairs."""
    if field is None:
        return ()
    if field.is_scalar:
        return ((1.0, _tokens(field)),)
    before, lengths = len(field.mistakes), list[tuple[float, float]]()
    for pair in entries(field, "[[0.9, 100], [0.1, 800]]"):
        both = entries(pair, "[0.9, 100]")
        if len(both) == 2:
            share = number(both[0], LEAST_SHARE, "a share of the documents above 0, such as 0.9")
            lengths.append((float(share or 0), _tokens(both[1])))
        elif both:
            pair.reject(f"must be [share, tokens], such as [0.9, 100]; this has {len(both)} entries")
    total = fsum(share for share, _ in lengths)
    if len(field.mistakes) == before and abs(total - 1) > SHARES_TOLERANCE:
        field.reject(f"shares must sum to 1; they sum to {total:.9g}")
    return tuple(lengths)


def _tokens(field: Field) -> float:
    return float(number(field, Decimal(1), "a number of tokens, 1 or more, such as 102") or 0)
