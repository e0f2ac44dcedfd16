"""What would make an index smaller, and what a dtype alone cannot do. Pure.

Each proposal names its saving in bytes. Recall of bits is that of `make bench-recall RECALL_TEXTS=10000`, other recall
that of 20,000 real texts of 384 dimensions: docs/sizes.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from launcher.index_sizes import pgvector
from launcher.index_sizes.size import IndexSize, VectorSet
from launcher.index_sizes.sizes import pgvector_element, sizes

LEAST_SHARE_OF_DIMENSIONS = 0.85  # that are kept: fewer is another model, and no detail of a page
LEAST_SAVING = 0.10  # of the bytes of the store
BINARY_ALONE = (
    "dtype binary alone finds 67 % of the true 10 nearest (recall@10 of 0.669 on 9,900 real texts of 384 dimensions); "
    "reranking 200 with floats finds 99 %: keep the floats, too"
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of the job or of a column that saves bytes."""

    store: str
    change: str  # what to do, in words
    bytes_before: int  # RAM and disk
    bytes_after: int
    note: str  # what it costs in quality


def warnings(asked: VectorSet) -> tuple[str, ...]:
    """What a dtype alone cannot do, in sentences."""
    return (BINARY_ALONE,) if asked.dtype == "binary" else ()


def proposals(asked: VectorSet, found: Sequence[IndexSize]) -> tuple[Proposal, ...]:
    """Changes that save a tenth of a store's bytes or more, for the stores in `found`."""
    named = {one.store: one for one in found}
    made: list[Proposal] = []
    if one := named.get("pgvector"):
        made += _halfvec(asked, one)
        made += _fewer_dimensions(asked, one)
    if (one := named.get("qdrant")) and (other := _other(asked, "qdrant-int8")):
        note = "recall@10 0.979 with rescore, 0.954 without quantization, at ef 40"
        made.append(
            Proposal(
                "qdrant", "quantization: int8 in RAM, the vectors on disk", _most(one), _most(other), note
            )
        )
    return tuple(p for p in made if p.bytes_after <= (1 - LEAST_SAVING) * p.bytes_before)


def _halfvec(asked: VectorSet, before: IndexSize) -> list[Proposal]:
    if asked.dtype != "float32" or "halfvec" in before.index:
        return []
    after = _other(replace(asked, dtype="float16"), "pgvector")
    note = "recall@10 was the same at 384 dimensions (0.954 and 0.953)"
    return (
        [Proposal("pgvector", "halfvec (dtype: float16)", _all(before), _all(after), note)] if after else []
    )


def _fewer_dimensions(asked: VectorSet, before: IndexSize) -> list[Proposal]:
    """The dimensions at which a page holds one vector more, of the type as it is and as halfvec."""
    made: list[Proposal] = []
    element, _ = pgvector_element(asked)
    fewer = pgvector.fewer_dimensions(asked.dimensions, element, asked.links)
    if fewer and fewer >= LEAST_SHARE_OF_DIMENSIONS * asked.dimensions:
        after = _other(replace(asked, dimensions=fewer), "pgvector")
        note = "for models that were trained to be shortened (Matryoshka); measure with your own queries"
        if after:
            made.append(
                Proposal(
                    "pgvector", f"{fewer:,} dimensions: a page holds more", _all(before), _all(after), note
                )
            )
    return made


def _other(asked: VectorSet, store: str) -> IndexSize | None:
    found, _ = sizes(asked, [store])
    return next((one for one in found if one.store == store), None)


def _all(size: IndexSize | None) -> int:
    """The bytes on disk, of which an index that wants RAM is a part."""
    return 0 if size is None else size.disk_bytes or 0


def _most(size: IndexSize) -> int:
    return size.ram_bytes or 0
