"""The index that a store builds behind its vectors, as `--index` says it: `hnsw`, `hnsw,m=32`, `none`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from launcher.errors import Usage

IndexKind = Literal["hnsw", "none"]
# pgvector's own defaults: https://github.com/pgvector/pgvector#index-options
M, EF_CONSTRUCTION = 16, 64
LIMITS = {"m": (2, 100), "ef_construction": (4, 1_000)}  # pgvector's; other stores allow more
EXAMPLE = "hnsw,m=32,ef_construction=128"


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index. `m` is the edges of a node, `ef_construction` the candidates while it is built."""

    kind: IndexKind = "hnsw"
    m: int = M
    ef_construction: int = EF_CONSTRUCTION

    def __str__(self) -> str:
        return "none" if self.kind == "none" else f"hnsw, m={self.m}, ef_construction={self.ef_construction}"


HNSW = IndexSpec()


def parse_index(word: str) -> IndexSpec:
    """The index that a word names; the text of an IndexSpec is such a word.

    Raises:
        Usage: no such index or option, or a value out of its limits.
    """
    kind, *options = [part.strip() for part in word.split(",")]
    if kind not in ("hnsw", "none"):
        raise Usage(f"no index {kind[:40]!r}", hint=f"hnsw, {EXAMPLE}, or none")
    values: dict[str, int] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in LIMITS or not re.fullmatch(r"[0-9]{1,4}", value):
            raise Usage(f"the index has no option {option[:40]!r}", hint=f"such as {EXAMPLE}")
        values[name] = int(value)
    return checked_index("none" if kind == "none" else "hnsw", values)


def checked_index(kind: IndexKind, values: Mapping[str, int]) -> IndexSpec:
    """The index of these options, by their names; what is not given has pgvector's default.

    Raises:
        Usage: `none` has an option, or a value is out of its limits.
    """
    if kind == "none" and values:
        name = next(iter(values))
        raise Usage(f"the index has no option {f'{name}={values[name]}'!r}", hint=f"such as {EXAMPLE}")
    for name, value in values.items():
        least, most = LIMITS[name]
        if not least <= value <= most:
            raise Usage(f"{name} is {value}", hint=f"give {least} to {most}")
    m, ef_construction = values.get("m", M), values.get("ef_construction", EF_CONSTRUCTION)
    if ef_construction < 2 * m:
        raise Usage(
            f"ef_construction is {ef_construction}, and must be at least twice m, {2 * m}",
            hint=f"give hnsw,m={m},ef_construction={4 * m}",
        )
    return IndexSpec(kind, m, ef_construction)
