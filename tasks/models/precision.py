"""Reduced precision: weights and activations in fewer bits than bfloat16, which costs quality, and who computes it.

fp8: vLLM converts the weights of a bfloat16 model to 8-bit floats (e4m3) when it loads them, and the activations in
every layer. Its documentation asks for compute capability 8.9 (Ada, Hopper and newer); on older GPUs it computes in
bfloat16 on weights of 8 bits, which are other vectors at no gain of speed, so those are refused here.
int8 is none of them: vLLM 0.32 converts no dense weights to int8 on loading.
"""

from typing import Literal

Precision = Literal["fp8"]
PRECISIONS: tuple[Precision, ...] = ("fp8",)
LEAST_FP8_CAPABILITY = (8, 9)  # https://docs.vllm.ai/en/v0.32.0/features/quantization/llm_compressor/fp8/
PRECISION_ENGINE = "vllm"  # the one engine that computes in reduced precision
WEIGHT_BYTES = (
    1  # of a weight in fp8; vLLM materialises them layer by layer, so all of them are never in bfloat16
)


def capability_finding(capability: tuple[int, int] | None, gpu: str) -> str | None:
    """Why this GPU does not compute in fp8; None: it does. `capability` None: it is no NVIDIA GPU."""
    if capability is not None and capability >= LEAST_FP8_CAPABILITY:
        return None
    has = "is no such GPU" if capability is None else f"has {capability[0]}.{capability[1]}"
    return f"fp8 needs compute capability 8.9 (Ada, Hopper or newer); {gpu} {has}"
