"""The document of `evaluate --json`: what retrieval with the vectors of a run is worth, and with cheaper ones."""

from dataclasses import dataclass

SCHEMA = "embedfleet/evaluate/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRepresentation:
    """One way to keep the vectors, and what retrieval with them is worth."""

    name: str
    dtype: str
    dimensions: int
    reranked: int  # rows that signs choose and the stored vectors rank again; 0: none
    ndcg_at_10: float
    recall_at_10: float
    recall_at_100: float
    kept: float | None  # share of the stored vectors' nDCG@10; None: theirs is 0
    standard_error: float | None  # of the difference in nDCG@10, over the queries; None: there is one query
    index_bytes: int  # of a vector, that a search must have at hand
    stored_bytes: int  # of a vector in all
    saved: float  # share of the stored vectors' bytes that the index does without


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateDocument:
    """What `evaluate` found. The first of `representations` is what is stored."""

    schema: str = SCHEMA
    run: str
    output: str
    model: str
    model_fingerprint: str | None
    prompt: str  # put before the queries
    prompt_from: str  # "argument", "manifest", "model" or "run"
    queries: int  # that were measured
    queries_skipped: int  # without a relevant document
    queries_cut: int  # that were too long
    relevant: int  # pairs of a query and a relevant document
    missing: int  # judged documents that the dataset does not have
    documents: int
    vectors: int
    keep: float  # share of the stored nDCG@10 that is enough
    representations: tuple[EvaluatedRepresentation, ...]
    cheapest_stored: (
        str | None
    )  # the fewest bytes in all that keep enough; None: the stored vectors give nothing
    cheapest_index: str | None  # the fewest bytes that a search must have at hand
    notes: tuple[str, ...]
