"""Prove that a server gives the vectors of a run, and name what is wrong where it does not.

Sampled texts of the corpus are asked for, and compared with the stored vectors. A mistake is far away from rounding: a
wrong cut or prompt gives cosines below 0.99. Each known mistake is computed here, too: the one that gives the server's
vectors is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from launcher.documents.serve_check import Diagnosis
from launcher.errors import Problem
from launcher.serve.checks.client import EmbeddingClient, ServerRefused
from launcher.serve.checks.mistakes import diagnose
from launcher.serve.checks.sampled_texts import SampledText
from launcher.vectors.query_encoder import RunEncoder
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts

ROWS = 64
BATCH = 16  # texts of a request
# Least cosine of a good row. What computes in half precision, or stores 8 bits, differs by more.
EXACT, HALF, SIGNS = 0.9999, 0.999, 0.9
LENGTH_TOLERANCE = 1e-2

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was compared: texts, what the server gave, and the first refusal."""

    texts: tuple[SampledText, ...]
    found: tuple[Floats, ...]
    refused: int
    said: str | None


def ask(
    client: EmbeddingClient, texts: Sequence[SampledText], encoder: RunEncoder, *, tokens: bool, prompt: str
) -> Asked:
    """The server's vectors of these texts; `prompt` is put before them by us, `tokens` sends the run's token ids.

    Raises:
        ServerRefused: it gives none at all.
    """
    inputs: list[str] | list[list[int]]
    inputs = [ids_of(encoder, one) for one in texts] if tokens else [prompt + one.text for one in texts]
    good: list[SampledText] = []
    found: list[Floats] = []
    refusal: ServerRefused | None = None
    refused = 0
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        try:
            vectors = client.embed(inputs[part])
            good += texts[part]
            found += vectors
        except ServerRefused as error:
            if error.status is None:
                raise
            for text, one in zip(
                texts[part], inputs[part], strict=True
            ):  # one that is too long spoils its batch
                try:
                    found += client.embed([one])  # pyright: ignore[reportArgumentType]
                    good.append(text)
                except ServerRefused as again:
                    refused += 1
                    refusal = refusal or again
    if not good and refusal is not None:
        raise refusal
    return Asked(tuple(good), tuple(found), refused, None if refusal is None else str(refusal))


def ids_of(encoder: RunEncoder, one: SampledText) -> list[int]:
    """The token ids of the sampled chunk, as the worker cut it."""
    header = encoder.header
    cut = ChunkSpec(encoder.limit, header.overlap, header.prompt, header.by or "tokens")
    chunks = split_texts(encoder.encoder.tokenizer, [one.text], cut)[0].ids
    if one.chunk >= len(chunks):
        raise Problem(
            f"document {one.id} has {len(chunks)} chunks here, and the run has chunk {one.chunk}",
            hint="the corpus or the library that cuts texts has changed since the run",
        )
    return chunks[one.chunk]


def least_enough(encoder: RunEncoder, *, exact: bool) -> float:
    """The least cosine of a good row. `exact`: the run was computed in float32."""
    if encoder.header.dtype == "binary":
        return SIGNS
    return EXACT if exact and encoder.header.dtype != "int8" else HALF


def compare(
    asked: Asked, encoder: RunEncoder, *, least: float
) -> tuple[Floats | None, Floats, tuple[Diagnosis, ...]]:
    """The cosine of each row (None: other dimensions), the lengths of the server's vectors, and what explains them."""
    stored = np.stack([one.vector for one in asked.texts])
    widths = {len(one) for one in asked.found}
    if len(widths) != 1:
        raise Problem("the server gives vectors of several dimensions", hint="check one model at a time")
    found = np.stack(asked.found)
    lengths = np.linalg.norm(found, axis=1)
    expected = stored.shape[1]
    signs = encoder.header.dtype == "binary"
    if found.shape[1] != expected:
        return None, lengths, diagnose(asked.texts, found, stored, encoder, least=least)
    cosines = cosines_of(np.where(found > 0, 1, -1).astype(np.float32) if signs else found, stored)
    wrong = cosines < least
    long = np.abs(lengths - 1) > LENGTH_TOLERANCE
    mistakes: tuple[Diagnosis, ...] = ()
    if wrong.any() or long.any():
        bad = np.flatnonzero(wrong)
        texts = [asked.texts[n] for n in bad]
        mistakes = diagnose(texts, found[bad], stored[bad], encoder, least=least) if len(bad) else ()
        if long.any():
            mistakes = (
                *mistakes,
                Diagnosis.of_lengths(int(long.sum()), float(lengths.min()), float(lengths.max())),
            )
    return cosines, lengths, mistakes


def cosines_of(one: Floats, other: Floats) -> Floats:
    """The cosines of rows; 0 where one has no direction."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return ((one * other).sum(1) / np.where(lengths > 0, lengths, np.inf)).astype(np.float32)
