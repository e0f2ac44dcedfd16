"""One engine on one corpus in a process of its own: tokens a second, without loading.

    python -m benchmarks.engine torch|sentence-transformers MODEL TEXTS.json TOKENS

Prints one JSON object. Tokens are counted the same way for every engine: what the model reads of each text.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from tasks.embed import embed, load
from tasks.tokens import Cut


def main() -> None:
    engine, model, texts_file, tokens = sys.argv[1:]
    texts: list[str] = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    if engine == "sentence-transformers":
        from sentence_transformers import SentenceTransformer

        yardstick: Any = SentenceTransformer(model, device="cpu")
        yardstick.encode(texts[:32])
        start, cpu = time.perf_counter(), time.process_time()
        yardstick.encode(texts)
    else:
        encoder = load(engine, model, 2)
        embed(encoder, texts[:32], Cut(256))
        start, cpu = time.perf_counter(), time.process_time()
        embed(encoder, texts, Cut(256))
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(
        json.dumps(
            {
                "tokens_per_second": int(tokens) / wall,
                "tokens_per_cpu_second": int(tokens) / cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
