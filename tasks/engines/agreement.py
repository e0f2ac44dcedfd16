"""Check an engine against the torch engine before it embeds: a few pieces, the same vectors.

vLLM has its own implementation of each architecture, and says little about weights that it did not find. A model that
fits into this machine's free memory beside it is computed in both; of a larger one only the names of the weights are
checked.
"""

from collections.abc import Sequence

import psutil

from tasks.engines.base import Encoder
from tasks.engines.torch_engine import TorchEncoder
from tasks.engines.transformer.load_transformer import check_weights
from tasks.models.description import ModelDescription
from tasks.models.files import BadModel, model_file
from tasks.models.precision import PRECISIONS

LEAST_COSINE = 0.99  # of two engines in bfloat16; in float32 they agree to 0.99999
# Of an engine in fp8. MiniLM in emulated fp8 gave 0.994 and more; the margin for other models is a judgement.
LEAST_COSINE_OF_REDUCED = 0.95
# Of the free memory for the second copy: the first engine has most of what it needs by then.
MEMORY_SHARE = 0.5
PROBE_TOKENS = 12
PROBE_TEXT = "Every engine gives the same vector for a sentence, or it is not used: shards, leases, receipts."


def check_agreement(
    encoder: Encoder, model: ModelDescription, threads: int | None, *, dtype: str | None = None
) -> None:
    """Refuse an engine that computes other vectors than the torch engine in `dtype`; None: in the engine's own.

    Raises:
        BadModel: weights are missing, or the vectors differ.
    """
    if _weight_bytes(model) > MEMORY_SHARE * psutil.virtual_memory().available:
        check_weights(model)
        return
    reference = TorchEncoder(model, encoder.tokenizer, threads, dtype=dtype or encoder.dtype, device="cpu")
    pieces = probe_pieces(encoder)
    cosines = (encoder.encode(pieces) * reference.encode(pieces)).sum(1)
    least = LEAST_COSINE_OF_REDUCED if encoder.dtype in PRECISIONS else LEAST_COSINE
    if not bool((cosines >= least).all()):
        raise BadModel(
            f"{encoder.name} computes other vectors for {model.model} than transformers:"
            f" their cosine is {cosines.min():.4f}",
            hint="write `engine: torch` in the job file, and tell the developers of vLLM",
        )


def probe_pieces(encoder: Encoder) -> Sequence[list[int]]:
    """A word, and the beginnings of a sentence: one for each pooling and mask to go wrong on."""
    words = encoder.tokenizer.ids([PROBE_TEXT])[0]
    before, after = encoder.tokenizer.prefix_ids, encoder.tokenizer.suffix_ids
    return [[*before, *words[:count], *after] for count in (1, PROBE_TOKENS // 2, PROBE_TOKENS)]


def _weight_bytes(model: ModelDescription) -> int:
    return sum(model_file(model.model, name, model.revision).stat().st_size for name in model.weights.files)
