"""The sizes of a set of vectors in each store, by the names that `size --store` takes. Pure.

A store that does not take the dtype gets the nearest type that it has, and its row says which; a store that cannot hold
the vectors at all is left out with the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from launcher.errors import Usage
from launcher.index_sizes import charges, graphs, pgvector, services
from launcher.index_sizes.element_types import (
    AS_STORED,
    BYTES,
    NO_BITS_TYPE,
    ONLY_FLOAT32,
    TO_FLOAT16,
    NotHeldError,
    packed,
    width_of,
)
from launcher.index_sizes.load_times import load_hours
from launcher.index_sizes.size import Hours, IndexSize, VectorSet
from pricing.charges.vector_stores import number

NEAREST = 3  # names of stores in a hint
MEASURED = "measured at 20,000 x 384"
FORMULA = "formula, checked with the real library"
DOCUMENTED = "the vendor's documentation"
PQ_NUMBERS = 8  # of a vector, in one byte of a product quantizer
PQ_RECALL = "recall@10 of 0.61 was measured without rerank, at 384 dimensions"


def sizes(asked: VectorSet, stores: Sequence[str] = ()) -> tuple[tuple[IndexSize, ...], dict[str, str]]:
    """The size in each store, or in those that are named, and the reason of each store that cannot hold the vectors.

    A name stands for all kinds of index of its store: `qdrant` for `qdrant-int8`, too.

    Raises:
        Usage: a store is unknown.
    """
    found: list[IndexSize] = []
    left_out: dict[str, str] = {}
    for name in _named(stores):
        try:
            found.append(STORES[name](asked))
        except NotHeldError as reason:
            left_out[name] = str(reason)
    return tuple(found), left_out


def _named(stores: Sequence[str]) -> list[str]:
    names: dict[str, None] = {}
    for word in stores or STORES:
        family = [name for name in STORES if name == word or name.startswith(f"{word}-")]
        if not family:
            near = get_close_matches(word, STORES, NEAREST, cutoff=0.0)  # however far away
            raise Usage(
                f"--store: no store {word!r} is known",
                hint=f"pass --store {' or '.join(near)}; without --store all {len(STORES)} are shown",
            )
        names |= dict.fromkeys(family)
    return list(names)


def _own(
    asked: VectorSet,
    store: str,
    index: str,
    *,
    ram: float | None,
    disk: float,
    basis: str,
    build: Hours | None = None,
    notes: tuple[str, ...] = (),
) -> IndexSize:
    """An index on machines of one's own; `ram` and `disk` are bytes a vector."""
    memory = None if ram is None else ram * asked.vectors
    return IndexSize(
        store=store,
        index=index,
        service=False,
        ram_bytes=None if memory is None else round(memory),
        disk_bytes=round(disk * asked.vectors),
        build_core_hours=build,
        load_usd=None if build is None else charges.build_usd(build),
        load_hours=load_hours(asked, store, build),
        load_hours_least=None,
        usd_per_month=None if memory is None else charges.machines_month(memory, disk * asked.vectors),
        basis=basis,
        notes=notes,
    )


def _hnswlib(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, ONLY_FLOAT32)
    each = graphs.hnsw(width, asked.links)
    build = charges.hnsw_build(asked)
    return _own(asked, "hnswlib", _hnsw_text(asked, name), ram=each, disk=each, basis=FORMULA, build=build)


def _faiss(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, AS_STORED)
    each = graphs.faiss_hnsw(width, asked.links)
    build = charges.hnsw_build(asked)
    return _own(asked, "faiss", _hnsw_text(asked, name), ram=each, disk=each, basis=FORMULA, build=build)


def _faiss_ivf(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, AS_STORED)
    lists = graphs.lists_of(asked.vectors)
    each = graphs.faiss_ivf(asked.vectors, asked.dimensions, width, lists)
    return _own(
        asked,
        "faiss-ivf",
        f"IVF {lists:,}, {name}",
        ram=each,
        disk=each,
        basis=FORMULA,
        build=charges.ivf_build(asked),
        notes=("a build compares each vector with all lists",),
    )


def _faiss_ivfpq(asked: VectorSet) -> IndexSize:
    width_of(asked, NO_BITS_TYPE)
    parts = max(1, asked.dimensions // PQ_NUMBERS)
    lists = graphs.lists_of(asked.vectors)
    each = graphs.faiss_ivf_pq(asked.vectors, asked.dimensions, parts, lists)
    index = f"IVF {lists:,}, PQ {parts}"
    return _own(asked, "faiss-ivfpq", index, ram=each, disk=each, basis=FORMULA, notes=(PQ_RECALL,))


def _faiss_binary(asked: VectorSet) -> IndexSize:
    _, floats = width_of(asked, NO_BITS_TYPE)
    bits = graphs.faiss_hnsw(packed(asked.dimensions, BYTES["binary"]), asked.links)
    return _own(
        asked,
        "faiss-binary",
        f"HNSW M={asked.links}, bits, then {asked.dtype}",
        ram=bits,
        disk=bits + floats,
        basis=FORMULA,
        build=charges.hnsw_build(asked),
        notes=(
            f"the {asked.dtype} lie on disk for the rerank",
            "recall@10 of 0.976 was measured when 100 are reranked, 0.992 with 200, 0.997 with 400",
        ),
    )


def _milvus(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, NO_BITS_TYPE)
    each = graphs.hnsw(width, asked.links)
    build = charges.hnsw_build(asked)
    return _own(asked, "milvus", _hnsw_text(asked, name), ram=each, disk=each, basis=MEASURED, build=build)


def _diskann(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, NO_BITS_TYPE)
    low, high = number("diskann", "pq_bytes_low"), number("diskann", "pq_bytes_high")
    degree = round(number("diskann", "degree"))
    return _own(
        asked,
        "diskann",
        f"DiskANN R={degree}, {name}",
        ram=min(high, width),
        disk=graphs.diskann_disk(width),
        basis=FORMULA,
        build=charges.diskann_build(asked),
        notes=(f"{low:.0f} to {high:.0f} bytes a vector in RAM, as it is set, and a cache",),
    )


def _pgvector(asked: VectorSet) -> IndexSize:
    element, notes = pgvector_element(asked)
    index = pgvector.index_bytes(asked.dimensions, element, asked.links)
    table = pgvector.table_bytes(asked.dimensions, element, asked.id_bytes)
    return _own(
        asked,
        "pgvector",
        _hnsw_text(asked, element),
        ram=index,
        disk=index + table,
        basis=FORMULA,
        build=charges.hnsw_build(asked),
        notes=notes,
    )


def pgvector_element(asked: VectorSet) -> tuple[pgvector.Element, tuple[str, ...]]:
    """The type of the column, and what is to be said of it.

    Raises:
        NotHeldError: no type of so many dimensions can be indexed.
    """
    wanted: pgvector.Element = {"float32": "vector", "binary": "bit"}.get(asked.dtype, "halfvec")  # pyright: ignore[reportAssignmentType]
    notes: tuple[str, ...] = ("it has no int8: halfvec",) if asked.dtype == "int8" else ()
    if wanted == "vector" and asked.dimensions > pgvector.most_dimensions("vector"):
        most = pgvector.most_dimensions("vector")
        wanted, notes = "halfvec", (f"vector is indexed to {most:,} dimensions: halfvec",)
    most = pgvector.most_dimensions(wanted)
    if asked.dimensions > most:
        raise NotHeldError(
            f"{wanted} is indexed to {most:,} dimensions: keep fewer, or a dtype of fewer bits"
        )
    return wanted, notes


def _opensearch(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, AS_STORED)
    each = graphs.hnsw(width, asked.links) - number("hnsw", "element_overhead")
    return _own(
        asked,
        "opensearch",
        _hnsw_text(asked, name),
        ram=each * number("opensearch", "ram_factor"),
        disk=each,
        basis=DOCUMENTED,
        build=charges.hnsw_build(asked),
        notes=("disk without _source",),
    )


def _elasticsearch(asked: VectorSet) -> IndexSize:
    if asked.dtype == "binary":
        name = "bits"
        width = asked.dimensions / 8 + number("elasticsearch", "bit_overhead")
        stored = asked.dimensions / 8
    else:
        name, width = "int8", asked.dimensions + number("elasticsearch", "int8_overhead")
        stored = asked.dimensions * (1 if asked.dtype == "int8" else 4)
    each = graphs.elasticsearch(width, asked.links)
    return _own(
        asked,
        "elasticsearch",
        _hnsw_text(asked, name),
        ram=each,
        disk=each + stored,
        basis=DOCUMENTED,
        build=charges.hnsw_build(asked),
        notes=() if asked.dtype in ("int8", "binary") else ("the floats lie on disk",),
    )


def _qdrant(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, NO_BITS_TYPE)
    factor = number("qdrant", "ram_factor")
    return _own(
        asked,
        "qdrant",
        _hnsw_text(asked, name),
        ram=factor * width,
        disk=width + number("hnsw", "link_bytes") * asked.links,
        basis=DOCUMENTED,
        build=charges.hnsw_build(asked),
        notes=("disk without its log and segments in progress",),
    )


def _qdrant_int8(asked: VectorSet) -> IndexSize:
    if asked.dtype == "int8":
        raise NotHeldError("would quantize what is int8 already: see qdrant")
    _, width = width_of(asked, NO_BITS_TYPE)
    factor, links = number("qdrant", "ram_factor"), number("hnsw", "link_bytes") * asked.links
    return _own(
        asked,
        "qdrant-int8",
        f"HNSW M={asked.links}, int8, then {asked.dtype}",
        ram=factor * asked.dimensions,
        disk=width + asked.dimensions + links,
        basis=DOCUMENTED,
        build=charges.hnsw_build(asked),
        notes=("the vectors lie on disk; recall@10 of 0.979 was measured with rescore, 0.932 without",),
    )


def _redis(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, TO_FLOAT16)
    kept = width + number("redis", "hash_overhead")
    each = graphs.redis_index(width, asked.links) + kept
    build = charges.hnsw_build(asked)
    return _own(asked, "redis", _hnsw_text(asked, name), ram=each, disk=kept, basis=MEASURED, build=build)


def _chroma(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, ONLY_FLOAT32)
    return _own(
        asked,
        "chroma",
        _hnsw_text(asked, name),
        ram=graphs.hnsw(width, asked.links),
        disk=width + number("hnsw", "link_bytes") * asked.links + number("chroma", "disk_overhead"),
        basis=MEASURED,
        notes=("RAM by the formula of hnswlib, whose graph it has; the load builds the index",),
    )


def _lance(asked: VectorSet, kind: str) -> IndexSize:
    name, width = width_of(asked, TO_FLOAT16)
    if kind == "FLAT":
        index, build = width + number("lance", "flat_overhead"), None
    elif kind == "SQ":
        index, build = asked.dimensions + number("lance", "sq_overhead"), charges.hnsw_build(asked)
    elif asked.dimensions == number("build", "measured_dims"):
        index, build = number("lance", "rq_bytes_at_384"), None
    else:
        raise NotHeldError("IVF_RQ was measured at 384 dimensions alone: its size at others is not known")
    disk = (width + asked.id_bytes + index) * asked.vectors
    return IndexSize(
        store="lance" if kind == "FLAT" else f"lance-{kind.lower()}",
        index=f"IVF{'_HNSW' if kind == 'SQ' else ''}_{kind}, {name} data",
        service=False,
        ram_bytes=None,
        disk_bytes=round(disk),
        build_core_hours=build,
        load_usd=None if build is None else charges.build_usd(build),
        load_hours=load_hours(asked, "lance", build),
        load_hours_least=None,
        usd_per_month=charges.object_store_month(round(disk)),
        basis=MEASURED,
        notes=("in S3 Standard, without requests; RAM is a cache",),
    )


def _lance_flat(asked: VectorSet) -> IndexSize:
    return _lance(asked, "FLAT")


def _lance_sq(asked: VectorSet) -> IndexSize:
    return _lance(asked, "SQ")


def _lance_rq(asked: VectorSet) -> IndexSize:
    return _lance(asked, "RQ")


def _weaviate(asked: VectorSet) -> IndexSize:
    name, width = width_of(asked, ONLY_FLOAT32)
    return _own(
        asked,
        "weaviate",
        _hnsw_text(asked, name),
        ram=number("weaviate", "ram_factor") * width,
        disk=width + number("hnsw", "link_bytes") * asked.links,
        basis=DOCUMENTED,
        build=charges.hnsw_build(asked),
        notes=("disk without its log and the index of words",),
    )


def _hnsw_text(asked: VectorSet, element: str) -> str:
    return f"HNSW M={asked.links}, {element}"


STORES: Mapping[str, Callable[[VectorSet], IndexSize]] = {
    "pgvector": _pgvector,
    "milvus": _milvus,
    "qdrant": _qdrant,
    "qdrant-int8": _qdrant_int8,
    "opensearch": _opensearch,
    "elasticsearch": _elasticsearch,
    "redis": _redis,
    "chroma": _chroma,
    "lance": _lance_flat,
    "lance-sq": _lance_sq,
    "lance-rq": _lance_rq,
    "hnswlib": _hnswlib,
    "faiss": _faiss,
    "faiss-ivf": _faiss_ivf,
    "faiss-ivfpq": _faiss_ivfpq,
    "faiss-binary": _faiss_binary,
    "diskann": _diskann,
    "weaviate": _weaviate,
    "weaviate-cloud": services.weaviate_cloud,
    "s3vectors": services.s3vectors,
    "pinecone": services.pinecone,
    "turbopuffer": services.turbopuffer,
}
