"""Predict how many tokens per second a model embeds on a GPU, before the GPU is rented.

Three terms: the matrix products at the rate that the GPU sustains, the memory traffic of everything between them, and
the host's work per text.

    F(s)   = 2 N_lin + 4 L d_attn s k           floating-point operations per token
    device = s F(s) / (e C) + s L (v B + S) / W seconds for a text of s tokens
    host   = h + b s                            seconds for a text of s tokens
    seconds per text = device + host, or the longer of the two in an engine that overlaps them

N_lin: weights outside the embeddings. d_attn: heads times head dimension. k: 1, or 0.5 when a token attends only to
those before it (causal); a layer with a window attends no further than the window. C: the ceiling of the GPU, W: its
bandwidth (`pricing/gpu.py`). v: values that a layer reads and writes for a token, B: bytes that an engine moves for
each, several times as many where it does not fuse its kernels. S: bytes of attention scores, on GPUs without
FlashAttention. Small models do not fill a GPU because of v B and h: MiniLM reaches 2 % of an H200's ceiling.

`python -m benchmarks.speed` compares the predictions with published figures, each with constants fitted without its
source; because of those errors a Speed is an interval. P90 stays below what any transformer reached of the GPU's best
matrix product.

Pure. It does not cover quantized weights or a pipeline that starves the GPU: the published run of gte-Qwen2-7B on
406 L4 made 897 tokens/s each with one request in flight at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, log

from launcher.throughput.spread import P90, Spread
from pricing.gpu import Gpu

HALF_DTYPES = ("float16", "bfloat16")
LARGE_MODEL = 10**9  # parameters from which weights are assumed to be published in half precision


@dataclass(frozen=True, slots=True)
class EngineCost:
    """The cost of an engine, from the fit of `benchmarks/speed.py` (docs/speed-model.md#constants)."""

    host_seconds: float  # per text
    bytes_per_value: float  # of memory traffic, for each value that a layer reads or writes
    error_factor: float  # of the engine alone, one standard deviation
    stored: bool = False  # computes in the dtype of the stored weights; else always in half precision
    flash: bool = (
        False  # fuses by FlashAttention's kernels alone; without them it moves as much as unfused kernels
    )
    overlaps: bool = False  # the host prepares a batch while the device computes the one before it
    scores: bool = False  # attention is never FlashAttention's


# Share of C in the matrix products of a transformer (fit). Linear layers alone, measured by Vidur: 0.83 on H100, 0.86 on
# A40, 0.80 on A100.
MATRIX_EFFICIENCY = 0.77
FUSED_BYTES = 3.0  # 1.5 passes of 2 bytes over the values of a layer (fit)
UNFUSED_BYTES = 21.0  # a kernel for each operation, casts and padding included (fit)
SCORE_BYTES = (
    10.0  # per score, where attention writes its scores to memory (fit: two encoders at 8,192 tokens)
)

# vllm: in process, as our worker runs it. Its server of 2024 took 0.65 ms, by the same fit.
ENGINES: Mapping[str, EngineCost] = {
    "vllm": EngineCost(0.14e-3, FUSED_BYTES, 1.15),
    "tei": EngineCost(0.077e-3, FUSED_BYTES, 1.1),
    "sentence-transformers": EngineCost(0.13e-3, UNFUSED_BYTES, 1.15, stored=True),
    "torch": EngineCost(0.30e-3, UNFUSED_BYTES, 1.15),
    # Not measured. Bytes: a prototype without compiled parts made 685,286 tokens/s of bge-large on an H200 (texts of 98.5
    # tokens). Host: TEI's.
    "packed": EngineCost(0.077e-3, 5.0, 1.3, flash=True, overlaps=True),
}

TOKEN_SECONDS = 0.17e-6  # host seconds per token: copying and packing (fit)


@dataclass(frozen=True, slots=True)
class Constants:
    """What `benchmarks/speed.py` fits anew for each source that it leaves out."""

    engines: Mapping[str, EngineCost]
    matrix_efficiency: float = MATRIX_EFFICIENCY
    unfused_bytes: float = UNFUSED_BYTES
    score_bytes: float = SCORE_BYTES
    token_seconds: float = TOKEN_SECONDS


IN_USE = Constants(ENGINES)

# Sigma of a log-normal by the size of the model, beside the engine's own: errors of points whose source was left out of
# the fit (`benchmarks/speed.py`), P10 to P90 made to hold 75 to 90 % of them in each class. By weights of the layers.
SMALL, BASE, LARGE = 50 * 10**6, 200 * 10**6, 10**9
SIZE_ERRORS: Mapping[str, float] = {"small": 1.45, "base": 1.2, "large": 1.11, "billions": 1.3}
FP32_CEILING_FACTOR = 1.1  # error of a float32 ceiling: products of one size on one machine
# No speed of an engine is published on these: NVIDIA's before Ampere with an engine that wants FlashAttention, and AMD's.
UNTRIED_FACTOR = 1.3

MAX_SHARE_OF_PRODUCT = 0.85  # of the GPU's best matrix product; no transformer has been seen above it


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The facts of a model that its speed and its memory depend on."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    glu: bool  # the feed-forward block has three matrices, not two
    linear_params: (
        int  # weights that every token passes through: no embeddings, one path of a mixture of experts
    )
    params_total: int  # what has to fit in memory
    max_tokens: int
    dimensions: int
    pooling: str | None  # mean, cls, last, ...; None: the model does not say
    causal: bool
    source: str
    window: int = (
        0  # tokens that a layer with a window attends to, the token itself in the middle or at the end
    )
    local_layers: int = 0  # layers with a window; the others attend to everything
    stored: str | None = None  # dtype of the published weights; None: unknown
    matryoshka: str | None = None  # shorter vectors that it was trained for, as its maker lists them
    model_type: str | None = None  # of its config.json
    traits: str = ""  # words about its layout: known_layouts.py

    @property
    def attention_width(self) -> int:
        return self.heads * self.head_dim


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second of one GPU, with its spread and its source."""

    model: str
    gpu: str
    engine: str
    tokens_per_second: Spread  # per GPU
    share_of_ceiling: float | None  # useful arithmetic over the GPU's ceiling; None: unknown
    source: str
    bare: bool = False  # of the engine alone: a worker that also reads and writes keeps a part of it


def linear_params(
    layers: int, hidden: int, width: int, kv_width: int, intermediate: int, *, glu: bool
) -> int:
    """Weights of the matrices in all layers: queries and output, keys and values, feed-forward."""
    return layers * hidden * (2 * width + 2 * kv_width + (3 if glu else 2) * intermediate)


def predict(
    shape: ModelShape, gpu: Gpu, engine: str, lengths: Sequence[tuple[float, float]], dtype: str | None = None
) -> Speed | None:
    """The speed of a model on a GPU over texts of these lengths; None when the GPU has no known ceiling.

    `lengths` are (share of the texts, tokens in each) pairs, after truncation; shares need not add up to 1.
    `dtype` is float32 or a half-precision one; None: the engine's default.
    """
    seconds = seconds_per_text(shape, gpu, engine, lengths, dtype)
    if seconds is None:
        return None
    precise = computes(shape, engine, dtype) == "float32"
    ceiling = gpu.fp32_ceiling_tflops if precise else gpu.ceiling_tflops
    where = gpu.fp32_ceiling_source if precise else gpu.ceiling_source
    assert ceiling
    flops = sum(share * s * flops_per_token(shape, s) for share, s in lengths)
    tokens = sum(share * s for share, s in lengths)
    spread = spread_about(tokens / seconds, error_factor(shape, gpu, engine, precise=precise))
    limit = highest_speed(gpu, flops / tokens, precise=precise)
    return Speed(
        model=shape.name,
        gpu=gpu.name,
        engine=engine,
        tokens_per_second=Spread(spread.low, spread.mid, min(spread.high, limit)),
        share_of_ceiling=flops / seconds / (ceiling * 1e12),
        source=f"predicted: {'float32 ' if precise else ''}ceiling {ceiling:g} TFLOPS ({where})",
        bare=True,
    )


def highest_speed(gpu: Gpu, flops: float, *, precise: bool) -> float:
    """Tokens per second that no engine exceeds at `flops` operations per token; infinite for a GPU without a ceiling."""
    best = gpu.fp32_ceiling_tflops if precise else gpu.best_tflops
    return float("inf") if best is None else MAX_SHARE_OF_PRODUCT * best * 1e12 / flops


def seconds_per_text(
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    lengths: Sequence[tuple[float, float]],
    dtype: str | None = None,
    constants: Constants = IN_USE,
) -> float | None:
    """Seconds of device and host over the mix, weighted by its shares. None: the GPU has no known ceiling."""
    if engine not in constants.engines:
        raise ValueError(f"no host cost for engine {engine!r}; there is {', '.join(constants.engines)}")
    if sum(share * s for share, s in lengths) <= 0 or any(share < 0 or s < 0 for share, s in lengths):
        raise ValueError(f"no tokens in lengths {list(lengths)}")
    cost = constants.engines[engine]
    precise = computes(shape, engine, dtype) == "float32"
    ceiling = gpu.fp32_ceiling_tflops if precise else gpu.ceiling_tflops
    if ceiling is None or gpu.bandwidth_gb_s is None:
        return None
    flops = sum(share * s * flops_per_token(shape, s) for share, s in lengths)
    moved = sum(share * s * bytes_per_token(shape, gpu, cost, s, constants) for share, s in lengths)
    device = flops / (constants.matrix_efficiency * ceiling * 1e12) + moved / (gpu.bandwidth_gb_s * 1e9)
    host = sum(share * (cost.host_seconds + constants.token_seconds * s) for share, s in lengths)
    return max(device, host) if cost.overlaps else device + host


def bytes_per_token(
    shape: ModelShape, gpu: Gpu, cost: EngineCost, tokens: float, constants: Constants = IN_USE
) -> float:
    """Memory traffic between the matrix products for each token of a text of `tokens` tokens."""
    fused = not (cost.flash and gpu.before_ampere)
    each = cost.bytes_per_value if fused else max(cost.bytes_per_value, constants.unfused_bytes)
    writes = cost.scores or gpu.before_ampere
    scores = shape.heads * tokens * constants.score_bytes if writes else 0.0
    return shape.layers * (layer_values(shape) * each + scores)


def layer_values(shape: ModelShape) -> int:
    """Values that a layer reads and writes for a token: hidden states, queries, keys, values, output, feed-forward."""
    attention = 2 * shape.attention_width + 2 * shape.kv_heads * shape.head_dim
    return 4 * shape.hidden + attention + (3 if shape.glu else 2) * shape.intermediate


def computes(shape: ModelShape, engine: str, dtype: str | None = None) -> str:
    """`float32` or `half`: the dtype that is required, else the engine's default for this model."""
    if dtype is not None:
        return "half" if dtype in (*HALF_DTYPES, "half") else "float32"
    if not ENGINES[engine].stored or shape.stored in HALF_DTYPES:
        return "half"
    # When the dtype of the weights is unknown, small models are assumed to be float32 and large ones not.
    return "half" if shape.stored is None and shape.params_total >= LARGE_MODEL else "float32"


def flops_per_token(shape: ModelShape, tokens: float) -> float:
    """F(s) for texts of `tokens` tokens: attention grows with the length, the rest does not."""
    half = 0.5 if shape.causal else 1.0
    wide = (shape.layers - shape.local_layers) * tokens * half
    # A causal window is full once enough tokens precede: on average at most half the text does.
    near = shape.local_layers * min(tokens * half, float(shape.window)) if shape.local_layers else 0.0
    return 2 * shape.linear_params + 4 * shape.attention_width * (wide + near)


def mean_flops(shape: ModelShape, lengths: Sequence[tuple[float, float]]) -> float | None:
    """Floating-point operations per token of this mix of texts, without padding; None without tokens."""
    tokens = sum(share * s for share, s in lengths)
    return sum(share * s * flops_per_token(shape, s) for share, s in lengths) / tokens if tokens else None


def size_class(shape: ModelShape) -> str:
    """`small`, `base`, `large` or `billions`, by the weights that every token passes through."""
    named = (("small", SMALL), ("base", BASE), ("large", LARGE))
    return next((name for name, below in named if shape.linear_params < below), "billions")


def error_factor(
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    *,
    precise: bool,
    constants: Constants = IN_USE,
) -> float:
    """One standard deviation of a predicted speed, as a factor: size, engine and ceiling, which are independent."""
    untried = not precise and ((gpu.before_ampere and engine in ("vllm", "tei", "packed")) or gpu.amd)
    return exp(
        hypot(
            log(SIZE_ERRORS[size_class(shape)]),
            log(constants.engines[engine].error_factor),
            log(FP32_CEILING_FACTOR if precise else gpu.ceiling_factor),
            log(UNTRIED_FACTOR) if untried else 0.0,
        )
    )


def spread_about(mid: float, factor: float) -> Spread:
    """P10 and P90 about a median whose error is `factor`, one standard deviation of a log-normal."""
    width = exp(P90 * log(factor))
    return Spread(low=mid / width, mid=mid, high=mid * width)
