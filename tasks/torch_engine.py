"""Any encoder or decoder model of the hub through transformers: the engine that runs everywhere.

bfloat16 where the processor or GPU has it, else float32 (float16 on older GPUs); length-sorted batches by
token budget; mean, cls and last-token pooling. Safetensors only, no code from the model's folder.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import logging
from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
import transformers

from tasks.batch import batches
from tasks.embed import Vectors
from tasks.precision import precision
from tasks.tokens import Absent, BadModel, Words, config, file_of

CPU_BUDGET = 2_048  # padded tokens a batch; 1,024 to 8,192 were as fast within the noise of two cores
GPU_BUDGET = 16_384  # fills a GPU with little padding; not tuned on one yet

Pooling = Literal["mean", "cls", "last"]
POOLINGS: dict[str, Pooling] = {
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
}  # by their names in folders


class TorchEncoder:
    """A transformers model on this machine's GPU, else its CPU."""

    name = "torch"

    def __init__(self, model: str, words: Words, threads: int | None) -> None:
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        logging.getLogger("transformers").setLevel(logging.ERROR)
        gpu = torch.cuda.is_available()
        if threads and not gpu:
            torch.set_num_threads(threads)
        self.words = words
        self.device = "cuda" if gpu else "cpu"
        self.budget = GPU_BUDGET if gpu else CPU_BUDGET
        kind = precision(gpu=gpu)
        self.dtype = str(kind).removeprefix("torch.")
        self.pooling = pooling(model)
        try:
            self.model: Any = transformers.AutoModel.from_pretrained(
                model, dtype=kind, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise BadModel(
                f"cannot load {model}: {str(error).splitlines()[0]}",
                hint="name a model that transformers loads from safetensors without remote code",
            ) from error
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
        tokens = torch.zeros((len(ids), width), dtype=torch.long)
        for row, piece in enumerate(ids):
            tokens[row, : len(piece)] = torch.tensor(piece)
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


def pooling(model: str) -> Pooling:
    """How a vector is made of the tokens' states: what the folder's sentence-transformers layout says.

    Raises:
        BadModel: it asks for a pooling that we do not have.
    """
    try:
        listing = file_of(model, "modules.json")
    except Absent:
        return "mean"  # what sentence-transformers does with a bare transformers model
    modules = {str(m["type"]).rpartition(".")[2]: m["path"] for m in json.loads(listing.read_bytes())}
    foreign = sorted(modules.keys() - {"Transformer", "Pooling", "Normalize"})
    if foreign:
        raise BadModel(
            f"{model} has modules that the engine torch does not compute: {', '.join(foreign)}",
            hint="choose a model that is a transformer and a pooling, or the engine vllm",
        )
    found = config(model, f"{modules.get('Pooling', '1_Pooling')}/config.json")
    mode = found.get("pooling_mode")  # a name or several; one switch for each mode in older folders
    asked = {mode} if isinstance(mode, str) else set(mode or ())
    asked |= {_bare(name) for name, on in found.items() if name.startswith("pooling_mode_") and on is True}
    if len(asked) != 1 or not asked <= POOLINGS.keys():
        raise BadModel(
            f"{model} wants the pooling {sorted(asked)}",
            hint="models with cls, mean or last-token pooling work",
        )
    return POOLINGS[asked.pop()]


def _bare(switch: str) -> str:
    return switch.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
