from dataclasses import replace
from math import exp, isclose, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import (
    ENGINES,
    ERROR_FACTOR,
    FUSED_EFFICIENCY,
    Speed,
    computes,
    flops_per_token,
    predict,
    spread_about,
)
from pricing.gpu import Gpu, gpu

BASE = shape("BAAI/bge-base-en-v1.5")
MODERN = shape("Alibaba-NLP/gte-modernbert-base")
GEMMA = shape("google/embeddinggemma-300m")
SEVEN = shape("Alibaba-NLP/gte-Qwen2-7B-instruct")
QWEN = shape("Qwen/Qwen3-Embedding-0.6B")
L4 = gpu("L4")

tokens = st.floats(min_value=1, max_value=8192)
mixes = st.lists(st.tuples(st.floats(min_value=0.01, max_value=1), tokens), min_size=1, max_size=6)
ceilings = st.floats(min_value=1, max_value=2000)


def sure(found: Speed | None) -> Speed:
    assert found is not None
    return found


def mid(gpu: Gpu, lengths: list[tuple[float, float]], engine: str = "vllm") -> float:
    return sure(predict(BASE, gpu, engine, lengths)).tokens_per_second.mid


def test_bert_base_does_171_million_operations_per_token_before_attention() -> None:
    assert flops_per_token(BASE, 0) == 2 * 84_934_656


def test_attention_over_512_tokens_adds_an_eighth() -> None:
    assert flops_per_token(BASE, 512) - flops_per_token(BASE, 0) == 4 * 12 * 768 * 512


def test_causal_model_looks_at_half_of_the_text() -> None:
    both_ways = replace(QWEN, causal=False)
    attention = flops_per_token(both_ways, 1000) - flops_per_token(both_ways, 0)
    assert flops_per_token(QWEN, 1000) - flops_per_token(QWEN, 0) == attention / 2


def test_attention_is_as_wide_as_its_heads_and_not_as_the_hidden_state() -> None:
    assert (QWEN.hidden, QWEN.attention_width) == (1024, 2048)


def test_7b_model_on_an_l4_makes_2881_tokens_per_second_at_best() -> None:
    # By hand: 100 tokens x 13.091 GFLOP / (0.83 x 46.4 TFLOPS) = 33.99 ms, + 0.70 ms + 0.016 ms = 34.71 ms.
    found = sure(predict(SEVEN, L4, "vllm", [(1, 100)]))
    assert found.tokens_per_second.mid == pytest.approx(2881, rel=1e-3)


def test_published_service_point_lies_in_the_spread() -> None:
    # Snowflake, arctic-embed-m-v1.5 on A10G by vLLM, 50 tokens a text: 53,000 tokens/s.
    arctic = shape("Snowflake/snowflake-arctic-embed-m-v1.5")
    found = sure(predict(arctic, gpu("A10G"), "vllm", [(1, 50)])).tokens_per_second
    assert found.low < 53_000 < found.high
    assert found.mid == pytest.approx(53_000, rel=0.05)


def test_short_texts_are_bound_by_the_host() -> None:
    b200 = mid(gpu("B200"), [(1, 16)])
    assert b200 < 16 / ENGINES["vllm"].host_seconds
    assert b200 < 2 * mid(L4, [(1, 16)])


def test_gpu_without_a_ceiling_has_no_speed() -> None:
    assert predict(BASE, gpu("MI210"), "vllm", [(1, 100)]) is None


def test_gpu_without_a_float32_ceiling_has_no_speed_in_float32() -> None:
    assert gpu("A30").ceiling_tflops
    assert predict(BASE, gpu("A30"), "torch", [(1, 100)], "float32") is None


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="no host cost for engine 'onnx'; there is vllm"):
        predict(BASE, L4, "onnx", [(1, 100)])


@pytest.mark.parametrize("lengths", [[], [(1.0, 0.0)], [(0.0, 100.0)], [(1.0, 100.0), (-0.5, 50.0)]])
def test_texts_without_tokens_have_no_speed(lengths: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="no tokens in lengths"):
        predict(BASE, L4, "vllm", lengths)


def test_our_torch_engine_takes_the_figure_of_sentence_transformers() -> None:
    theirs = predict(BASE, L4, "sentence-transformers", [(1, 100)], "float16")
    assert mid(L4, [(1, 100)], "torch") == sure(theirs).tokens_per_second.mid


def test_sentence_transformers_computes_in_the_dtype_of_the_weights() -> None:
    assert [computes(m, "sentence-transformers") for m in (BASE, QWEN)] == ["float32", "half"]
    assert computes(BASE, "vllm") == "half"


def test_large_weights_of_unknown_dtype_are_taken_to_be_in_half_precision() -> None:
    assert SEVEN.stored is None
    assert computes(SEVEN, "sentence-transformers") == "half"


def test_float32_that_is_required_is_slower_and_says_so() -> None:
    found = sure(predict(BASE, L4, "vllm", [(1, 300)], "float32"))
    assert found.tokens_per_second.mid < mid(L4, [(1, 300)]) / 2
    assert found.source.startswith("predicted: float32 ceiling 9.2 TFLOPS")


def test_derived_ceiling_makes_a_wider_spread() -> None:
    measured, derived = (sure(predict(BASE, gpu(n), "vllm", [(1, 300)])) for n in ("L40S", "L40"))
    widths = [s.tokens_per_second.high / s.tokens_per_second.low for s in (measured, derived)]
    assert widths[0] < widths[1]
    assert "derived" in derived.source
    assert "derived" not in measured.source


def test_14_of_the_22_layers_of_a_modernbert_see_128_tokens() -> None:
    attention = flops_per_token(MODERN, 8192) - flops_per_token(MODERN, 0)
    assert attention == 4 * 768 * (8 * 8192 + 14 * 128)


def test_text_shorter_than_the_window_costs_as_if_there_were_none() -> None:
    assert flops_per_token(GEMMA, 400) == flops_per_token(replace(GEMMA, local_layers=0), 400)


def test_causal_window_is_full_once_the_text_is_twice_as_long() -> None:
    causal = replace(QWEN, window=512, local_layers=28)
    assert flops_per_token(causal, 1024) == flops_per_token(QWEN, 1024)
    assert flops_per_token(causal, 4096) == flops_per_token(QWEN, 1024)


def test_pipeline_that_starves_its_gpus_is_outside_but_its_engine_inside() -> None:
    # Published: 897 tokens/s on each of 406 L4, at 0.45 of what the engine made (docs/speed-model.md#limits).
    found = sure(predict(SEVEN, L4, "vllm", [(1, 100)])).tokens_per_second
    assert 897 < found.low < 897 / 0.45 < found.high


def test_source_names_the_ceiling_and_who_measured_it() -> None:
    assert "46.4 TFLOPS (TensorRT demoBERT" in sure(predict(BASE, L4, "tei", [(1, 100)])).source


def test_p10_and_p90_are_the_mid_times_and_over_one_factor() -> None:
    found = spread_about(1000.0)
    assert found.high == pytest.approx(1000 * exp(1.2816 * log(ERROR_FACTOR)))
    assert isclose(found.low * found.high, 1000.0**2)


def test_certain_speed_has_no_spread() -> None:
    found = spread_about(897.0, factor=1.0)
    assert (found.low, found.mid, found.high) == (897.0, 897.0, 897.0)


@given(mixes, ceilings, ceilings)
def test_higher_ceiling_is_never_slower(mix: list[tuple[float, float]], one: float, two: float) -> None:
    slow, fast = (mid(replace(L4, ceiling_tflops=c), mix) for c in sorted((one, two)))
    assert slow <= fast * (1 + 1e-9)


@given(mixes)
def test_mix_is_between_its_slowest_and_its_fastest_part(mix: list[tuple[float, float]]) -> None:
    parts = [mid(L4, [part]) for part in mix]
    assert min(parts) * (1 - 1e-9) <= mid(L4, mix) <= max(parts) * (1 + 1e-9)


@given(mixes, st.floats(min_value=0.1, max_value=1e6))
def test_shares_need_not_add_up_to_one(mix: list[tuple[float, float]], scale: float) -> None:
    assert mid(L4, [(share * scale, s) for share, s in mix]) == pytest.approx(mid(L4, mix))


@given(mixes, ceilings, st.sampled_from(sorted(ENGINES)))
def test_nothing_runs_above_the_share_of_the_ceiling_that_engines_reach(
    mix: list[tuple[float, float]], ceiling: float, engine: str
) -> None:
    share = sure(predict(BASE, replace(L4, ceiling_tflops=ceiling), engine, mix)).share_of_ceiling
    assert share is not None
    assert 0 < share < FUSED_EFFICIENCY


def test_packed_tokens_gain_nothing_where_attention_is_padded() -> None:
    """FlashAttention's kernel over packed pieces begins with Ampere."""

    def share(name: str) -> float:
        found = sure(predict(SEVEN, gpu(name), "packed", [(1, 400)])).share_of_ceiling
        assert found
        return found

    assert share("L4") == pytest.approx(ENGINES["packed"].efficiency, rel=0.02)
    assert share("T4") == pytest.approx(ENGINES["torch"].efficiency, rel=0.02)
