"""Whether a model fits into a GPU, or into a slice of one, and in which dtype it is computed there.

    needs = weights + activations of a batch + the key-value cache of a decoder + the engine's own memory
    has   = memory of the slice x the share that the engine may fill

    weights      parameters x bytes of the dtype; in fp8 those of linear layers are 1 byte each
    activations  tokens in a batch x bytes x (4 hidden + the larger of the attention's and the feed-forward's rows)
    cache        keys and values of the longest text, in all layers: vLLM keeps them for a causal model

Layers run one after another, so activations are those of one layer. Attention scores are not stored: fused kernels
do not write them. Pure. A GPU's memory is its nominal one in 10^9 bytes, which is a little less than the true one.
"""

from dataclasses import dataclass

from launcher.throughput.predict import ENGINES, ModelShape, computes
from pricing.gpu import Gpu
from tasks.models.precision import WEIGHT_BYTES, Precision, capability_finding

# vLLM's gpu_memory_utilization was 0.9 by default for years (documentation of Red Hat's build, 3.1 to 3.4). That the
# other engines leave as much free for fragmentation is an assumption.
SHARE_USED = 0.9

# GB in use before the first weight is loaded: the CUDA context and libraries (about 0.5), and for vLLM its captured
# graphs and workspaces (about 0.5 more). Assumptions until a probe reports them.
BASE_GB = {"vllm": 1.0, "tei": 0.6, "sentence-transformers": 0.6, "torch": 0.6, "packed": 0.6}

# Tokens in a batch: vLLM's default for a GPU under 70 GB (recalled), 16,384 in our torch engine, 32,768 in packed.
# A bidirectional model cannot process a text in parts, so a batch holds at least one text of the greatest length.
BATCH_TOKENS = {
    "vllm": 8_192,
    "tei": 16_384,
    "sentence-transformers": 16_384,
    "torch": 16_384,
    "packed": 32_768,
}

# The least compute capability that the current builds of each engine run on. vLLM documented 7.0 up to 0.14 and 7.5 from
# 0.21 on, so V100 is out; TEI names Turing (7.5) as its oldest; torch still builds for 7.0 (CUDA 12.6).
LEAST_CAPABILITY = {"vllm": 7.5, "tei": 7.5, "sentence-transformers": 7.0, "torch": 7.0, "packed": 7.0}

# AMD's GPUs for which vLLM documents support (0.14): MI200, MI300, MI350. TEI on them is unknown here.
ROCM = ("gfx90a", "gfx942", "gfx950")
ROCM_ENGINES = ("vllm", "torch", "sentence-transformers")

# Models whose activations overflow in float16 (their makers say so: bfloat16 or float32).
NO_FLOAT16 = ("gemma3_text",)

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
GB = 1e9


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """Whether a model runs on a GPU. `reason` says why not; `note` says what of its speed is less certain, and why."""

    ok: bool
    dtype: str
    needs_gb: float
    has_gb: float
    reason: str | None = None
    note: str | None = None


def fit_model(
    shape: ModelShape,
    gpu: Gpu,
    share: float = 1.0,
    engine: str = "vllm",
    *,
    tokens: int | None = None,
    dtype: str | None = None,
    precision: Precision | None = None,
) -> MemoryFit:
    """Whether a model runs on this share of a GPU. `tokens` is the longest text, if below the model's maximum."""
    chosen, refused = _dtype(shape, gpu, engine, dtype)
    if refused is None and precision is not None:
        refused = capability_finding(capability_of(gpu), gpu.name)
    needs = needs_gb(shape, engine, chosen, tokens, precision)
    has = gpu.memory_gb * min(1.0, share) * SHARE_USED
    if refused is None and needs > has:
        part = "" if share >= 1 else f" in {share:g} of it"
        refused = f"needs {needs:.1f} GB in {precision or chosen}, {gpu.name} has {has:.1f} GB{part} to fill"
    return MemoryFit(
        ok=refused is None,
        dtype=chosen,
        needs_gb=needs,
        has_gb=has,
        reason=refused,
        note=_note(gpu, engine, chosen),
    )


def needs_gb(
    shape: ModelShape,
    engine: str,
    dtype: str,
    tokens: int | None = None,
    precision: Precision | None = None,
) -> float:
    """Weights, activations, cache and the engine's own memory, in GB (see the module's docstring)."""
    wide = BYTES[dtype]
    longest = min(tokens or shape.max_tokens, shape.max_tokens)
    batch = BATCH_TOKENS[engine] if shape.causal else max(BATCH_TOKENS[engine], longest)
    key_values = 2 * shape.kv_heads * shape.head_dim
    attention = 2 * shape.attention_width + key_values  # queries, keys, values and the output
    forward = (3 if shape.glu else 2) * shape.intermediate
    activations = batch * wide * (4 * shape.hidden + max(attention, forward))
    cache = shape.layers * key_values * wide * longest if engine == "vllm" and shape.causal else 0
    reduced = (
        0 if precision is None else shape.linear_params
    )  # one path of a mixture of experts: an upper bound
    weights = (shape.params_total - reduced) * wide + reduced * WEIGHT_BYTES
    return (weights + activations + cache) / GB + BASE_GB[engine]


def capability_of(gpu: Gpu) -> tuple[int, int] | None:
    """Major and minor number of an NVIDIA GPU's compute capability; None of any other."""
    major, _, minor = (gpu.compute_capability or "").partition(".")
    return (int(major), int(minor or 0)) if major.isdigit() else None


def _note(gpu: Gpu, engine: str, dtype: str) -> str | None:
    """What sets the speed on this GPU apart from the measured ones; None: nothing."""
    if gpu.amd:
        return f"no speed of {engine} was measured on GPUs of AMD"
    if not gpu.before_ampere:
        return None
    lacks = f"{gpu.name} has neither FlashAttention nor bfloat16"
    how = f"{dtype}, and attention by slower kernels, more so on long texts"
    known = "" if engine in ("torch", "sentence-transformers") else f"; {engine} was not measured on it"
    return f"{lacks}: {how}{known}"


def _dtype(shape: ModelShape, gpu: Gpu, engine: str, asked: str | None) -> tuple[str, str | None]:
    """The dtype that the model is computed in on this GPU, and why it cannot run there; None: it can."""
    if engine not in ENGINES:
        raise ValueError(f"no engine {engine!r}; there is {', '.join(ENGINES)}")
    half = "float16" if gpu.bf16_tflops is None or gpu.before_ampere else "bfloat16"
    kind = asked if asked in BYTES else ("float32" if computes(shape, engine, asked) == "float32" else half)
    capability = gpu.compute_capability
    if capability is None:
        return kind, f"{gpu.name} is no GPU: {engine} does not run there"
    if capability.startswith("gfx"):
        runs = capability in ROCM and engine in ROCM_ENGINES
        return kind, None if runs else f"{engine} is not known to run on {gpu.name} ({capability})"
    if float(capability) < LEAST_CAPABILITY[engine]:
        return (
            kind,
            f"{engine} needs compute capability {LEAST_CAPABILITY[engine]:g}, {gpu.name} has {float(capability):.1f}",
        )
    if kind == "bfloat16" and half != "bfloat16":
        return kind, f"{gpu.name} has no bfloat16 (compute capability {float(capability):.1f}, 8.0 has)"
    if kind == "float16" and shape.model_type in NO_FLOAT16:
        lacks = "" if half == "bfloat16" else f", and {gpu.name} has no bfloat16"
        return kind, f"{shape.name} overflows in float16{lacks}"
    return kind, None
