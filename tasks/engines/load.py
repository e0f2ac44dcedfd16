"""Load an engine: the only file that knows all engines. Each is imported when it is chosen."""

import importlib.util

from tasks.engines.base import Encoder, piece_limit
from tasks.engines.tokenizer import HASH_MODEL, load_tokenizer
from tasks.errors import Problem


class EngineUnavailable(Problem):
    """The chosen engine cannot run on this machine."""


def resolve_engine(engine: str, model: str) -> str:
    """Resolve `auto`: vllm when it is installed, else torch; hash for the hash model."""
    if engine != "auto":
        return engine
    if model == HASH_MODEL:
        return HASH_MODEL
    return "vllm" if importlib.util.find_spec("vllm") else "torch"


def load_encoder(
    engine: str,
    model: str,
    threads: int | None = None,
    *,
    remote_code: bool = False,
    tokens: int | None = None,
    dtype: str | None = None,
) -> Encoder:
    """Load a model and warm it up.

    Args:
        engine: auto, vllm, torch or hash.
        model: a local folder, a hub id, or `hash`.
        threads: CPU threads of an engine that computes on the CPU; None: its own default.
        remote_code: run code from the model's own folder.
        tokens: the longest piece that will come; None: the model's own maximum.
        dtype: what to compute in; None: what suits the hardware.

    Raises:
        EngineUnavailable: its libraries are not installed.
        BadModel: the model cannot be used.
    """
    encoder = _construct(resolve_engine(engine, model), model, threads, remote_code, tokens, dtype)
    if encoder.name == HASH_MODEL:
        return encoder
    word = encoder.tokenizer.ids(["a"])[0][:1]
    longest = piece_limit(model, min(256, tokens or 256))
    most = longest - len(encoder.tokenizer.prefix_ids) - len(encoder.tokenizer.suffix_ids)
    # The first calls compile and allocate: that is cold start, not work.
    encoder.encode(
        [
            [*encoder.tokenizer.prefix_ids, *word * n, *encoder.tokenizer.suffix_ids]
            for n in (1, most // 4, most)
            if n > 0
        ]
    )
    return encoder


def _construct(
    engine: str, model: str, threads: int | None, remote_code: bool, tokens: int | None, dtype: str | None
) -> Encoder:
    if engine == HASH_MODEL:
        from tasks.engines.hash_engine import HashEncoder  # noqa: PLC0415

        return HashEncoder()
    if engine not in ("torch", "vllm"):
        raise EngineUnavailable(f"no engine {engine!r}", hint="engines are auto, vllm, torch and hash")
    if importlib.util.find_spec(engine) is None:
        raise EngineUnavailable(
            f"the engine {engine} is not installed here",
            hint="pip install 'embedfleet[worker]' for torch; pip install vllm for vllm",
        )
    if engine == "vllm":
        from tasks.engines.vllm_engine import VllmEncoder  # noqa: PLC0415

        return VllmEncoder(
            model,
            load_tokenizer(model),
            piece_limit(model, tokens),
            threads,
            remote_code=remote_code,
            dtype=dtype,
        )
    from tasks.engines.torch_engine import TorchEncoder  # noqa: PLC0415

    return TorchEncoder(model, load_tokenizer(model), threads, remote_code=remote_code, dtype=dtype)
