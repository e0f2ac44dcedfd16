"""The same models through vLLM in this process: no HTTP, no JSON, prompts as token ids.

Runs on a GPU with `vllm` and on a CPU with a CPU build of it. Pooling and normalisation are vLLM's own,
read from the model's folder.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from vllm import LLM  # type: ignore[import-not-found]  # not in the environment that checks types
from vllm.inputs import TokensPrompt  # type: ignore[import-not-found]

from tasks.embed import Vectors, unit
from tasks.tokens import Words, longest


class VllmEncoder:
    """`vllm.LLM` as a pooling runner."""

    name = "vllm"

    def __init__(self, model: str, words: Words) -> None:
        self.words = words
        self.llm: Any = LLM(
            model=model,
            runner="pooling",
            trust_remote_code=False,
            enable_prefix_caching=False,
            disable_log_stats=True,
            max_model_len=longest(model),
        )
        settings: Any = self.llm.llm_engine.vllm_config
        self.dtype = str(settings.model_config.dtype).removeprefix("torch.")
        self.device = str(settings.device_config.device_type)
        self.dimensions = int(settings.model_config.get_hidden_size())

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        prompts = [TokensPrompt(prompt_token_ids=list(piece)) for piece in ids]
        found = self.llm.embed(prompts, use_tqdm=False)
        out = np.asarray([one.outputs.embedding for one in found], np.float32)
        return unit(out.reshape(len(ids), self.dimensions))
