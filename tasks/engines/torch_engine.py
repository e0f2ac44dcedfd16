"""Engine: any encoder or decoder model of the hub through transformers. Runs everywhere.

bfloat16 if the processor or GPU has it, else float32 (float16 on older GPUs); length-sorted batches by token budget;
mean, cls and last-token pooling. Safetensors only; code from the model's folder only with `remote_code`.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import logging
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import transformers

from tasks.engines.base import Vectors
from tasks.engines.batching import batches
from tasks.engines.pooling import pooling
from tasks.engines.precision import compute_dtype
from tasks.engines.tokenizer import PieceTokenizer, load_failure

CPU_BATCH_TOKENS = 2_048  # padded tokens a batch; 1,024 to 8,192 were as fast within the noise of two cores
GPU_BATCH_TOKENS = 16_384  # fills a GPU with little padding; not tuned on a GPU yet


class TorchEncoder:
    """A transformers model on this machine's GPU, else its CPU."""

    name = "torch"

    def __init__(
        self,
        model: str,
        tokenizer: PieceTokenizer,
        threads: int | None,
        *,
        remote_code: bool = False,
        dtype: str | None = None,
    ) -> None:
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        logging.getLogger("transformers").setLevel(logging.ERROR)
        gpu = torch.cuda.is_available()
        if threads and not gpu:
            torch.set_num_threads(threads)
        self.tokenizer = tokenizer
        self.device = "cuda" if gpu else "cpu"
        self.budget = GPU_BATCH_TOKENS if gpu else CPU_BATCH_TOKENS
        kind = compute_dtype(gpu=gpu) if dtype is None else getattr(torch, dtype)
        self.dtype = str(kind).removeprefix("torch.")
        self.pooling = pooling(model)
        try:
            self.model: Any = transformers.AutoModel.from_pretrained(
                model, dtype=kind, use_safetensors=True, trust_remote_code=remote_code
            )
        except (OSError, ValueError, KeyError) as error:
            raise load_failure(model, error) from error
        self.model.eval().to(self.device)
        self.dimensions = int(self.model.config.hidden_size)

    @torch.inference_mode()
    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        out = np.empty((len(ids), self.dimensions), np.float32)
        for batch in batches([len(piece) for piece in ids], self.budget):
            out[batch] = self._batch([ids[i] for i in batch]).float().cpu().numpy()
        return out

    def _batch(self, ids: list[Sequence[int]]) -> torch.Tensor:
        lengths = torch.tensor([len(piece) for piece in ids])
        width = int(lengths.max())
        matrix = np.zeros((len(ids), width), np.int64)
        for row, piece in enumerate(ids):
            matrix[row, : len(piece)] = piece
        tokens = torch.from_numpy(matrix)
        mask = (torch.arange(width) < lengths[:, None]).to(self.device)
        # Without padding no mask is needed, and attention takes its fast path.
        padded = int(lengths.min()) < width
        hidden = cast(
            "torch.Tensor",
            self.model(
                input_ids=tokens.to(self.device), attention_mask=mask.long() if padded else None
            ).last_hidden_state,
        )
        if self.pooling == "cls":
            pooled = hidden[:, 0].float()
        elif self.pooling == "last":
            pooled = hidden[torch.arange(len(ids)), lengths - 1].float()
        else:
            weights = mask[:, :, None].to(torch.float32)
            pooled = (hidden.float() * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1)
