"""The same models through vLLM in this process: no HTTP, no JSON, prompts as token ids.

Runs on a GPU with `vllm` and on a CPU with a CPU build of it. Pooling is vLLM's own, read from the model's
folder.
"""
# vllm is not in the environment that checks types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

# Read at import: the engine shares our process, and on a CPU takes no more memory and cores than it is given.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

from vllm import LLM  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
from vllm.inputs import TokensPrompt  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
from vllm.platforms import (  # pyright: ignore[reportMissingImports]
    current_platform,  # pyright: ignore[reportUnknownVariableType]
)

from tasks.embed import Vectors, unit
from tasks.precision import precision
from tasks.tokens import Words, longest


class VllmEncoder:
    """`vllm.LLM` as a pooling runner."""

    name = "vllm"

    def __init__(self, model: str, words: Words) -> None:
        platform: Any = current_platform
        cpu = bool(platform.is_cpu())
        self.words = words
        self.device = "cpu" if cpu else "cuda"
        self.dtype = str(precision(gpu=not cpu)).removeprefix("torch.")
        engine: Any = LLM
        self.llm: Any = engine(
            model=model,
            runner="pooling",
            dtype=self.dtype,
            max_model_len=longest(model),
            trust_remote_code=False,
            enable_prefix_caching=False,  # documents share no prefix worth keeping
            enforce_eager=cpu,
            disable_log_stats=True,
        )
        self.dimensions = int(self.llm.llm_engine.vllm_config.model_config.get_hidden_size())

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        prompt: Any = TokensPrompt
        found = self.llm.embed([prompt(prompt_token_ids=list(piece)) for piece in ids], use_tqdm=False)
        out = np.asarray([one.outputs.embedding for one in found], np.float32)
        return unit(out.reshape(len(ids), self.dimensions))
