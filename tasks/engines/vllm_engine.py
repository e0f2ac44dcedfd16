"""Engine: the same models through vLLM in this process, with prompts as token ids instead of HTTP and JSON.

Runs on a GPU with `vllm` and on a CPU with a CPU build of it. The pooling is always given, because vLLM's default
differs by architecture when a folder does not say. Models that vLLM does not know, or computes otherwise, are refused
before (`tasks.models.vllm_support`) and by comparison (`tasks.engines.agreement`). Safetensors only, and no code from
the model's folder.
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

from tasks.engines.agreement import check_agreement
from tasks.engines.base import EngineUnavailable, Vectors, normalize, truncate_dimensions
from tasks.engines.batches.memory_budget import max_batch_texts, max_batch_tokens
from tasks.engines.precision import compute_dtype
from tasks.models.description import ModelDescription
from tasks.models.files import BadModel, model_config
from tasks.models.precision import Precision, capability_finding
from tasks.models.tokenizing.tokenizer import PieceTokenizer
from tasks.models.vllm_support import VLLM_POOLINGS

# Tokens at once on a CPU: 1,024 to 8,192 were as fast (MiniLM, one core: 6,600 tokens a CPU second), 65,536 a fifth
# slower and a GB larger, because they do not fit the processor's cache.
CPU_TOKENS = 2_048
GPU_MEMORY_SHARE = 0.9  # of a GPU's free memory for vLLM, weights included; the rest is for CUDA and others
# What vLLM reads of config.json, and transformers 5 writes no more, because it has nothing else.
UNWRITTEN, UNWRITTEN_OF = {"position_embedding_type": "absolute"}, ("roberta", "xlm-roberta")
# vLLM's own errors are among these, and what its implementation of an architecture does not expect of a config.json.
START_ERRORS = (OSError, ValueError, LookupError, RuntimeError, AttributeError, TypeError, ImportError)


class VllmEncoder:
    """`vllm.LLM` as a pooling runner."""

    name = "vllm"

    def __init__(
        self,
        model: ModelDescription,
        tokenizer: PieceTokenizer,
        longest: int,
        threads: int | None = None,
        *,
        dtype: str | None = None,
        precision: Precision | None = None,
    ) -> None:
        """`longest` is the longest piece in tokens, for which memory is reserved. `threads` matters on a CPU only."""
        platform: Any = current_platform
        cpu = bool(platform.is_cpu())
        if precision is not None:
            _check_gpu(precision, cpu=cpu)
        if threads and cpu:
            torch.set_num_threads(threads)
        self.tokenizer = tokenizer
        self.longest = longest
        self.device = "cpu" if cpu else "cuda"
        half = dtype or str(compute_dtype(gpu=not cpu)).removeprefix("torch.")
        self.dtype = precision or half
        config = model_config(model.model, "config.json", model.revision)
        free = 0 if cpu else int(GPU_MEMORY_SHARE * torch.cuda.mem_get_info()[0])
        tokens = max(longest, CPU_TOKENS) if cpu else max_batch_tokens(config, free, longest)
        engine: Any = LLM
        pooler: Any = PoolerConfig
        try:
            self.llm: Any = engine(
                model=model.model,
                revision=model.revision,
                runner="pooling",
                pooler_config=pooler(seq_pooling_type=VLLM_POOLINGS[model.pooling.modes[0]]),
                dtype=half,
                quantization=None if precision is None else quantization_name(),
                load_format="safetensors",
                trust_remote_code=False,
                hf_overrides=UNWRITTEN
                if model.model_type in UNWRITTEN_OF and not UNWRITTEN.keys() & config
                else {},
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
        except START_ERRORS as error:
            raise _start_failure(model, error) from error
        if precision is not None:
            _check_reduced(self.llm, model)
        width = int(self.llm.llm_engine.vllm_config.model_config.get_hidden_size())
        self.dimensions = width if model.truncate_dim is None else min(width, model.truncate_dim)
        check_agreement(self, model, threads, dtype=half)

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        over = max(map(len, ids), default=0)
        if over > self.longest:
            raise ValueError(f"a piece of {over} tokens is longer than the engine's limit of {self.longest}")
        out = np.full((len(ids), self.dimensions), np.nan, np.float32)  # a piece of no tokens has no vector
        full = [place for place, piece in enumerate(ids) if len(piece)]
        if not full:
            return out
        prompt: Any = TokensPrompt
        prompts = [prompt(prompt_token_ids=list(ids[place])) for place in full]
        found = self.llm.encode(prompts, pooling_task="embed", use_tqdm=False)
        vectors: Vectors = (
            torch.stack([one.outputs.data for one in found]).float().numpy()
        )  # all in order, as they came
        out[full] = truncate_dimensions(normalize(vectors), self.dimensions)
        return out


def quantization_name() -> str:
    """The name in vLLM of fp8 with weights converted on loading: `fp8` before it had schemes for that."""
    try:
        from vllm.config.quantization import ONLINE_QUANT_SHORTHAND_NAMES  # noqa: PLC0415
    except ImportError:
        return "fp8"
    return "fp8_per_tensor" if "fp8_per_tensor" in ONLINE_QUANT_SHORTHAND_NAMES else "fp8"


def _check_gpu(precision: Precision, *, cpu: bool) -> None:
    """Refuse a machine that does not compute in this precision.

    Raises:
        EngineUnavailable: it has no such GPU.
    """
    nvidia = not cpu and torch.version.cuda is not None
    why = capability_finding(
        torch.cuda.get_device_capability() if nvidia else None,
        torch.cuda.get_device_name() if nvidia else "this machine",
    )
    if why is not None:
        raise EngineUnavailable(why, hint=f"leave out `precision: {precision}`, or use an L4, L40S or H100")


def _check_reduced(llm: Any, model: ModelDescription) -> None:
    """Refuse an architecture whose weights vLLM left as they were: the run would say fp8 and not be it.

    Raises:
        BadModel: none of its weights are of 8 bits.
    """
    counts = llm.apply_model(reduced_weights)
    if not any(counts):
        raise BadModel(
            f"vLLM reduced none of the weights of {model.model}", hint="leave out `precision` in the job file"
        )


def reduced_weights(model: torch.nn.Module) -> int:
    """How many tensors of a loaded model are 8-bit floats."""
    return sum(one.dtype == torch.float8_e4m3fn for one in (*model.parameters(), *model.buffers()))


def _start_failure(model: ModelDescription, error: Exception) -> BadModel:
    said = str(error).strip() or type(error).__name__
    if "out of memory" in said.lower() or "No available memory" in said:
        return BadModel(
            f"{model.model} does not fit into this machine's memory: {said.splitlines()[0][:200]}",
            hint="choose a GPU with more memory: `embedfleet speed --model MODEL` says which hold it",
        )
    return BadModel(
        f"vLLM cannot load {model.model}: {said.splitlines()[0][:300]}",
        hint="write `engine: torch` in the job file, or name another model",
    )
