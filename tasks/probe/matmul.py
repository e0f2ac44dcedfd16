"""Measure the matmul ceiling: floating-point operations per second of large square matrix products on this machine.

It is the best of short repeats over several sizes, in the dtype that the engine computes in, on the threads or the GPU
that it uses, by torch, with which most engines multiply. It is not the peak of a data sheet, nor what the kernels of a
transformer reach (their matrices are smaller, and they do more than multiply), nor what a GPU that throttles sustains
for hours. An engine stays below it: a share above 1 is a measuring mistake.

Knows no model and no engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

CPU_SIZES = (512, 1_024, 2_048, 4_096)  # rows and columns
GPU_SIZES = (2_048, 4_096, 8_192, 16_384)
MIN_REPEATS = (
    2  # of one size, however slow the machine: the best of one repeat says nothing on a busy machine
)
LEAST_REPEAT_SECONDS = (
    0.005  # of one repeat on a GPU, so that clock resolution and kernel launch do not matter
)
MEMORY_FRACTION = 4  # the matrices of one size may take a fourth of the free memory


@dataclass(frozen=True, slots=True)
class MatmulCeiling:
    """The best repeat: floating-point operations per second, and the size of its matrices."""

    flops_per_second: float
    size: int
    repeats: int  # of all sizes


def measure(
    device: str, dtype: str, seconds: float = 1.5, clock: Callable[[], float] = perf_counter
) -> MatmulCeiling | None:
    """Measure a device (`cpu` or `cuda`) in a dtype, named as torch names it, for about so many seconds.

    None: no size could be tried. `clock` times the repeats on a CPU; a GPU times them itself.
    """
    kind: torch.dtype = getattr(torch, dtype)
    sizes = CPU_SIZES if device == "cpu" else GPU_SIZES
    end = clock() + seconds
    best: MatmulCeiling | None = None
    repeats = 0
    for left, size in zip(range(len(sizes), 0, -1), sizes, strict=True):
        now = clock()
        # A repeat of the next size takes eight times as long: one that cannot end in time is not begun.
        products = 1 + MIN_REPEATS  # the first is not timed
        if best and (now >= end or products * 2 * size**3 / best.flops_per_second > end - now):
            break
        if device != "cpu" and MEMORY_FRACTION * 3 * size**2 * kind.itemsize > torch.cuda.mem_get_info()[0]:
            break
        rates = _rates(device, kind, size, (end - now) / left, clock)
        repeats += len(rates)
        fastest = max(rates)
        if best is None or fastest > best.flops_per_second:
            best = MatmulCeiling(fastest, size, repeats)
    return best and MatmulCeiling(best.flops_per_second, best.size, repeats)


@torch.inference_mode()
def _rates(
    device: str, kind: torch.dtype, size: int, seconds: float, clock: Callable[[], float]
) -> list[float]:
    """Operations per second of each repeat of one size, over so many seconds after the first.

    At least MIN_REPEATS of them; without any time one.
    """
    one, other = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(one)

    def once(count: int) -> float:
        """Seconds that so many products took."""
        if device == "cpu":
            start = clock()
            for _ in range(count):
                torch.matmul(one, other, out=out)
            return clock() - start
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        for _ in range(count):
            torch.matmul(one, other, out=out)
        ended.record()
        ended.synchronize()
        return begun.elapsed_time(ended) / 1_000

    once(1)  # the first allocates and chooses its kernel
    until = clock() + seconds
    first = once(1)
    count = 1 if device == "cpu" else max(1, round(LEAST_REPEAT_SECONDS / max(first, 1e-6)))
    rates = [2 * size**3 / first]
    while clock() < until or (seconds > 0 and len(rates) < MIN_REPEATS):
        rates.append(count * 2 * size**3 / once(count))
    return rates
