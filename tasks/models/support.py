"""Which engine computes a model; why another does not, and how to convert what none does.

Known from the description alone, so a plan says it before a machine is rented. What only the weights show, an engine
refuses when it loads them.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Literal

from tasks.models.description import Dense, Finding, LayerNorm, ModelDescription
from tasks.models.files import DAMAGED
from tasks.models.own_code import equals_own_code, trust_hint
from tasks.models.packed_support import packed_findings
from tasks.models.vllm_support import vllm_findings

Engine = Literal["torch", "vllm", "packed", "openvino"]
# The faster first, as far as measured: packed has not been measured on a GPU, so it works where a job names it.
ENGINES: tuple[Engine, ...] = ("vllm", "torch", "packed")
# Engines that compute on a CPU alone. Machines are rented for their GPUs, so none of these is planned for them.
CPU_ENGINES: tuple[Engine, ...] = ("openvino",)
# Types of transformers whose model gives no state for each token.
WITHOUT_STATES = ("align", "blip", "chinese_clip", "clip", "dpr", "model2vec", "siglip")
EQUAL_TO_OWN_TOKENIZERS = ("tokenization_qwen.Qwen2Tokenizer", "tokenization_qwen.Qwen2TokenizerFast")
IS_CAUSAL_SINCE = (5, 2)  # version of transformers that obeys `is_causal: false`


@cache
def transformers_version() -> str | None:
    """The version of transformers that is installed here; None where it is not."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes as long as a plan's prices

    try:
        return version("transformers")
    except PackageNotFoundError:
        return None


def check_supported(
    description: ModelDescription,
    engine: str,
    *,
    remote_code: bool = False,
    transformers_version: Callable[[], str | None] = transformers_version,
) -> list[Finding]:
    """Everything that keeps `engine` from computing the model exactly; [] when nothing does.

    `remote_code`: code from the model's own repository may run.
    """
    found = [
        *description.unsupported,
        *_type(description, remote_code=remote_code),
        *_own_code(description, remote_code=remote_code),
        *_weights(description),
        *_attention(description, transformers_version),
    ]
    if engine == "vllm":
        return [*found, *vllm_findings(description)]
    if engine == "openvino" and description.own_code.model and not equals_own_code(description):
        found.append(Finding("its own code is not converted for OpenVINO", "set `engine: torch`"))
    return [*found, *packed_findings(description)] if engine == "packed" else found


def _type(model: ModelDescription, *, remote_code: bool) -> list[Finding]:
    other = "name another embedding model"
    if model.model_type in WITHOUT_STATES and not model.unsupported:
        return [Finding(f"a model of the type {model.model_type} gives no states of tokens to pool", other)]
    if model.model_type is None and not model.unsupported and not (remote_code and model.own_code.model):
        return [Finding("its config.json names no model_type", other)]
    if model.quantization is not None:
        what = f"its weights are quantized ({model.quantization}), which no engine here computes"
        return [Finding(what, "name the model that it was made of")]
    return []


def _own_code(model: ModelDescription, *, remote_code: bool) -> list[Finding]:
    if remote_code:
        return []
    out: list[Finding] = []
    trust = trust_hint(model.model)
    own = model.own_code.model
    if own is not None and not equals_own_code(model):
        out.append(
            Finding(f"it comes with code of its own ({own}), which is not run unless you say so", trust)
        )
    own = model.own_code.tokenizer
    if own is not None and own.rpartition("--")[2] not in EQUAL_TO_OWN_TOKENIZERS:
        out.append(
            Finding(f"its tokenizer is code of its own ({own}), which is not run unless you say so", trust)
        )
    return out


def _weights(model: ModelDescription) -> list[Finding]:
    weights = model.weights
    out = [Finding(f"its weights are damaged: {what}", DAMAGED) for what in weights.damaged]
    if weights.missing:
        shown = ", ".join(weights.missing[:3])
        out.append(
            Finding(
                f"{len(weights.missing)} of {len(weights.files)} files of weights are missing: {shown}",
                DAMAGED,
            )
        )
    pickles = [*(weights.files if weights.format == "pickle" else ())]
    pickles += [
        f"{layer.path}/{layer.file}"
        for layer in model.layers
        if isinstance(layer, (Dense, LayerNorm)) and (layer.file or "").endswith(".bin")
    ]
    if pickles:
        what = f"its weights are pickles ({', '.join(pickles[:3])}), which can run code and are not read"
        out.append(Finding(what, model.conversion))
    if weights.format == "none" and model.adapter is None and not model.unsupported:
        others = f"; there are {', '.join(weights.others[:3])}" if weights.others else ""
        out.append(
            Finding(
                f"it has no weights in a format that is read here (safetensors){others}", model.conversion
            )
        )
    return out


def _attention(model: ModelDescription, transformers_version: Callable[[], str | None]) -> list[Finding]:
    """`is_causal: false` is obeyed by newer versions of transformers alone: known where it is installed."""
    if model.causal is not False:
        return []
    installed = transformers_version()
    if installed is None:
        return []
    numbers = tuple(int(n) for n in re.findall(r"\d+", installed)[:2])
    if numbers >= IS_CAUSAL_SINCE:
        return []
    return [
        Finding(
            f"its config.json says is_causal: false, which transformers {installed} does not obey",
            "pip install 'transformers>=5.2,<6'",
        )
    ]
