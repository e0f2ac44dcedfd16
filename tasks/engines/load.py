"""Load an engine: the only file that knows all engines. Each is imported when it is chosen."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tasks.engines.base import Encoder, EngineUnavailable, OutsideModel, plain_piece
from tasks.models.describe import describe
from tasks.models.description import ModelDescription
from tasks.models.files import HASH_MODEL, BadModel
from tasks.models.precision import PRECISION_ENGINE, Precision
from tasks.models.support import CPU_ENGINES, ENGINES, check_supported
from tasks.models.tokenizing.pieces import count_prompt_tokens
from tasks.models.tokenizing.reference_tokenizer import check_tokenizer
from tasks.models.tokenizing.tokenizer import ModelTokenizer

LoadStage = Literal["load", "compile", "warm_up"]
WARM_UP_TOKENS = 256  # of the longest piece that is embedded before the first text


def installed(engine: str) -> bool:
    """Whether this environment has the engine's library."""
    return importlib.util.find_spec(engine) is not None


def resolve_engine(
    engine: str,
    model: str | ModelDescription,
    *,
    remote_code: bool = False,
    installed: Callable[[str], bool] = installed,
) -> str:
    """Resolve `auto`: hash for the hash model, vllm when it is installed and computes the model, else torch."""
    if engine != "auto":
        return engine
    if model == HASH_MODEL:
        return HASH_MODEL
    if not installed("vllm"):
        return "torch"
    described = describe(model) if isinstance(model, str) else model
    return "torch" if check_supported(described, "vllm", remote_code=remote_code) else "vllm"


def missing_library(engine: str) -> str | None:
    """The library without which `engine` cannot run in this environment; None: it can. `auto` needs torch at least."""
    if engine == HASH_MODEL:
        return None
    libraries = {"auto": ("torch",), "packed": ("torch",), "openvino": ("torch", "openvino")}.get(
        engine, (engine,)
    )
    return next((library for library in libraries if not installed(library)), None)


def load_encoder(
    engine: str,
    model: str,
    threads: int | None = None,
    *,
    remote_code: bool = False,
    tokens: int | None = None,
    dtype: str | None = None,
    prompt: str | None = None,
    revision: str | None = None,
    precision: Precision | None = None,
    on_stage: Callable[[LoadStage], None] = lambda _stage: None,
) -> Encoder:
    """Load a model and warm it up.

    Args:
        engine: auto, vllm, torch, packed, openvino or hash.
        model: a local folder, a hub id, or `hash`.
        threads: CPU threads of an engine that computes on the CPU; None: its own default.
        remote_code: run code from the model's own folder.
        tokens: the longest piece that will come; None: the model's own maximum.
        dtype: what to compute in; None: what suits the hardware.
        prompt: what stands before each text, for models that leave it out of their pooling; None: their default.
        revision: of a hub id.
        precision: of weights and activations; None: as exact as `dtype`.
        on_stage: called when it begins to load, to compile where it does, and to warm up.

    Raises:
        EngineUnavailable: its libraries are not installed.
        BadModel: the model cannot be used, or this engine would compute other vectors than it was trained to give.
    """
    on_stage("load")
    if precision is None and (engine == HASH_MODEL or (engine == "auto" and model == HASH_MODEL)):
        from tasks.engines.hash_engine import HashEncoder  # noqa: PLC0415

        return HashEncoder()
    _check_known_engine(engine)
    if precision is not None:
        engine = _engine_of(precision, engine)
    described = describe(model, revision)
    name = _engine_that_computes(engine, described, remote_code=remote_code)
    tokenizer = ModelTokenizer(described)
    check_tokenizer(described, tokenizer, remote_code=remote_code)
    longest = _longest(described, tokens)
    encoder: Encoder
    if name == "vllm":
        from tasks.engines.vllm_engine import VllmEncoder  # noqa: PLC0415

        encoder = VllmEncoder(described, tokenizer, longest, threads, dtype=dtype, precision=precision)
    else:
        skipped = 0 if described.pooling.include_prompt else count_prompt_tokens(tokenizer, prompt)
        how = _How(threads, remote_code, dtype, skipped, on_stage)
        encoder = _with_transformers(name, described, tokenizer, how)
    on_stage("warm_up")
    _warm_up(encoder, described.model, longest)
    return encoder


def _check_known_engine(engine: str) -> None:
    known = (*ENGINES, *CPU_ENGINES)
    if engine not in ("auto", *known):
        raise EngineUnavailable(
            f"no engine {engine!r}", hint=f"engines are auto, {', '.join(known)} and hash"
        )


def _engine_that_computes(engine: str, model: ModelDescription, *, remote_code: bool) -> str:
    """The name of the engine, with `auto` resolved; nothing is loaded.

    Raises:
        EngineUnavailable: its libraries are not installed.
        BadModel: it does not compute this model exactly.
    """
    name = resolve_engine(engine, model, remote_code=remote_code)
    if missing_library(name):
        raise EngineUnavailable(
            f"the engine {name} is not installed here",
            hint="pip install 'embedfleet[worker]' for torch and packed, 'embedfleet[openvino]' for openvino; "
            "pip install vllm for vllm",
        )
    for finding in check_supported(model, name, remote_code=remote_code):
        raise BadModel(finding.what, hint=finding.hint)
    return name


@dataclass(frozen=True, slots=True)
class _How:
    """How an engine over transformers computes; see `load_encoder`."""

    threads: int | None
    remote_code: bool
    dtype: str | None
    prompt_tokens: int  # that the pooling leaves out
    on_stage: Callable[[LoadStage], None]


def _with_transformers(name: str, model: ModelDescription, tokenizer: ModelTokenizer, how: _How) -> Encoder:
    """Load an engine that takes the model from transformers.

    Raises:
        OtherVectors: packed or openvino does not give the vectors of torch.
    """
    more: dict[str, Any] = {
        "remote_code": how.remote_code,
        "dtype": how.dtype,
        "prompt_tokens": how.prompt_tokens,
    }
    if name == "packed":
        from tasks.engines.packed.packed_engine import PackedEncoder  # noqa: PLC0415

        packed = PackedEncoder(model, tokenizer, how.threads, **more)
        if packed.kernel:  # a CPU gains less than a tenth, and pays for it at each start
            how.on_stage("compile")
            packed.compile()
            if packed.not_compiled:
                print(f"packed: layers are not compiled: {packed.not_compiled}", file=sys.stderr)  # noqa: T201 - a log
        return packed
    if name == "openvino":
        from tasks.engines.openvino_engine import OpenVinoEncoder  # noqa: PLC0415

        return OpenVinoEncoder(model, tokenizer, how.threads, **more)
    from tasks.engines.torch_engine import TorchEncoder  # noqa: PLC0415

    return TorchEncoder(model, tokenizer, how.threads, **more)


def _engine_of(precision: Precision, engine: str) -> str:
    """The engine that computes in this precision.

    Raises:
        EngineUnavailable: another one is asked for.
    """
    if engine not in ("auto", PRECISION_ENGINE):
        raise EngineUnavailable(
            f"{precision} is computed by the engine {PRECISION_ENGINE} alone, not by {engine}",
            hint=f"write `engine: {PRECISION_ENGINE}` in the job file, or leave out `precision`",
        )
    return PRECISION_ENGINE


def _longest(model: ModelDescription, tokens: int | None) -> int:
    """The longest piece: the caller's, at most the model's own maximum."""
    known = [limit for limit in (tokens, model.limit.tokens) if limit is not None]
    if not known:
        raise BadModel(
            f"nothing in {model.model} says how long a text may be", hint="set `truncate:` in the job file"
        )
    return min(known)


def _warm_up(encoder: Encoder, model: str, longest: int) -> None:
    """Embed three pieces: the first calls compile and allocate, which is cold start and not work.

    Raises:
        BadModel: a plain word has no finite vector, or is none to the model, so no text would have one.
    """
    most = min(longest, WARM_UP_TOKENS) + 1 - len(plain_piece(encoder))
    if most < 1:
        raise BadModel(
            f"texts of {longest} tokens leave no room for a text beside the prompt and special tokens",
            hint="raise `truncate` or `chunk.tokens`, or shorten the prompt",
        )
    try:
        found = encoder.encode([plain_piece(encoder, n) for n in (1, most // 4, most) if n > 0])
    except OutsideModel as error:
        raise BadModel(
            f"{model} and its tokenizer do not fit: a plain word has {error}",
            hint="the tokenizer is of another model: download the folder again, or name another model",
        ) from error
    if not np.isfinite(found).all():
        raise BadModel(
            f"{model} gives no finite vector for a plain word, computed in {encoder.dtype} by {encoder.name}",
            hint="its weights hold NaN, or numbers too large for this dtype: download it again, or name another model",
        )
