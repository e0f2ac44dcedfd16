"""How many tokens per second a GPU embeds, said before it is rented.

Two terms: the arithmetic of the transformer at the rate its kernels reach, and the host's work per text.

    F(s)             = 2 N_lin + 4 L d_attn s k             floating-point operations per token
    seconds per text = s F(s) / (e C) + h_engine + b s      for a text of s tokens

N_lin: weights outside the embeddings. d_attn: heads times head dimension. k: 1, or 0.5 when a token sees only
those before it; a layer with a window sees no further than that. C: the kernel ceiling of the GPU
(`pricing/gpu.py`). e: an engine that fuses its kernels and packs its texts reaches 0.83 of it, one that does
neither half as much. What this is worth on published figures, each judged by constants that never saw its
source, `python -m benchmarks.speed` says; hence a Speed is an interval.

It reads no disk and no clock. It does not know of quantised weights, of long attention on GPUs before
FlashAttention (sm80), or of a pipeline that starves the GPU: the published run of gte-Qwen2-7B on 406 L4 made
897 tokens/s each with one request under way at a time, where a fed engine makes 1,500 to 5,500 by what is here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, log

from launcher.throughput.spread import P90, Spread
from pricing.gpu import Gpu

HALF = ("float16", "bfloat16")
LARGE = 10**9  # parameters from which weights are published in half precision, where nothing else is known


@dataclass(frozen=True, slots=True)
class EngineCost:
    """What an engine costs beside the arithmetic. `efficiency` is the share of the half-precision ceiling it reaches."""

    host_seconds: float  # per text
    efficiency: float
    stored: bool = False  # computes in the dtype of the stored weights; else always in half precision


FUSED = 0.83  # share of the kernel ceiling (fit, docs/speed-model.md#constants)
# Unfused kernels and padding. Three sources, the median of each: TorchScript without padding 0.58 (T4, V100, A10,
# A100), sentence-transformers 0.39 (Qwen3-0.6B on L4, A10G, A100) and 0.27 (bge-large on L4). Their geometric mean.
EAGER = 0.40
EAGER_FP32 = 0.83  # in float32 the arithmetic takes so long that what is between the kernels is lost in it

# Host costs per text are of the fit (docs/speed-model.md). Our torch engine has no published point: it shares its
# tokenizer and its Python loop with sentence-transformers, and takes its figures until `bench` measures it.
ENGINES: Mapping[str, EngineCost] = {
    "vllm": EngineCost(0.70e-3, FUSED),
    "tei": EngineCost(0.05e-3, FUSED),
    "sentence-transformers": EngineCost(0.19e-3, EAGER, stored=True),
    "torch": EngineCost(0.19e-3, EAGER),
}

TOKEN_SECONDS = 0.16e-6  # host seconds per token: tokenizing and copying (fit, docs/speed-model.md#constants)

# Sigma of a log-normal. The constants fitted anew with a whole source left out err by a factor of 1.47 rms on it (23
# points, `benchmarks/speed.py`). That is known from four sources only, so P90 lies 1.64 of it away and not 1.28
# (Student's t with 3 degrees of freedom): 1.47 ** (1.64 / 1.28) is 1.64, and a little more for the next engine.
FACTOR = 1.65
FP32_FACTOR = 1.2  # what a float32 ceiling may be off by: all are derived


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What speed and memory ask of a model."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    glu: bool  # the feed-forward block has three matrices, not two
    linear_params: int  # weights every token passes through: no embeddings, one path of a mixture
    params_total: int  # what has to fit in memory
    max_tokens: int
    dimensions: int
    pooling: str | None  # mean, cls, last, ...; None where the model does not say
    causal: bool
    source: str
    window: int = 0  # tokens that a layer with a window sees, itself in the middle or at the end
    local_layers: int = 0  # layers with a window; the others see everything
    stored: str | None = None  # dtype of the published weights; None: not known here
    matryoshka: str | None = None  # shorter vectors it was trained for, as its maker lists them

    @property
    def attention_width(self) -> int:
        return self.heads * self.head_dim


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second of one GPU, with its spread and where it came from."""

    model: str
    gpu: str
    engine: str
    tokens_per_second: Spread  # per GPU
    share_of_ceiling: float | None  # useful arithmetic over the kernel ceiling; None where that is unknown
    source: str


def predict(
    shape: ModelShape, gpu: Gpu, engine: str, lengths: Sequence[tuple[float, float]], dtype: str | None = None
) -> Speed | None:
    """The speed of a model on a GPU over texts of these lengths, or None when the GPU has no known ceiling.

    `lengths` are (share of the texts, tokens in each) pairs, after truncation; shares need not add up to 1.
    `dtype` is float32 or a half; None takes what the engine would.
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
    return Speed(
        model=shape.name,
        gpu=gpu.name,
        engine=engine,
        tokens_per_second=spread_about(tokens / seconds, _factor(gpu, precise=precise)),
        share_of_ceiling=flops / seconds / (ceiling * 1e12),
        source=f"predicted: {'float32 ' if precise else ''}ceiling {ceiling:g} TFLOPS ({where})",
    )


def seconds_per_text(
    shape: ModelShape,
    gpu: Gpu,
    engine: str,
    lengths: Sequence[tuple[float, float]],
    dtype: str | None = None,
    engines: Mapping[str, EngineCost] = ENGINES,
) -> float | None:
    """The sum of both terms over the mix, in units of its shares. None: the GPU has no known ceiling."""
    if engine not in engines:
        raise ValueError(f"no host cost for engine {engine!r}; there is {', '.join(engines)}")
    if sum(share * s for share, s in lengths) <= 0 or any(share < 0 or s < 0 for share, s in lengths):
        raise ValueError(f"no tokens in lengths {list(lengths)}")
    cost = engines[engine]
    if computes(shape, engine, dtype) == "float32":
        ceiling, efficiency = gpu.fp32_ceiling_tflops, EAGER_FP32
    else:
        ceiling, efficiency = gpu.ceiling_tflops, cost.efficiency
    if ceiling is None:
        return None
    flops = sum(share * s * flops_per_token(shape, s) for share, s in lengths)
    host = sum(share * (cost.host_seconds + TOKEN_SECONDS * s) for share, s in lengths)
    return flops / (efficiency * ceiling * 1e12) + host


def computes(shape: ModelShape, engine: str, dtype: str | None = None) -> str:
    """`float32` or `half`: what was asked for, else what the engine does by itself with this model."""
    if dtype is not None:
        return "half" if dtype in (*HALF, "half") else "float32"
    if not ENGINES[engine].stored or shape.stored in HALF:
        return "half"
    # Where nobody says how the weights are stored, small models are taken to be in float32 and large ones not.
    return "half" if shape.stored is None and shape.params_total >= LARGE else "float32"


def flops_per_token(shape: ModelShape, tokens: float) -> float:
    """F(s) for texts of `tokens` tokens; attention grows with the length, the rest does not."""
    half = 0.5 if shape.causal else 1.0
    wide = (shape.layers - shape.local_layers) * tokens * half
    # A window behind a token is seen whole once there is so much behind it: at most half the text on average.
    near = shape.local_layers * min(tokens * half, float(shape.window)) if shape.local_layers else 0.0
    return 2 * shape.linear_params + 4 * shape.attention_width * (wide + near)


def mean_flops(shape: ModelShape, lengths: Sequence[tuple[float, float]]) -> float | None:
    """Operations for a token of this mix of texts; padding is none of them. None of no tokens."""
    tokens = sum(share * s for share, s in lengths)
    return sum(share * s * flops_per_token(shape, s) for share, s in lengths) / tokens if tokens else None


def _factor(gpu: Gpu, *, precise: bool) -> float:
    """The error of the model and that of the ceiling together; they have nothing to do with each other."""
    return exp(hypot(log(FACTOR), log(FP32_FACTOR if precise else gpu.ceiling_factor)))


def spread_about(mid: float, factor: float = FACTOR) -> Spread:
    """The P10 and P90 about a median whose error is `factor` rms; a measured speed has a smaller one."""
    width = exp(P90 * log(factor))
    return Spread(low=mid / width, mid=mid, high=mid * width)
