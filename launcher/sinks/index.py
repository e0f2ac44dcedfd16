"""The index that a store builds behind its vectors, as `--index` says it: `hnsw`, `hnsw,m=32`, `none`."""

import re
from dataclasses import dataclass
from typing import Literal

from launcher.errors import Usage

IndexKind = Literal["hnsw", "none"]
# pgvector's own defaults: https://github.com/pgvector/pgvector#index-options
M, EF_CONSTRUCTION = 16, 64
LIMITS = {"m": (2, 100), "ef_construction": (4, 1_000)}  # pgvector's; other stores allow more


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
    """The index that a word names.

    Raises:
        Usage: no such index or option, or a value out of its limits.
    """
    kind, *options = [part.strip() for part in word.split(",")]
    if kind not in ("hnsw", "none"):
        raise Usage(f"no index {kind[:40]!r}", hint="hnsw, hnsw,m=32,ef_construction=128, or none")
    values = {"m": M, "ef_construction": EF_CONSTRUCTION}
    for option in options:
        name, _, value = option.partition("=")
        if kind == "none" or name not in values or not re.fullmatch(r"[0-9]{1,4}", value):
            raise Usage(
                f"the index has no option {option[:40]!r}", hint="such as hnsw,m=32,ef_construction=128"
            )
        least, most = LIMITS[name]
        if not least <= int(value) <= most:
            raise Usage(f"{name} is {value}", hint=f"give {least} to {most}")
        values[name] = int(value)
    if values["ef_construction"] < 2 * values["m"]:
        raise Usage(
            f"ef_construction is {values['ef_construction']}, and must be at least twice m, {2 * values['m']}",
            hint=f"--index hnsw,m={values['m']},ef_construction={4 * values['m']}",
        )
    return IndexSpec("none" if kind == "none" else "hnsw", values["m"], values["ef_construction"])
