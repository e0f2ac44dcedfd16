"""What an engine of ours gives for a layout beside sentence-transformers on the same folder, in words.

Texts go in whole, so prompts, tokens, truncation, pooling, layers and length are all compared, in float32.
"""
# sentence-transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from tasks.engines.load import load_encoder
from tasks.errors import Problem
from tasks.models.describe import describe
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tests.support.model_layouts.layout import Layout

LEAST_COSINE = 0.9999
TEXTS = [
    "a",
    "Shards are leased, not owned. UPPER lower MiXeD",
    "Ein Satz mit Umlauten: größer, 東京は日本の首都です。",
    "The price of a machine moves with the hour, so a plan names the date of each. " * 8,
    "lines\n\nand\ttabs, 1234567890",
]
EQUAL = "equal"


def outcome(layout: Layout, folder: Path, engine: str = "torch") -> str:
    """What this engine gives: `equal`, `refused: why`, or what is wrong: `differs: ...`.

    Raises:
        Exception: the engine's, for anything but a refusal.
    """
    layout.build(folder)
    try:
        encoder = load_encoder(engine, str(folder), remote_code=layout.trust, dtype="float32")
    except Problem as problem:
        said = " ".join(f"refused: {problem}".split())
        return said.replace(str(folder), "MODEL").replace(transformers.__version__, "VERSION")
    cut = ChunkSpec(describe(str(folder)).limit.tokens or 512)
    ours = encoder.encode([split_texts(encoder.tokenizer, [text], cut)[0].ids[0] for text in TEXTS])
    try:
        theirs = reference(folder, TEXTS, trust=layout.trust)
    except Exception as error:  # noqa: BLE001 - any of a library's
        return f"not compared: sentence-transformers fails with {type(error).__name__}"
    if ours.shape != theirs.shape:
        return f"differs: {ours.shape[1]} dimensions, sentence-transformers gives {theirs.shape[1]}"
    worst = float((ours.astype(np.float64) * theirs).sum(1).min())
    return EQUAL if worst >= LEAST_COSINE else f"differs: cosine {worst:.4f}"


def reference(
    folder: Path, texts: list[str], *, trust: bool = False
) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """What `SentenceTransformer(folder).encode(texts)` gives, scaled to length 1; a text at a time."""
    from sentence_transformers import SentenceTransformer

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own affairs
        model = SentenceTransformer(
            str(folder), device="cpu", trust_remote_code=trust, model_kwargs={"dtype": torch.float32}
        )
        found = [
            model.encode([text], show_progress_bar=False, normalize_embeddings=True)[0] for text in texts
        ]
    return np.asarray(found, np.float64)
