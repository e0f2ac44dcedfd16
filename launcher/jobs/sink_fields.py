"""The sink of a job file: the vector store that the vectors are loaded into.

Reads how it is written. Connects to nothing: whether the store is there is for the load to find out.
"""

import re
from collections.abc import Sequence

from launcher.errors import Usage
from launcher.jobs.job import JobSink
from launcher.jobs.keys import INDEX_KINDS, LOAD_WHEN, names
from launcher.jobs.paths import expand
from launcher.jobs.yaml_fields import Field, choice, count, excerpt, mapping, text, word_entries
from launcher.sinks.index import HNSW, IndexSpec, checked_index, parse_index
from launcher.sinks.targets import parse_target

VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]{0,63}")
NONE = "none"


def read_sink(field: Field | None, kept: Sequence[str]) -> JobSink | None:
    """The sink: an address alone, or a mapping. None: there is none. `kept`: the columns that the output keeps."""
    if field is None:
        return None
    if field.is_scalar:
        return JobSink(_address(field))
    at = mapping(field, names("sink"), required=("to",))
    return JobSink(
        to=_address(at.get("to")),
        secret=_secret(at.get("secret")),
        index=_index(at.get("index")),
        keep=_keep(at.get("keep"), kept),
        when=choice(at.get("when"), LOAD_WHEN) or "end",
    )


def _address(field: Field | None) -> str:
    """An address with its variables replaced. One with a password is refused, and not quoted."""
    written = text(field)
    if field is None or written is None:
        return ""
    try:
        found = expand(written)
        parse_target(found)
    except Usage as error:
        return field.reject(f"{error}; {error.hint}") or ""
    except ValueError as error:
        return field.reject(str(error)) or ""
    return found


def _secret(field: Field | None) -> str | None:
    """The name of an environment variable. Never its value, which would be in the plan and the ledger."""
    name = text(field)
    if field is None or name is None or VARIABLE.fullmatch(name):
        return name
    return field.reject(
        "must name the environment variable that holds the password or key, such as $DB_PASSWORD"
    )


def _index(field: Field | None) -> IndexSpec:
    """An index as `load --index` takes it, or as a mapping."""
    if field is None:
        return HNSW
    if field.is_scalar:
        word, at = text(field), {}
    else:
        word, at = None, mapping(field, names("index"))
    try:
        if word is not None:
            return parse_index(word)
        kind = choice(at.get("type"), INDEX_KINDS) or "hnsw"
        given = {name: count(at[name]) for name in ("m", "ef_construction") if name in at}
        return checked_index(kind, {name: value for name, value in given.items() if value is not None})
    except Usage as error:
        field.reject(f"{error}; {error.hint}")
        return HNSW


def _keep(field: Field | None, kept: Sequence[str]) -> tuple[str, ...] | None:
    """The kept columns to load; () is `none`, and None all."""
    if field is None:
        return None
    found: list[str] = []
    for entry in word_entries(field, "[title, url]"):
        name = text(entry)
        if name in found:
            entry.reject(f"{excerpt(name)} is named twice")
        elif name is not None and name != NONE and name not in kept:
            entry.reject(
                f"output.keep does not keep {excerpt(name)}; it keeps {', '.join(kept) or 'nothing'}"
            )
        elif name is not None:
            found.append(name)
    return () if found == [NONE] and NONE not in kept else tuple(found)
