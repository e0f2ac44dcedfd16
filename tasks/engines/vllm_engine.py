"""Engine: the same models through vLLM in this process, with prompts as token ids instead of HTTP and JSON.

Runs on a GPU with `vllm` and on a CPU with a CPU build of it; not yet tested on a GPU. The pooling is always given,
because vLLM's default differs by architecture when a folder does not say. Safetensors only; code from the model's
folder only with `remote_code`.
"""
# vllm is not in the environment that checks types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingImports=false

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

# vLLM reads these at import: run in this process, send no usage statistics, and on a CPU use 1 GB for the cache and
# only the cores of this process.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

from vllm import LLM
from vllm.config import PoolerConfig
from vllm.inputs import TokensPrompt
from vllm.platforms import current_platform

from tasks.engines.base import Vectors, normalize
from tasks.engines.memory_budget import max_batch_texts, max_batch_tokens
from tasks.engines.pooling import Pooling, pooling
from tasks.engines.precision import compute_dtype
from tasks.engines.tokenizer import BadModel, PieceTokenizer, load_failure, model_config

POOLERS: dict[Pooling, str] = {"mean": "MEAN", "cls": "CLS", "last": "LAST"}
# Tokens at once on a CPU: 1,024 to 8,192 were as fast (MiniLM, one core: 6,600 tokens a CPU second), 65,536 a fifth
# slower and a GB larger, because they do not fit the processor's cache.
CPU_TOKENS = 2_048
GPU_MEMORY_SHARE = 0.9  # of a GPU's free memory for vLLM, weights included; the rest is for CUDA and others


class VllmEncoder:
    """`vllm.LLM` as a pooling runner."""

    name = "vllm"

    def __init__(
        self,
        model: str,
        tokenizer: PieceTokenizer,
        longest: int,
        threads: int | None = None,
        *,
        remote_code: bool = False,
        dtype: str | None = None,
    ) -> None:
        """`longest` is the longest piece in tokens, for which memory is reserved. `threads` matters on a CPU only."""
        platform: Any = current_platform
        cpu = bool(platform.is_cpu())
        if threads and cpu:
            torch.set_num_threads(threads)
        self.tokenizer = tokenizer
        self.longest = longest
        self.device = "cpu" if cpu else "cuda"
        self.dtype = dtype or str(compute_dtype(gpu=not cpu)).removeprefix("torch.")
        free = 0 if cpu else int(GPU_MEMORY_SHARE * torch.cuda.mem_get_info()[0])
        tokens = (
            max(longest, CPU_TOKENS)
            if cpu
            else max_batch_tokens(model_config(model, "config.json"), free, longest)
        )
        engine: Any = LLM
        pooler: Any = PoolerConfig
        try:
            self.llm: Any = engine(
                model=model,
                runner="pooling",
                pooler_config=pooler(seq_pooling_type=POOLERS[pooling(model)]),
                dtype=self.dtype,
                load_format="safetensors",
                trust_remote_code=remote_code,
                max_model_len=longest,
                max_num_batched_tokens=tokens,
                max_num_seqs=max_batch_texts(tokens),
                gpu_memory_utilization=GPU_MEMORY_SHARE,
                enable_prefix_caching=False,  # documents share no prefix worth caching
                # Compiled kernels pay off on a GPU that is rented for an hour (assumed, not measured); on a CPU
                # compilation needs a C++ compiler, which a machine may not have.
                enforce_eager=cpu,
                disable_log_stats=True,
                use_tqdm_on_load=False,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:  # vLLM's own errors are among these
            raise _start_failure(model, error) from error
        self.dimensions = int(self.llm.llm_engine.vllm_config.model_config.get_hidden_size())

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        over = max(map(len, ids), default=0)
        if over > self.longest:
            raise ValueError(f"a piece of {over} tokens is longer than the engine's limit of {self.longest}")
        if not ids:
            return np.empty((0, self.dimensions), np.float32)
        prompt: Any = TokensPrompt
        prompts = [prompt(prompt_token_ids=list(piece)) for piece in ids]
        found = self.llm.encode(prompts, pooling_task="embed", use_tqdm=False)
        out: Vectors = (
            torch.stack([one.outputs.data for one in found]).float().numpy()
        )  # all in order, as they came
        return normalize(out)


def _start_failure(model: str, error: Exception) -> BadModel:
    said = str(error)
    if "out of memory" in said.lower() or "No available memory" in said:
        return BadModel(
            f"{model} does not fit into this machine's memory: {said.splitlines()[0][:200]}",
            hint="choose a GPU with more memory: `embedfleet speed --model MODEL` says which hold it",
        )
    return load_failure(model, error)
