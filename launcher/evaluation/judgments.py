"""Read queries and relevance judgments: the layout of BEIR (queries.jsonl, qrels/test.tsv), or qrels of TREC.

A judgment says how relevant a document is for a query: 0 is not relevant, more is better.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from launcher.errors import Usage
from launcher.format import count, plural
from launcher.vectors.query_encoder import is_unicode

SHOWN = 3  # names in an error
MOST_RELEVANT = 1_000_000
COLUMNS = 3  # of BEIR: query-id, corpus-id, score; TREC has an unused one in the second place


@dataclass(frozen=True, slots=True)
class Judgments:
    """Queries that have judgments, in the order of their file.

    Attributes:
        texts: of the queries, by id.
        relevant: of each of these queries, the documents with their relevance, those of 0 included.
        skipped: queries that no judgment names, or for which no document is relevant.
    """

    texts: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, int]]
    skipped: int


def read_judgments(queries: Path, qrels: Path) -> Judgments:
    """The queries of both files.

    Raises:
        Usage: a file is missing, empty or damaged, a query comes twice, or judgments name queries that are not there.
    """
    texts = read_queries(queries)
    judged = _qrels(qrels)
    unknown = [name for name in judged if name not in texts]
    if unknown:
        raise Usage(
            f"{plural(len(unknown), 'query')} of {count(len(judged))} in {qrels} are not in {queries}: "
            f"{', '.join(unknown[:SHOWN])}",
            hint="name the queries and the qrels of one data set",
        )
    used = {name: judged[name] for name in texts if any(judged.get(name, {}).values())}
    if not used:
        raise Usage(
            f"no query of {queries} has a relevant document in {qrels}",
            hint="name qrels with a score above 0, such as qrels/test.tsv of BEIR",
        )
    return Judgments({name: texts[name] for name in used}, used, len(texts) - len(used))


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise Usage(f"no file {path}", hint="name a file that is there") from error
    except (OSError, ValueError) as error:
        raise Usage(f"cannot read {path}: {error}", hint="name a text file in UTF-8") from error
    found = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not found:
        raise Usage(f"{path} is empty", hint="name a file with at least one line")
    return found


def read_queries(path: Path) -> dict[str, str]:
    """The texts of queries.jsonl by their ids, in their order.

    Raises:
        Usage: the file is missing, empty or damaged, or a query comes twice.
    """
    found: dict[str, str] = {}
    for number, line in _lines(path):
        try:
            row: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _bad(path, number, f"no JSON: {error}", _QUERY_HINT) from error
        fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
        name, text = fields.get("_id", fields.get("id")), fields.get("text", fields.get("query"))
        if not isinstance(name, str | int) or isinstance(name, bool) or not isinstance(text, str):
            raise _bad(path, number, "no query: `_id` and `text` are wanted", _QUERY_HINT)
        if not is_unicode(f"{name}{text}"):
            raise _bad(
                path, number, f"half of a surrogate pair, such as \\ud83d, in the query {name!r}", _QUERY_HINT
            )
        if not text.strip():
            raise _bad(path, number, f"the query {name} has no text", _QUERY_HINT)
        if str(name) in found:
            raise _bad(path, number, f"the query {name} comes twice", "give every query an id of its own")
        found[str(name)] = text
    return found


_QUERY_HINT = 'a line such as {"_id": "q1", "text": "what is searched for"}'


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    lines = _lines(path)
    for place, (number, line) in enumerate(lines):
        cells = line.rstrip("\r").split("\t") if "\t" in line else line.split()
        if len(cells) == COLUMNS + 1:  # TREC: query, iteration, document, relevance
            del cells[1]
        relevance = _whole(cells[2]) if len(cells) == COLUMNS else None
        if relevance is None:
            if place == 0 and len(cells) == COLUMNS and "id" in cells[0].lower():
                continue  # BEIR's header
            raise _bad(
                path,
                number,
                f"no judgment: {line.strip()[:60]!r}",
                "a line of QUERY, tab, DOCUMENT, tab, SCORE",
            )
        query, document = cells[0].strip(), cells[1].strip()
        if found.setdefault(query, {}).setdefault(document, relevance) != relevance:
            said = f"{document} was {found[query][document]} for {query} before, and is {relevance} here"
            raise _bad(path, number, said, "keep one of the two judgments")
    if not found:
        raise Usage(f"{path} has no judgments", hint="name qrels with at least one line below the header")
    return found


def _whole(text: str) -> int | None:
    """A relevance; None: it is no whole number, or an absurd one."""
    try:
        found = max(0, int(text))
    except ValueError:
        return None
    return found if found <= MOST_RELEVANT else None


def _bad(path: Path, number: int, what: str, hint: str) -> Usage:
    return Usage(f"{path}, line {number}: {what}", hint=hint)
