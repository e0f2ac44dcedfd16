"""Guess which column holds the text and which the id, from a few records. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, cast

# Names that say it, the likelier first. A name counts for more than a length: titles may be longer than abstracts.
TEXT_NAMES = (
    "text", "content", "body", "document", "passage", "page_content", "contents", "article", "abstract", "review",
    "comment", "description", "caption", "message", "sentence", "question", "txt", "summary", "title",
)  # fmt: skip
ID_NAMES = ("id", "_id", "uuid", "guid", "doc_id", "docid", "document_id", "key", "pk", "url", "path")
ID_ENDINGS = re.compile(r"(?:^|_|\.)(?:id|uuid|guid|key)$|[a-z]I[dD]$")
LONGEST_ID = 200  # characters
LEAST_FILLED = 0.5  # of the records: a text column may have empty ones
NEAR = 0.8  # of the best score: then the user is asked


@dataclass(frozen=True, slots=True)
class Guess:
    """The text column (None: there is none) and the id column, with other likely text columns."""

    text: str | None
    id: str | None
    others: tuple[str, ...] = ()  # that may hold the text instead
    columns: tuple[str, ...] = ()  # all of them


def guess_columns(records: Sequence[Mapping[str, Any]]) -> Guess:
    """Guess by names, lengths and uniqueness; keys inside objects have names with dots."""
    values: dict[str, list[Any]] = {}
    for record in records:
        for name, value in _flat(record):
            values.setdefault(name, []).append(value)
    scores = {name: _text_score(name, found, len(records)) for name, found in values.items()}
    ranked = sorted((name for name, score in scores.items() if score), key=lambda name: -scores[name])
    text = ranked[0] if ranked else None
    ids = [name for name in values if name != text and _may_be_id(values[name], len(records))]
    named = sorted((rank, name) for name in ids if (rank := _id_rank(name)) is not None)
    others = tuple(name for name in ranked[1:] if scores[name] >= NEAR * scores[ranked[0]])
    return Guess(text, named[0][1] if named else None, others, tuple(values))


def _flat(record: Mapping[str, Any], before: str = "", depth: int = 2) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in record.items():
        path = f"{before}{name}"
        inner = cast("dict[str, Any]", value) if isinstance(value, dict) else None
        if inner is not None and depth:
            found += _flat(inner, f"{path}.", depth - 1)
        else:
            found.append((path, cast("Any", value)))
    return found


def _text_score(name: str, values: Sequence[Any], records: int) -> float:
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if not texts or len(texts) < LEAST_FILLED * records:
        return 0.0
    length = mean(len(text) for text in texts)
    spaced = mean(" " in text.strip() or not text.isascii() for text in texts)  # Chinese has no spaces
    last = name.rpartition(".")[2].lower()
    rank = TEXT_NAMES.index(last) if last in TEXT_NAMES else None
    named = 0.0 if rank is None else 4.0 - 3.0 * rank / len(TEXT_NAMES)
    if not spaced and rank is None:
        return 0.0  # codes, dates, addresses
    return (min(length, 1_000) / 1_000 + named) * (0.25 + 0.75 * spaced)


def _may_be_id(values: Sequence[Any], records: int) -> bool:
    kinds = all(isinstance(value, str | int) and not isinstance(value, bool) for value in values)
    words = [str(value) for value in values]
    return (
        kinds
        and len(words) == records
        and len(set(words)) == records
        and all(0 < len(word) <= LONGEST_ID for word in words)
    )


def _id_rank(name: str) -> int | None:
    """How likely a name is that of an id, 0 the likeliest; None: not at all."""
    last = name.rpartition(".")[2]
    if last.lower() in ID_NAMES:
        return ID_NAMES.index(last.lower()) + 100 * name.count(".")
    return 50 + 100 * name.count(".") if ID_ENDINGS.search(last) else None
