"""Predict how many tokens per second a model embeds on a GPU, before the GPU is rented.

Two terms: the arithmetic of the transformer at the rate that kernels reach, and the host's work per text.

    F(s)             = 2 N_lin + 4 L d_attn s k             floating-point operations per token
    seconds per text = s F(s) / (e C) + h_engine + b s      for a text of s tokens

N_lin: weights outside the embeddings. d_attn: heads times head dimension. k: 1, or 0.5 when a token attends only to
those before it (causal); a layer with a window attends no further than the window. C: the kernel ceiling of the GPU
(`pricing/gpu.py`). e: an engine that fuses its kernels and packs its texts reaches 0.83 of it, one that does
neither half as much. `python -m benchmarks.speed` compares the predictions with published figures, each with constants
fitted without its source; because of those errors a Speed is an interval.

Pure. It does not cover quantized weights, long attention on GPUs before FlashAttention (sm80), or a pipeline that
starves the GPU: the published run of gte-Qwen2-7B on 406 L4 made
897 tokens/s each with one request in flight at a time, where a saturated engine is predicted to make 1,500 to 5,500.
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
    """The cost of an engine. `efficiency` is the share of the half-precision ceiling that it reaches."""

    host_seconds: float  # per text
    efficiency: float
    stored: bool = False  # computes in the dtype of the stored weights; else always in half precision
    flash: bool = False  # reaches it by FlashAttention alone; on GPUs without it, as much as unfused kernels


FUSED_EFFICIENCY = 0.83  # share of the kernel ceiling (fit, docs/speed-model.md#constants)
# Unfused kernels and padding. Three sources, the median of each: TorchScript without padding 0.58 (T4, V100, A10,
# A100), sentence-transformers 0.39 (Qwen3-0.6B on L4, A10G, A100) and 0.27 (bge-large on L4). Their geometric mean.
EAGER_EFFICIENCY = 0.40
FP32_EFFICIENCY = 0.83  # in float32 the arithmetic takes so long that the time between kernels does not count

# Host costs per text are of the fit (docs/speed-model.md). Our torch engine has no published point: it shares its
# tokenizer and its Python loop with sentence-transformers, and has its figures until `bench` measures it.
ENGINES: Mapping[str, EngineCost] = {
    "vllm": EngineCost(0.70e-3, FUSED_EFFICIENCY),
    "tei": EngineCost(0.05e-3, FUSED_EFFICIENCY),
    "sentence-transformers": EngineCost(0.19e-3, EAGER_EFFICIENCY, stored=True),
    "torch": EngineCost(0.19e-3, EAGER_EFFICIENCY),
    # Not measured: the share of other fused engines and TEI's host time. A prototype without tokenizing made 685,286
    # tokens/s of bge-large on an H200 (texts of 98.5 tokens); these say 544,000.
    "packed": EngineCost(0.05e-3, FUSED_EFFICIENCY, flash=True),
}

TOKEN_SECONDS = 0.16e-6  # host seconds per token: tokenizing and copying (fit, docs/speed-model.md#constants)

# Sigma of a log-normal. Constants fitted without a whole source are wrong by a factor of 1.47 rms on it (23 points,
# `benchmarks/speed.py`). That is known from four sources only, so P90 is 1.64 sigma away and not 1.28 (Student's t with
# 3 degrees of freedom): 1.47 ** (1.64 / 1.28) is 1.64, and a little more for the next engine.
ERROR_FACTOR = 1.65
FP32_CEILING_FACTOR = 1.2  # error of a float32 ceiling: all are derived, none is measured


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
    share_of_ceiling: float | None  # useful arithmetic over the kernel ceiling; None: unknown
    source: str


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
    """The sum of both terms over the mix, weighted by its shares. None: the GPU has no known ceiling."""
    if engine not in engines:
        raise ValueError(f"no host cost for engine {engine!r}; there is {', '.join(engines)}")
    if sum(share * s for share, s in lengths) <= 0 or any(share < 0 or s < 0 for share, s in lengths):
        raise ValueError(f"no tokens in lengths {list(lengths)}")
    cost = engines[engine]
    if computes(shape, engine, dtype) == "float32":
        ceiling, efficiency = gpu.fp32_ceiling_tflops, FP32_EFFICIENCY
    else:
        ceiling, efficiency = gpu.ceiling_tflops, cost.efficiency
        if cost.flash and gpu.before_ampere:
            efficiency = min(efficiency, EAGER_EFFICIENCY)
    if ceiling is None:
        return None
    flops = sum(share * s * flops_per_token(shape, s) for share, s in lengths)
    host = sum(share * (cost.host_seconds + TOKEN_SECONDS * s) for share, s in lengths)
    return flops / (efficiency * ceiling * 1e12) + host


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


def _factor(gpu: Gpu, *, precise: bool) -> float:
    """The errors of the model and of the ceiling together; they are independent."""
    return exp(hypot(log(ERROR_FACTOR), log(FP32_CEILING_FACTOR if precise else gpu.ceiling_factor)))


def spread_about(mid: float, factor: float = ERROR_FACTOR) -> Spread:
    """P10 and P90 about a median whose error is `factor` rms; a measured speed has a smaller one."""
    width = exp(P90 * log(factor))
    return Spread(low=mid / width, mid=mid, high=mid * width)
