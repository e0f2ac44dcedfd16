"""What vLLM computes as the torch engine does: by model type, pooling and layers. Measured, not assumed.

`tests/contract/test_vllm_types.py` compares the two on a tiny model of each type below. vLLM knows more types; one that
is not here goes to the torch engine, which gives the same vectors, more slowly.
"""

from tasks.models.description import Finding, ModelDescription, Normalize, PoolingMode
from tasks.models.own_code import equals_own_code

VLLM_POOLINGS: dict[PoolingMode, str] = {"mean": "MEAN", "cls": "CLS", "lasttoken": "LAST"}
VLLM_TYPES = frozenset(
    ("bert", "roberta", "xlm-roberta", "modernbert", "qwen2", "qwen3", "mistral", "llama", "gemma3_text")
)
OTHER_ENGINE = "write `engine: torch` (or `auto`) in the job file: it computes this model"


def vllm_findings(model: ModelDescription) -> list[Finding]:
    """Everything that vLLM does not know of a model, or computes otherwise; [] when it gives the same vectors."""
    modes = [mode for mode in model.pooling.modes if mode not in VLLM_POOLINGS]
    layers = [type(layer).__name__ for layer in model.layers if not isinstance(layer, Normalize)]
    what = [
        (model.model_type not in VLLM_TYPES, f"models of the type {model.model_type}"),
        (
            model.own_code.model is not None and not equals_own_code(model),
            "models with code of their own",
        ),
        (model.adapter is not None, "adapters beside a base model"),
        (bool(modes), f"the pooling {', '.join(modes)}"),
        (len(model.pooling.modes) > 1, f"the poolings {', '.join(model.pooling.modes)} in one vector"),
        (not model.pooling.include_prompt, "a pooling without the prompt (include_prompt: false)"),
        (bool(layers), f"layers after the pooling ({', '.join(dict.fromkeys(layers))})"),
        (bool(model.folder), f"a transformer in the folder {model.folder}"),
        (model.scaled_by_longest, "positions that are scaled by the longest text (rope_type longrope)"),
        (_reads_past_positions(model), "texts longer than the positions in config.json"),
    ]
    return [
        Finding(f"vLLM does not compute {one} as they are in {model.model}", OTHER_ENGINE)
        for wrong, one in what
        if wrong
    ]


def _reads_past_positions(model: ModelDescription) -> bool:
    limit = model.limit
    return limit.positions is not None and limit.tokens is not None and limit.tokens > limit.positions
