"""How many tokens per second a GPU embeds, said before it is rented.

Two terms: the arithmetic of the transformer at the rate its kernels reach, and the host's work per text.

    F(s)             = 2 N_lin + 4 L d_attn s k             floating-point operations per token
    seconds per text = s F(s) / (e C) + h_engine + b s      for a text of s tokens

N_lin: weights outside the embeddings. d_attn: heads times head dimension. k: 1, or 0.5 when a token sees only
those before it. C: the measured kernel ceiling of the GPU (`pricing/gpu.py`). The constants below come from a
fit on 33 published service points: median error 18 %, 32 % when a whole source is left out, where one share
of peak for all GPUs gives 54 % (design, section 5). Hence a Speed is an interval.

It reads no disk and no clock. It does not know of windowed attention (ModernBERT, Gemma: it overstates the
cost of texts far above 1,000 tokens), of float32 or quantised weights, of padding (published half-precision
figures of sentence-transformers are 0.34 to 0.74 of what it says), or of a pipeline that starves the GPU (the
published run of gte-Qwen2-7B on L4 made 897 tokens/s where it says 2,880).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from pricing.gpu import Gpu

# Share of the kernel ceiling that a fused engine reaches on a stream of texts (fit, DESIGN 5).
EFFICIENCY = 0.83

# Host seconds per text (fit, DESIGN 5). Our torch engine has no published point: it shares its tokenizer and
# its Python loop with sentence-transformers, and takes its figure until `bench` measures it.
HOST_SECONDS: dict[str, float] = {
    "vllm": 0.70e-3,
    "tei": 0.05e-3,
    "sentence-transformers": 0.19e-3,
    "torch": 0.19e-3,
}

TOKEN_SECONDS = 0.16e-6  # host seconds per token: tokenizing and copying (fit, DESIGN 5)

# The error of the fit with a whole source left out is a factor of 1.78 rms: sigma of a log-normal.
FACTOR = 1.78
P90 = 1.2816  # standard deviations from the median to the 90th percentile of a normal


@dataclass(frozen=True, slots=True)
class Shape:
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

    @property
    def attention_width(self) -> int:
        return self.heads * self.head_dim


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure and the range it lies in 8 times out of 10: low is P10, mid P50, high P90."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second of one GPU, with its spread and where it came from."""

    model: str
    gpu: str
    engine: str
    tokens_per_second: Spread  # per GPU
    share_of_ceiling: float | None  # useful arithmetic over the kernel ceiling; None where that is unknown
    source: str


def predict(shape: Shape, gpu: Gpu, engine: str, lengths: Sequence[tuple[float, float]]) -> Speed | None:
    """The speed of a model on a GPU over texts of these lengths, or None when the GPU has no known ceiling.

    `lengths` are (share of the texts, tokens in each) pairs, after truncation; shares need not add up to 1.
    """
    if engine not in HOST_SECONDS:
        raise ValueError(f"no host cost for engine {engine!r}; there is {', '.join(HOST_SECONDS)}")
    tokens = sum(share * s for share, s in lengths)
    if tokens <= 0 or any(share < 0 or s < 0 for share, s in lengths):
        raise ValueError(f"no tokens in lengths {list(lengths)}")
    if gpu.ceiling_tflops is None:
        return None
    ceiling = gpu.ceiling_tflops * 1e12
    flops = sum(share * s * flops_per_token(shape, s) for share, s in lengths)
    host = sum(share * (HOST_SECONDS[engine] + TOKEN_SECONDS * s) for share, s in lengths)
    seconds = flops / (EFFICIENCY * ceiling) + host
    return Speed(
        model=shape.name,
        gpu=gpu.name,
        engine=engine,
        tokens_per_second=spread(tokens / seconds),
        share_of_ceiling=flops / seconds / ceiling,
        source=f"predicted: ceiling {gpu.ceiling_tflops:g} TFLOPS ({gpu.ceiling_source})",
    )


def flops_per_token(shape: Shape, tokens: float) -> float:
    """F(s) for texts of `tokens` tokens; attention grows with the length, the rest does not."""
    seen = 0.5 if shape.causal else 1.0
    return 2 * shape.linear_params + 4 * shape.layers * shape.attention_width * tokens * seen


def spread(mid: float, factor: float = FACTOR) -> Spread:
    """The P10 and P90 about a median whose error is `factor` rms; a measured speed has a smaller one."""
    width = exp(P90 * log(factor))
    return Spread(low=mid / width, mid=mid, high=mid * width)
