"""How many floating-point operations a second this machine reaches on large square matrix products.

What it is: the best of short repeats over several sizes, in the dtype that the engine computes in and on the threads
or the GPU that it uses, by the library that most engines multiply with. What it is not: a peak of a data sheet; what
the kernels of a transformer reach, whose matrices are smaller and which do more than multiply; nor what a GPU that
is held back by its power or heat keeps up for hours. So an engine stays below it: a higher share than 1 is a mistake.

Knows no model and no engine.
"""

import time
from dataclasses import dataclass

import torch

CPU_SIZES = (512, 1_024, 2_048, 4_096)  # rows and columns
GPU_SIZES = (2_048, 4_096, 8_192, 16_384)
MIN_REPEATS = (
    2  # of one size, however slow the machine: the best of one repeat says nothing on a busy machine
)
LEAST_REPEAT_SECONDS = 0.005  # seconds of one repeat on a GPU: the clock and the launch must not show
MEMORY_FRACTION = 4  # of the free memory, the matrices of one size may take a fourth


@dataclass(frozen=True, slots=True)
class MatmulCeiling:
    """The best repeat: floating-point operations per second, and the size of its matrices."""

    flops_per_second: float
    size: int
    repeats: int  # of all sizes


def measure(device: str, dtype: str, seconds: float = 1.5) -> MatmulCeiling | None:
    """The ceiling of `cpu` or `cuda` in a dtype by torch's name of it, in about so many seconds.

    None: no size could be tried.
    """
    kind: torch.dtype = getattr(torch, dtype)
    sizes = CPU_SIZES if device == "cpu" else GPU_SIZES
    end = time.perf_counter() + seconds
    best: MatmulCeiling | None = None
    repeats = 0
    for left, size in zip(range(len(sizes), 0, -1), sizes, strict=True):
        now = time.perf_counter()
        # A larger size takes eight times as long a repeat: one that cannot end in time is not begun.
        products = 1 + MIN_REPEATS  # the first is not timed
        if best and (now >= end or products * 2 * size**3 / best.flops_per_second > end - now):
            break
        if device != "cpu" and MEMORY_FRACTION * 3 * size**2 * kind.itemsize > torch.cuda.mem_get_info()[0]:
            break
        rates = _rates(device, kind, size, (end - now) / left)
        repeats += len(rates)
        fastest = max(rates)
        if best is None or fastest > best.flops_per_second:
            best = MatmulCeiling(fastest, size, repeats)
    return best and MatmulCeiling(best.flops_per_second, best.size, repeats)


@torch.inference_mode()
def _rates(device: str, kind: torch.dtype, size: int, seconds: float) -> list[float]:
    """Operations per second of each repeat of one size, over so many seconds after the first.

    At least MIN_REPEATS of them; without any time one.
    """
    one, other = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(one)

    def once(count: int) -> float:
        """Seconds of so many products."""
        if device == "cpu":
            start = time.perf_counter()
            for _ in range(count):
                torch.matmul(one, other, out=out)
            return time.perf_counter() - start
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        for _ in range(count):
            torch.matmul(one, other, out=out)
        ended.record()
        ended.synchronize()
        return begun.elapsed_time(ended) / 1_000

    once(1)  # the first allocates and chooses its kernel
    until = time.perf_counter() + seconds
    first = once(1)
    count = 1 if device == "cpu" else max(1, round(LEAST_REPEAT_SECONDS / max(first, 1e-6)))
    rates = [2 * size**3 / first]
    while time.perf_counter() < until or (seconds > 0 and len(rates) < MIN_REPEATS):
        rates.append(count * 2 * size**3 / once(count))
    return rates
