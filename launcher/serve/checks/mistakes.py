"""The known ways to embed a text wrongly, each computed here: the one that gives a server's vectors is named."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launcher.documents.serve_check import Diagnosis
from launcher.serve.checks.sampled_texts import SampledText
from launcher.vectors.query_encoder import RunEncoder, query_prompt
from tasks.engines.base import truncate_dimensions
from tasks.models.description import POOLING_MODES
from tasks.models.tokenizing.pieces import piece_limit

Floats = NDArray[np.float32]
LONGEST = 4_096  # tokens of an uncut text that is computed here


@dataclass(frozen=True, slots=True)
class _Mistake:
    name: str
    what: str
    hint: str
    pieces: Callable[[RunEncoder, SampledText], list[int] | None]  # None: this text would not show it
    pooling: str | None = None


def diagnose(
    texts: Sequence[SampledText], found: Floats, stored: Floats, encoder: RunEncoder, *, least: float
) -> tuple[Diagnosis, ...]:
    """What explains rows that differ, the mistake that explains most of them first. None: no known mistake does."""
    if found.shape[1] != stored.shape[1]:
        return (_dimensions(found, stored, least),)
    out: list[Diagnosis] = []
    for mistake in _mistakes(encoder):
        shown = [(row, ids) for row, text in enumerate(texts) if (ids := mistake.pieces(encoder, text))]
        if not shown:
            continue
        vectors = _encode(encoder, [ids for _, ids in shown], mistake.pooling)
        if vectors is None:
            continue
        theirs = found[[row for row, _ in shown]]
        lengths = np.linalg.norm(theirs, axis=1) * np.linalg.norm(vectors, axis=1)
        cosines = (theirs * vectors).sum(1) / np.where(lengths > 0, lengths, np.inf)
        explains = int((cosines >= min(least, 0.999)).sum())
        if explains:
            out.append(
                Diagnosis(
                    name=mistake.name, explains=explains, of=len(texts), what=mistake.what, hint=mistake.hint
                )
            )
    best: dict[tuple[str, str], Diagnosis] = {}
    for one in sorted(out, key=lambda one: -one.explains):
        best.setdefault((one.name, one.what), one)
    return tuple(best.values())


def _dimensions(found: Floats, stored: Floats, least: float) -> Diagnosis:
    theirs, ours = found.shape[1], stored.shape[1]
    what, hint = f"the server gives {theirs} dimensions, and the run has {ours}", "serve the run's model"
    explains = 0
    if theirs > ours:
        cosines = (truncate_dimensions(found, ours) * stored).sum(1)
        explains = int((cosines >= least).sum())
        if explains:
            what += "; its leading ones are the run's"
            hint = f'send "dimensions": {ours} (vLLM: --hf-overrides \'{{"is_matryoshka": true}}\')'
    return Diagnosis(name="wrong dimensions", explains=explains, of=len(found), what=what, hint=hint)


def _mistakes(encoder: RunEncoder) -> Iterator[_Mistake]:
    limit, prompt = encoder.limit, encoder.header.prompt
    yield _Mistake(
        "no truncation",
        f"texts are not cut at {limit:,} tokens",
        f'send "truncate_prompt_tokens": {limit} to vLLM, or start it with --max-model-len {limit} and cut texts',
        lambda run, text: _uncut(run, text, prompt),
    )
    yield _Mistake(
        "wrong truncation side",
        "long texts lose their beginning, and those of the run their end",
        'send "truncation_side": "right", or leave it out',
        lambda run, text: _other_side(run, text, prompt),
    )
    yield _Mistake(
        "wrong truncation side",
        "long texts lose their beginning, and those of the run their end",
        'set "truncation_side": "right" in tokenizer_config.json of the served model',
        lambda run, text: _other_side(run, text, prompt, special=True),
    )
    yield _Mistake(
        "end token cut off",
        "long texts are cut through the special token at their end",
        'cut before special tokens are added: leave "truncation_side" out, or send token ids',
        lambda run, text: _end_cut(run, text, prompt),
    )
    yield _Mistake(
        "no special tokens",
        "texts have no special tokens",
        'send "add_special_tokens": true',
        lambda run, text: _bare(run, text, prompt),
    )
    query = query_prompt(encoder.header).text
    for name, other in (
        ("no prompt", ""),
        ("the prompt for queries", query),
        ("the prompt twice", prompt * 2),
    ):
        if other != prompt:
            yield _Mistake(
                "wrong prompt",
                f"texts have {name}, and those of the run begin with {prompt!r}",
                f"put {prompt!r} before each document, once, and {query!r} before each query",
                lambda run, text, other=other: _with_prompt(run, text, other),
            )
    for mode in POOLING_MODES:
        yield _Mistake(
            "wrong pooling",
            f"vectors are pooled by {mode}",
            "give the pooling of modules.json: vLLM's --pooler-config, or a folder that has 1_Pooling/config.json",
            lambda run, text: _with_prompt(run, text, prompt),
            mode,
        )


def _encode(encoder: RunEncoder, ids: Sequence[list[int]], pooling: str | None) -> Floats | None:
    """The vectors, with another pooling where one is named; None: this engine cannot, or it is the model's own."""
    engine: Any = encoder.encoder
    prompt = encoder.header.prompt
    if pooling is None:
        try:
            return encoder.encode(ids, prompt)
        except ValueError:  # more tokens than the model has positions
            return None
    own = getattr(engine, "pooling", None)
    if own is None or pooling in own.modes or len(own.modes) != 1:
        return None
    engine.pooling = replace(own, modes=(pooling,))
    try:
        return encoder.encode(ids, prompt)
    finally:
        engine.pooling = own


def _all(encoder: RunEncoder, text: SampledText, prompt: str) -> list[int]:
    """All ids of a text with its prompt, without special tokens."""
    return encoder.encoder.tokenizer.ids([prompt + text.text])[0]


def _edges(encoder: RunEncoder) -> tuple[list[int], list[int]]:
    return list(encoder.encoder.tokenizer.prefix_ids), list(encoder.encoder.tokenizer.suffix_ids)


def _long(encoder: RunEncoder, ids: Sequence[int]) -> bool:
    before, after = _edges(encoder)
    return len(ids) + len(before) + len(after) > encoder.limit


def _uncut(encoder: RunEncoder, text: SampledText, prompt: str) -> list[int] | None:
    ids = _all(encoder, text, prompt)
    if not _long(encoder, ids):
        return None
    before, after = _edges(encoder)
    most = min(LONGEST, piece_limit(encoder.header.model, None))
    return [*before, *ids[: most - len(before) - len(after)], *after]


def _other_side(
    encoder: RunEncoder, text: SampledText, prompt: str, *, special: bool = False
) -> list[int] | None:
    """The end of a long text. `special`: special tokens stay; else they are part of what is cut, as vLLM does it."""
    ids = _all(encoder, text, prompt)
    if not _long(encoder, ids):
        return None
    before, after = _edges(encoder)
    if special:
        return [*before, *ids[-(encoder.limit - len(before) - len(after)) :], *after]
    return [*before, *ids, *after][-encoder.limit :]


def _end_cut(encoder: RunEncoder, text: SampledText, prompt: str) -> list[int] | None:
    ids = _all(encoder, text, prompt)
    if not _long(encoder, ids):
        return None
    before, after = _edges(encoder)
    return [*before, *ids, *after][: encoder.limit]


def _bare(encoder: RunEncoder, text: SampledText, prompt: str) -> list[int] | None:
    ids = _all(encoder, text, prompt)
    return ids[: encoder.limit] if any(_edges(encoder)) and ids else None


def _with_prompt(encoder: RunEncoder, text: SampledText, prompt: str) -> list[int] | None:
    return list(encoder.pieces([text.text], prompt)[0].ids[0]) or None
