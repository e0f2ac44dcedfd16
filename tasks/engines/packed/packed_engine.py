"""Engine: the transformers of `torch_engine`, over packed tokens, without padding.

Only inside attention, and only on old GPUs and CPUs, is there padding.

Every layer but attention works on each token alone, so pieces may lie end to end; attention is replaced by one that
keeps each piece to itself (`packed_attention`). That holds for any architecture that asks transformers for its attention
function. Whether a model does is proved when it is loaded: pieces of several lengths must get the same vectors as by
`torch_engine`, else the model is refused here and another engine takes it. Where attention is a kernel, the layers
around it are compiled, and proved in the same way.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tasks.engines.base import OtherVectors, Vectors
from tasks.engines.batches.batching import batches
from tasks.engines.checks.probes import MIN_COSINE, probe_pieces
from tasks.engines.packed.compiled_layers import compile_layers, run_uncompiled
from tasks.engines.packed.fused_qkv import fuse_qkv
from tasks.engines.packed.packed_attention import NAME, Packing, Unsupported, has_kernel
from tasks.engines.packed.packed_mpnet import PackedMPNetEncoder
from tasks.engines.packed.packing import GPU_BATCH_TOKENS, PackedTokens, fill, pack
from tasks.engines.torch_engine import TorchEncoder
from tasks.engines.transformer.pooling import pool
from tasks.models.description import ModelDescription
from tasks.models.tokenizing.tokenizer import PieceTokenizer


@dataclass(frozen=True, slots=True)
class _Running:
    """A batch whose vectors are on their way to the host."""

    pieces: list[int]
    vectors: torch.Tensor
    done: "torch.cuda.Event | None"


class PackedEncoder:
    """A transformers model over packed tokens, on this machine's GPU, else its CPU.

    Raises:
        OtherVectors: the model's vectors are others here.
    """

    name = "packed"
    not_compiled: str | None = None  # why `compile` left the layers as they were

    def __init__(
        self,
        model: ModelDescription,
        tokenizer: PieceTokenizer,
        threads: int | None,
        *,
        remote_code: bool = False,
        dtype: str | None = None,
        prompt_tokens: int = 0,
    ) -> None:
        self._padded = TorchEncoder(
            model, tokenizer, threads, remote_code=remote_code, dtype=dtype, prompt_tokens=prompt_tokens
        )
        self.tokenizer = tokenizer
        self.dtype, self.device, self.dimensions = (
            self._padded.dtype,
            self._padded.device,
            self._padded.dimensions,
        )
        self.model: Any = self._padded.model
        self.model.config.use_cache = False
        kind = getattr(torch, self.dtype)
        self.kernel = (
            has_kernel(self.device, kind, _head(self.model.config))
            and self.model.config.model_type != "mpnet"
        )
        self.budget = GPU_BATCH_TOKENS if self.kernel else self._padded.budget
        self._padding = _padding_row(self.model)
        self._probes = probe_pieces(self._padded.vocabulary, self._padded.positions)
        self._expected = self._padded.encode(self._probes)
        try:
            _use_packed_attention(self.model)
            fuse_qkv(self.model)
            worst = self._worst_cosine()
        except (ValueError, TypeError, KeyError, RuntimeError, IndexError, Unsupported) as error:
            raise OtherVectors(
                f"{model.model} cannot be computed over packed tokens: {error}", hint="set `engine: torch`"
            ) from error
        if not worst >= MIN_COSINE[kind]:  # NaN, too
            raise OtherVectors(
                f"{model.model} has other vectors over packed tokens (cosine {worst:.4f})",
                hint="set `engine: torch`",
            )

    def compile(self) -> None:
        """Compile the layers, and prove the vectors again; `not_compiled` says why they stay as they were.

        It takes seconds to a minute on a machine that has no compiled code of such a layer (`TORCHINDUCTOR_CACHE_DIR`).
        """
        try:
            compile_layers(self.model)
            worst = self._worst_cosine()
        except Exception as error:  # noqa: BLE001 - whatever a compiler raises, the model computes without it
            self.not_compiled = (str(error).splitlines() or [type(error).__name__])[0]
        else:
            if worst >= MIN_COSINE[getattr(torch, self.dtype)]:
                return
            self.not_compiled = f"compiled layers give other vectors (cosine {worst:.4f})"
        run_uncompiled(self.model)

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        out = np.full((len(ids), self.dimensions), np.nan, np.float32)  # a piece of no tokens has no vector
        with torch.inference_mode():
            for batch in self._batches(ids):
                out[batch.pieces] = _collect(batch)
        return out

    def _worst_cosine(self) -> float:
        """The least cosine of the probes' vectors with those of `torch_engine`; NaN where one has none."""
        return float((self._expected * self.encode(self._probes)).sum(1).min())

    def _batches(self, ids: Sequence[Sequence[int]]) -> Iterator[_Running]:
        """Batches one behind: while the device computes a batch, the host collects the one before it."""
        full = [place for place, piece in enumerate(ids) if len(piece)]
        lengths = [len(ids[place]) for place in full]
        last: _Running | None = None
        # Where attention is padded, batches of similar length keep the padding small.
        for batch in fill(lengths, self.budget) if self.kernel else batches(lengths, self.budget):
            places = [full[n] for n in batch]
            running = self._start(places, pack([ids[place] for place in places]))
            if last is not None:
                yield last
            last = running
        if last is not None:
            yield last

    def _start(self, places: list[int], packed: PackedTokens) -> _Running:
        """Start the work on a batch; on a GPU this returns before the work is done."""
        self._padded.check(packed.ids, packed.longest)
        table = _positions(packed, self._padding)
        starts, pieces, positions, ids, rows = (
            self._to_device(array)
            for array in (packed.starts, packed.pieces, packed.positions, packed.ids, table)
        )
        packing = Packing(starts, pieces, positions, packed.longest, self.kernel)
        given: Any = self.model(
            input_ids=ids[None],
            position_ids=rows[None],
            **self._more(packing),
        )
        states = given.last_hidden_state[0]
        vectors = self._padded.finish(self._pool(states, packing))
        if self.device != "cuda":
            return _Running(places, vectors, None)
        host = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
        host.copy_(vectors, non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        return _Running(places, host, done)

    def _more(self, packing: Packing) -> dict[str, Packing]:
        """What the model is given besides tokens and positions: MPNet passes nothing on to its layers."""
        if isinstance(getattr(self.model, "encoder", None), PackedMPNetEncoder):
            self.model.encoder.packing = packing
            return {}
        return {"packing": packing}

    def _to_device(self, array: "np.ndarray[Any, Any]") -> torch.Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device == "cuda" else tensor

    def _pool(self, states: torch.Tensor, packing: Packing) -> torch.Tensor:
        """Pooled states [pieces, width]: the common poolings without padding."""
        modes, starts = self._padded.pooling.modes, packing.starts.long()
        if self._padded.pooling.include_prompt and modes == ("cls",):
            return states[starts[:-1]].float()
        if modes == ("lasttoken",):
            return states[starts[1:] - 1].float()
        if self._padded.pooling.include_prompt and modes == ("mean",):
            total = states.new_zeros(packing.count, states.shape[1], dtype=torch.float32)
            total.index_add_(0, packing.pieces, states.float())
            return total / starts.diff()[:, None]
        return pool(packing.padded(states), starts.diff(), self._padded.pooling, self._padded.prompt_tokens)


def _use_packed_attention(model: Any) -> None:
    if model.config.model_type == "mpnet":
        model.encoder = PackedMPNetEncoder(model.encoder)
    else:
        model.set_attn_implementation(NAME)


def _collect(batch: _Running) -> Vectors:
    if batch.done is not None:
        batch.done.synchronize()
    return batch.vectors.numpy()


def _head(config: Any) -> int:
    """Dimensions of an attention head."""
    found = getattr(config, "head_dim", None)
    return int(found or config.hidden_size // config.num_attention_heads)


def _padding_row(model: Any) -> int | None:
    """The token that has no position of its own, in kinds of RoBERTa: they count from behind its row."""
    embeddings: Any = getattr(model, "embeddings", None)
    return int(embeddings.padding_idx) if hasattr(embeddings, "create_position_ids_from_input_ids") else None


def _positions(packed: PackedTokens, padding: int | None) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """The rows of the table of positions, as the model itself would take them for each piece alone."""
    if padding is None:
        return packed.positions
    counted = packed.ids != padding
    before = np.concatenate(([0], np.cumsum(counted)))[packed.starts[:-1]]
    return (np.cumsum(counted) - before[packed.pieces]) * counted + padding
