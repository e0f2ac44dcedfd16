"""The model of a run as readers load it: queries and further texts get vectors that compare with those of the run.

It has the run's model (checked by its fingerprint), pooling, longest piece, dimensions and prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from launcher.errors import Usage
from tasks.engines.base import Encoder, Vectors, truncate_dimensions
from tasks.engines.load import installed, load_encoder
from tasks.models.describe import describe
from tasks.models.files import HASH_MODEL
from tasks.models.fingerprint import pinned
from tasks.models.text_settings import QUERY_PROMPT
from tasks.models.tokenizing.pieces import (
    ChunkSpec,
    TextPieces,
    count_prompt_tokens,
    piece_limit,
    split_texts,
)
from tasks.protocol.manifest import Header

InputType = Literal["query", "document"]


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands before a text, and who says so: "argument", "manifest", "model" (its prompt for queries) or "run"."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class RunEncoder:
    """A loaded model with the settings of a run."""

    header: Header
    encoder: Encoder
    limit: int  # longest piece in tokens, special tokens included

    def pieces(self, texts: Sequence[str], prompt: str) -> list[TextPieces]:
        """One piece for each text, truncated as a text of the run is.

        Raises:
            Usage: a text or the prompt is no Unicode, as an argument in another encoding.
        """
        if not all(map(is_unicode, (prompt, *texts))):
            raise Usage(
                "a text or its prompt holds half of a surrogate pair, or bytes that are not UTF-8",
                hint="write it in UTF-8",
            )
        return split_texts(self.encoder.tokenizer, texts, ChunkSpec(self.limit, None, prompt))

    def encode(self, ids: Sequence[Sequence[int]], prompt: str, dimensions: int | None = None) -> Vectors:
        """The unit vectors of pieces that begin with this prompt, of the run's dimensions or fewer."""
        encoder: Any = self.encoder
        if hasattr(encoder, "pooling") and not encoder.pooling.include_prompt:
            encoder.prompt_tokens = count_prompt_tokens(encoder.tokenizer, prompt)
        return truncate_dimensions(self.encoder.encode(ids), dimensions or self.header.dimensions)


def load_run_encoder(
    header: Header, *, engine: str | None = None, threads: int | None = None, dtype: str | None = None
) -> RunEncoder:
    """Load the model of a run.

    Args:
        header: of the run.
        engine: of `tasks.engines.load`; None: torch where it is installed.
        threads: CPU threads of the engine; None: its own default.
        dtype: what to compute in; None: what suits this machine.

    Raises:
        ModelChanged: another model lies where that of the run was.
        Problem: the model cannot be loaded here.
    """
    model = header.model if header.model == HASH_MODEL else pinned(header.model, header.model_fingerprint)
    chosen = engine or ("auto" if model == HASH_MODEL or not installed("torch") else "torch")
    encoder = load_encoder(
        chosen,
        model,
        threads,
        remote_code=header.remote_code,
        tokens=header.tokens,
        prompt=header.prompt,
        dtype=dtype,
    )
    return RunEncoder(header, encoder, piece_limit(model, header.tokens))


def query_prompt(header: Header, given: str | None = None) -> Prompt:
    """The prompt of queries: as given, as the manifest says, as the model says, else that of the run's texts."""
    if given is not None:
        return Prompt(given, "argument")
    if header.query_prompt is not None:
        return Prompt(header.query_prompt, "manifest")
    if header.model != HASH_MODEL:  # a run of a version that did not record it
        own = dict(describe(pinned(header.model, header.model_fingerprint)).text.prompts)
        if QUERY_PROMPT in own:
            return Prompt(own[QUERY_PROMPT], "model")
    return Prompt(header.prompt, "run")


def prompt_of(header: Header, kind: InputType) -> Prompt:
    """The prompt of a kind of text: queries have their own, documents that of the run."""
    return query_prompt(header) if kind == "query" else Prompt(header.prompt, "run")
