"""One engine on one corpus in a process of its own: tokens a second, without loading.

    python -m benchmarks.engine ENGINE MODEL TEXTS.json TOKENS [VECTORS.npy]

ENGINE is torch, packed, packed-compiled, openvino, vllm or sentence-transformers. Prints one JSON object, and writes the
vectors where a file for them is named. Tokens are counted the same way for every engine: what the model reads of each
text. All use one thread for each core that this process may run on; sentence-transformers computes in float32, ours in
what suits the hardware. Runs in any environment that has the engine.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tasks.engines.base import embed
from tasks.engines.load import load_encoder
from tasks.models.tokenizing.pieces import ChunkSpec

if TYPE_CHECKING:
    from tasks.engines.packed.packed_engine import PackedEncoder

COMPILED = (
    "-compiled"  # behind the name of an engine whose layers are compiled where it would not do so by itself
)


def main() -> None:
    engine, model, texts_file, tokens, *files = sys.argv[1:]
    loading = time.process_time()
    texts: list[str] = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    threads = len(os.sched_getaffinity(0))
    dtype = "float32"
    if engine == "sentence-transformers":
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        yardstick: Any = SentenceTransformer(model, device="cpu")
        loading = time.process_time() - loading
        yardstick.encode(texts[:32])
        start, cpu = time.perf_counter(), time.process_time()
        vectors = yardstick.encode(texts)
    else:
        encoder = load_encoder(engine.removesuffix(COMPILED), model, threads)
        if engine.endswith(COMPILED):
            packed = cast("PackedEncoder", encoder)
            packed.compile()
            assert not packed.not_compiled, packed.not_compiled
        dtype, loading = encoder.dtype, time.process_time() - loading
        embed(encoder, texts[:32], ChunkSpec(256))
        start, cpu = time.perf_counter(), time.process_time()
        vectors = embed(encoder, texts, ChunkSpec(256)).vectors
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    for name in files:
        np.save(name, vectors)
    print(
        json.dumps(
            {
                "tokens_per_second": int(tokens) / wall,
                "tokens_per_cpu_second": int(tokens) / cpu,
                "dtype": dtype,
                "threads": threads,
                "load_cpu_seconds": loading,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
