"""sentence-transformers as a second opinion: the vectors of pieces, computed without any engine of ours.

It is used where it is installed. It gets our tokens, which are compared with its own when a model is loaded
(`tasks.models.tokenizing.reference_tokenizer`).
"""
# sentence-transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from tasks.engines.base import Vectors, normalize
from tasks.errors import Problem
from tasks.models.files import HASH_MODEL

PACKAGE, PACKAGE_MODULE = "sentence-transformers", "sentence_transformers"
REASON_CHARACTERS = 200  # of the library's own message


class NoReference(Problem):
    """sentence-transformers cannot load the model, so our own engine is the second opinion."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A model as sentence-transformers loads it, in float32 on the CPU."""

    model: Any
    name: str = PACKAGE

    def encode(self, pieces: Sequence[Sequence[int]], prompt_tokens: int = 0) -> Vectors:
        """Vectors of length 1, a piece at a time; `prompt_tokens` before each text are the prompt's."""
        import torch  # noqa: PLC0415 - with sentence-transformers, which needs it

        found: list[Any] = []
        with torch.inference_mode():
            for piece in pieces:
                ids = torch.tensor([list(piece)])
                features: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
                if prompt_tokens:
                    features["prompt_length"] = prompt_tokens
                found.append(self.model(features)["sentence_embedding"][0].float().numpy())
        return normalize(np.asarray(found, np.float32))


def load_reference(model: str, *, remote_code: bool = False) -> Reference | None:
    """The model in sentence-transformers; None where that is not installed.

    Raises:
        NoReference: it cannot load the model.
    """
    if model == HASH_MODEL or importlib.util.find_spec(PACKAGE_MODULE) is None:
        return None
    import torch  # noqa: PLC0415 - as above
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - seconds to import
    from transformers.utils import logging  # noqa: PLC0415 - with sentence-transformers

    logging.disable_progress_bar()  # of loading weights, among our own lines

    try:
        loaded = SentenceTransformer(
            model, device="cpu", trust_remote_code=remote_code, model_kwargs={"dtype": torch.float32}
        )
    # Every exception: the code of a trusted model runs in here, and may raise any, beside the many types of the library
    # and those below it (`tasks.engines.transformer.load_transformer` lists those of transformers). None is lost:
    # `verify` gives it as the reason why the run's own engine is the second opinion.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:REASON_CHARACTERS]
        raise NoReference(
            f"{PACKAGE} {version(PACKAGE)} cannot load {model}: {type(error).__name__}: {reason}",
            hint="the sample is embedded with the run's own engine instead",
        ) from error
    return Reference(loaded.eval(), f"{PACKAGE} {version(PACKAGE)}")
