"""Engine: any encoder or decoder model of the hub through transformers. Runs everywhere.

bfloat16 if the processor or GPU has it, else float32 (float16 on older GPUs); length-sorted batches by token budget; all
poolings and layers that a `ModelDescription` names. Safetensors only; code from the model's folder only with
`remote_code`.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers

from tasks.engines.base import OutsideModel, Vectors
from tasks.engines.batches.batching import batches
from tasks.engines.precision import compute_dtype
from tasks.engines.transformer.layers import load_layers
from tasks.engines.transformer.load_transformer import load_transformer
from tasks.engines.transformer.pooling import pool
from tasks.models.description import ModelDescription
from tasks.models.files import BadModel
from tasks.models.tokenizing.tokenizer import ModelTokenizer, PieceTokenizer

CPU_BATCH_TOKENS = 2_048  # padded tokens a batch; 1,024 to 8,192 were as fast within the noise of two cores
GPU_BATCH_TOKENS = 16_384  # fills a GPU with little padding; not tuned on a GPU yet
PADDED_TOKENS = 9  # of the pieces that show whether padding changes vectors
SAME_STATES = (
    1 - 1e-6
)  # cosine: what is masked is no part of a sum, so the same numbers are added in the same order
WIDE_TOKENS = 128  # of the piece that shows whether its length changes the vector of a short one
# Cosine: kernels for other shapes add the same numbers in another order. Taking padding for harmful costs speed, so
# half precision, in which deep models round most, has more room.
SAME_ROUNDED, SAME_ROUNDED_IN_HALF = 0.9999, 0.99
PROBE_TOKENS = 3  # of the pieces that show whether the first token sees the last


class TorchEncoder:
    """A transformers model on this machine's GPU, else its CPU.

    `prompt_tokens` is how many tokens before each text are the prompt's, special tokens included: they are left out of
    the pooling where the model wants that.
    """

    name = "torch"

    def __init__(
        self,
        model: ModelDescription,
        tokenizer: PieceTokenizer,
        threads: int | None,
        *,
        remote_code: bool = False,
        dtype: str | None = None,
        device: str | None = None,
        prompt_tokens: int = 0,
    ) -> None:
        """`device` None: the GPU, else the CPU."""
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        logging.getLogger("transformers").setLevel(logging.ERROR)
        gpu = torch.cuda.is_available() if device is None else device != "cpu"
        if threads and not gpu:
            torch.set_num_threads(threads)
        self.tokenizer = tokenizer
        self.device = "cuda" if gpu else "cpu"
        self.budget = GPU_BATCH_TOKENS if gpu else CPU_BATCH_TOKENS
        kind = compute_dtype(gpu=gpu) if dtype is None else getattr(torch, dtype)
        self.dtype = str(kind).removeprefix("torch.")
        self.pooling, self.prompt_tokens = model.pooling, prompt_tokens
        self.positions = _last_position(model)
        self.cut = model.truncate_dim
        self.model: Any = load_transformer(model, kind, remote_code=remote_code).to(self.device)
        # Code of the model's own may need a mask where transformers' classes take none for all ones.
        self.needs_mask = not type(self.model).__module__.startswith("transformers.")
        self.vocabulary = _vocabulary(model, self.model)
        if isinstance(tokenizer, ModelTokenizer):  # of own code no file may name the table
            tokenizer.check_vocabulary(model.model, self.vocabulary)
        states = self._probe(model)
        wide = self._width_is_ignored(model)
        self.pads = wide and not model.scaled_by_longest and self._padding_is_ignored()
        width = int(states.shape[2]) * len(self.pooling.modes)
        self.layers = load_layers(model, width).to(self.device)
        full = self.layers(torch.zeros(1, width, device=self.device)).shape[1]
        self.dimensions = int(full if self.cut is None else min(self.cut, full))

    @torch.inference_mode()
    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        out = np.full((len(ids), self.dimensions), np.nan, np.float32)  # a piece of no tokens has no vector
        full = [place for place, piece in enumerate(ids) if len(piece)]
        for batch in batches([len(ids[place]) for place in full], self.budget, padding=self.pads):
            places = [full[n] for n in batch]
            out[places] = self._batch([ids[place] for place in places])
        return out

    def _batch(self, ids: list[Sequence[int]]) -> Vectors:
        states, lengths = self._states(ids)
        found: Vectors = self.finish(pool(states, lengths, self.pooling, self.prompt_tokens)).cpu().numpy()
        return found

    def finish(self, pooled: torch.Tensor) -> torch.Tensor:
        """The vectors [pieces, dimensions] of pooled states: the model's layers, its dimensions, length 1."""
        vectors = self.layers(pooled)[:, : self.dimensions]
        # As by `truncate_dimensions`: a vector of zeros has no direction.
        return vectors / vectors.norm(dim=1, keepdim=True)

    def _states(self, ids: list[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """The states of the tokens [pieces, tokens, width], and the lengths of the pieces."""
        lengths = torch.tensor([len(piece) for piece in ids])
        width = int(lengths.max())
        matrix = np.zeros((len(ids), width), np.int64)
        for row, piece in enumerate(ids):
            matrix[row, : len(piece)] = piece
        self.check(matrix, matrix.shape[1])
        mask = (torch.arange(width) < lengths[:, None]).long().to(self.device)
        # Without padding no mask is needed, and attention takes its fast path.
        padded = int(lengths.min()) < width
        given: Any = self.model(
            input_ids=torch.from_numpy(matrix).to(self.device),
            attention_mask=mask if padded or self.needs_mask else None,
        )
        states = _states_in(given)
        if not isinstance(states, torch.Tensor) or states.shape[:2] != matrix.shape:
            raise TypeError("the model gives no states of its tokens (last_hidden_state)")
        return states, lengths

    def check(self, ids: "np.ndarray[Any, np.dtype[np.int64]]", longest: int) -> None:
        """Refuse tokens that would read past a table: on a GPU that breaks the process, not the batch.

        Raises:
            OutsideModel: there are such.
        """
        if self.positions is not None and longest > self.positions:
            raise OutsideModel(f"{longest:,} tokens, and the model has {self.positions:,} positions")
        largest = int(ids.max())
        if largest >= self.vocabulary:
            raise OutsideModel(f"the token {largest:,}, and the model knows {self.vocabulary:,}")

    @torch.inference_mode()
    def _probe(self, model: ModelDescription) -> torch.Tensor:
        """The states of two short pieces that differ in their last token alone.

        Raises:
            BadModel: the model gives no states, or its settings say that all tokens see each other and they do not.
        """
        low, high = (1, 2) if self.vocabulary > PROBE_TOKENS else (0, 0)
        try:
            states, _ = self._states([[low] * PROBE_TOKENS, [low] * (PROBE_TOKENS - 1) + [high]])
        except (
            TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError
        ) as error:  # fmt: skip
            raise _no_states(model, error) from error
        said = [
            f"`{key}`"
            for key, value in (("is_causal: false", model.causal is False), ("use_bidirectional_attention: true",
                                                                             model.bidirectional is True))
            if value
        ]  # fmt: skip
        if said and torch.equal(states[0, 0], states[1, 0]):
            raise BadModel(
                f"{model.model} says {' and '.join(said)}, which transformers {transformers.__version__} does not obey:"
                " its first token does not see the last",
                hint="install transformers 5.2 or newer",
            )
        return states

    @torch.inference_mode()
    def _padding_is_ignored(self) -> bool:
        """Whether the states of a piece stay what they are when the tokens of its padding change.

        Not where tokens are mixed by convolution, by pooling or by a Fourier transform (ConvBERT, Funnel, FNet): vectors
        of such a model would depend on which pieces go through it together.
        """
        width = min(PADDED_TOKENS, self.positions or PADDED_TOKENS)
        other = min(2, self.vocabulary - 1)
        for own in range(width // 2, width):  # several, since pooling takes tokens in pairs
            ids, mask = torch.ones(3, width, dtype=torch.long), torch.ones(3, width, dtype=torch.long)
            ids[1, own:], mask[:2, own:] = other, 0
            given: Any = self.model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device))
            states = _states_in(given)
            first, second = states[:2, :own].float().flatten(1)
            if torch.nn.functional.cosine_similarity(first, second, dim=0) < SAME_STATES:
                return False
        return True

    @torch.inference_mode()
    def _width_is_ignored(self, model: ModelDescription) -> bool:
        """Whether the states of a piece stay what they are beside a long one.

        Not where tokens are sorted into chunks of a batch (Reformer).

        Raises:
            BadModel: a piece has other states each time.
        """
        width = min(WIDE_TOKENS, self.positions or WIDE_TOKENS)
        own = min(PADDED_TOKENS, width)
        most = self.vocabulary - 1
        short = [1 + n % most if most else 0 for n in range(own)]
        long = [1 + 7 * n % most if most else 0 for n in range(width)]
        alone, _ = self._states([short])
        beside, _ = self._states([short, long])
        again, _ = self._states([short, long])
        if not all(torch.isfinite(one).all() for one in (alone, beside[0, :own], beside[1], again[1])):
            return True  # weights that are no numbers are refused, by that name, when the engine warms up
        if not self._are_same(beside[1], again[1]):
            raise BadModel(
                f"{model.model} gives other vectors of the same text each time: it draws by lot",
                hint="name another model: no vector of this one could be compared with a later one",
            )
        return self._are_same(alone[0], beside[0, :own])

    def _are_same(self, states: torch.Tensor, others: torch.Tensor) -> bool:
        """Whether states differ by no more than rounding."""
        first, second = states.float().flatten(), others.float().flatten()
        least = SAME_ROUNDED if self.dtype == "float32" else SAME_ROUNDED_IN_HALF
        return bool(torch.nn.functional.cosine_similarity(first, second, dim=0) >= least)


def _states_in(given: Any) -> Any:
    """The states of the tokens in what a model gives: an output of transformers, or a tuple of code of its own."""
    return given.get("last_hidden_state") if hasattr(given, "get") else given[0]


def _last_position(model: ModelDescription) -> int | None:
    """How many positions the model has; None when it computes any number of them."""
    limit = model.limit
    beyond = limit.tokens is not None and limit.positions is not None and limit.tokens > limit.positions
    return None if beyond else limit.positions


def _vocabulary(model: ModelDescription, transformer: Any) -> int:
    """How many tokens the transformer has a vector for."""
    try:
        return int(transformer.get_input_embeddings().weight.shape[0])
    except (NotImplementedError, AttributeError) as error:  # a model of images, or of several inputs
        raise _no_states(model, error) from error


def _no_states(model: ModelDescription, error: Exception) -> BadModel:
    return BadModel(
        f"{model.model} does not compute states of tokens: {(str(error).splitlines() or [''])[0][:200]}",
        hint="name an embedding model: a transformer that gives `last_hidden_state`",
    )
