from dataclasses import replace
from math import exp, isclose, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.throughput.model_shapes import known, shape
from launcher.throughput.predict import (
    ENGINES,
    MATRIX_EFFICIENCY,
    MAX_SHARE_OF_PRODUCT,
    SIZE_ERRORS,
    TOKEN_SECONDS,
    ModelShape,
    Speed,
    computes,
    error_factor,
    flops_per_token,
    layer_values,
    predict,
    size_class,
    spread_about,
)
from pricing.gpu import Gpu, gpu, gpus

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


def test_7b_model_on_an_l4_makes_3155_tokens_per_second() -> None:
    # By hand, for 100 tokens: products 13.0907 GFLOP x 100 / (0.77 x 58 TFLOPS) = 29.31 ms; memory 100 x 28 layers
    # x 79,360 values x 3 bytes / 300 GB/s = 2.22 ms; host 0.14 + 0.017 ms. 31.69 ms together.
    found = sure(predict(SEVEN, L4, "vllm", [(1, 100)]))
    assert layer_values(SEVEN) == 79_360
    assert found.tokens_per_second.mid == pytest.approx(3155, rel=1e-3)


def test_published_service_point_lies_in_the_spread() -> None:
    # Snowflake, arctic-embed-m-v1.5 on A10G by TEI, 512 tokens a text: 217,000 tokens/s.
    arctic = shape("Snowflake/snowflake-arctic-embed-m-v1.5")
    found = sure(predict(arctic, gpu("A10G"), "tei", [(1, 512)])).tokens_per_second
    assert found.low < 217_000 < found.high
    assert found.mid == pytest.approx(217_000, rel=0.05)


@pytest.mark.parametrize("model", known(), ids=lambda m: m.name)
def test_an_a10g_is_faster_than_an_l4_the_more_so_where_memory_counts(model: ModelShape) -> None:
    """Published: 1.58 times as fast with Qwen3-0.6B by sentence-transformers, whose kernels are not fused."""

    def ratio(engine: str) -> float:
        a10g, l4 = (
            sure(predict(model, gpu(n), engine, [(1, 300)], "bfloat16")).tokens_per_second.mid
            for n in ("A10G", "L4")
        )
        return a10g / l4

    assert ratio("vllm") > (1.0 if size_class(model) == "small" else 1.1)
    assert ratio("sentence-transformers") > ratio("vllm")


def test_a_small_model_does_not_fill_a_large_gpu() -> None:
    """MiniLM reached 2.1 % of the H200's ceiling in vLLM, and bge-large 27 % (98 tokens a text)."""
    mini, large = (shape(n) for n in ("sentence-transformers/all-MiniLM-L6-v2", "BAAI/bge-large-en-v1.5"))
    shares = [sure(predict(m, gpu("H200"), "vllm", [(1, 98.5)])).share_of_ceiling for m in (mini, large)]
    assert shares == [pytest.approx(0.021, rel=0.2), pytest.approx(0.27, rel=0.2)]


@pytest.mark.parametrize("card", [g for g in gpus() if g.ceiling_tflops], ids=lambda g: g.name)
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_p90_is_below_what_a_transformer_reaches_of_the_best_product(card: Gpu, engine: str) -> None:
    for model in known():
        for tokens in (8.0, 64.0, 512.0, 8192.0):
            for dtype in ("float16", "float32"):
                found = predict(model, card, engine, [(1, tokens)], dtype)
                best = card.best_tflops if dtype == "float16" else card.fp32_ceiling_tflops
                if found is None:
                    assert best is None
                    continue
                assert best is not None
                rate, work = found.tokens_per_second, flops_per_token(model, tokens)
                assert rate.low < rate.mid <= rate.high
                assert rate.high * work <= MAX_SHARE_OF_PRODUCT * best * 1e12 * (1 + 1e-9)


def test_the_best_product_is_the_measured_one() -> None:
    assert (gpu("H200").best_tflops, gpu("L4").best_tflops) == (794.5, 70.9)


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


def test_sentence_transformers_computes_in_the_dtype_of_the_weights() -> None:
    assert [computes(m, "sentence-transformers") for m in (BASE, QWEN)] == ["float32", "half"]
    assert computes(BASE, "vllm") == "half"


def test_large_weights_of_unknown_dtype_are_taken_to_be_in_half_precision() -> None:
    assert SEVEN.stored is None
    assert computes(SEVEN, "sentence-transformers") == "half"


def test_float32_that_is_required_is_slower_and_says_so() -> None:
    found = sure(predict(BASE, L4, "vllm", [(1, 300)], "float32"))
    assert found.tokens_per_second.mid < mid(L4, [(1, 300)]) / 2
    assert found.source.startswith("predicted: float32 ceiling 11.1 TFLOPS")


def test_derived_ceiling_makes_a_wider_spread() -> None:
    measured, derived = (sure(predict(BASE, gpu(n), "vllm", [(1, 300)])) for n in ("H200", "L40"))
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


def test_pipeline_that_starves_its_gpus_is_below_the_spread() -> None:
    # Published: 897 tokens/s on each of 406 L4, at 0.45 of what the engine made (docs/speed-model.md#limits).
    found = sure(predict(SEVEN, L4, "vllm", [(1, 100)])).tokens_per_second
    assert 897 < 897 / 0.45 < found.low < 3155 < found.high


def test_source_names_the_ceiling_and_who_measured_it() -> None:
    assert "58 TFLOPS (github zzc0721" in sure(predict(BASE, L4, "tei", [(1, 100)])).source
    assert (
        "758 TFLOPS (measured, H200, 2026-11-28" in sure(predict(BASE, gpu("H200"), "tei", [(1, 9)])).source
    )


def test_p10_and_p90_are_the_mid_times_and_over_one_factor() -> None:
    found = spread_about(1000.0, 1.3)
    assert found.high == pytest.approx(1000 * exp(1.2816 * log(1.3)))
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
    assert 0 < share < MATRIX_EFFICIENCY


def test_widths_differ_by_size_of_the_model_and_by_engine() -> None:
    models = [shape("sentence-transformers/all-MiniLM-L6-v2"), BASE, QWEN, SEVEN]
    assert [size_class(m) for m in models] == list(SIZE_ERRORS) == ["small", "base", "large", "billions"]
    widths = [error_factor(m, gpu("H200"), "vllm", precise=False) for m in models]
    assert len(set(widths)) == len(models)
    assert error_factor(BASE, L4, "packed", precise=False) > error_factor(BASE, L4, "vllm", precise=False)


def test_error_is_the_root_of_the_sum_of_squares() -> None:
    found = error_factor(BASE, gpu("H200"), "vllm", precise=False)
    assert log(found) ** 2 == pytest.approx(
        log(SIZE_ERRORS["base"]) ** 2 + log(ENGINES["vllm"].error_factor) ** 2
    )


def test_an_engine_that_overlaps_takes_the_longer_of_host_and_device() -> None:
    mini = shape("sentence-transformers/all-MiniLM-L6-v2")
    host = ENGINES["packed"].host_seconds + TOKEN_SECONDS * 64
    assert sure(predict(mini, gpu("H200"), "packed", [(1, 64)])).tokens_per_second.mid == pytest.approx(
        64 / host
    )
    slow = sure(predict(SEVEN, L4, "packed", [(1, 64)])).share_of_ceiling
    assert slow == sure(predict(SEVEN, replace(L4), "packed", [(1, 64), (1, 64)])).share_of_ceiling


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_attention_without_flash_attention_costs_more_on_long_texts(engine: str) -> None:
    """On a GPU before Ampere; what is lost grows with the length of the text."""

    def lost(tokens: int) -> float:
        old = replace(L4, compute_capability="7.5")
        new, without = (mid(card, [(1, tokens)], engine) for card in (L4, old))
        return new / without

    assert lost(4096) > lost(512) > 1.0


@pytest.mark.parametrize(("name", "engine"), [("T4", "vllm"), ("T4", "packed"), ("MI300X", "vllm")])
def test_what_was_never_measured_on_a_kind_of_gpu_is_less_certain(name: str, engine: str) -> None:
    same = replace(gpu("L4"), ceiling_factor=gpu(name).ceiling_factor)
    assert error_factor(BASE, gpu(name), engine, precise=False) > error_factor(
        BASE, same, engine, precise=False
    )


def test_packed_tokens_gain_nothing_where_attention_is_padded() -> None:
    """FlashAttention's kernel over packed pieces begins with Ampere."""
    assert mid(L4, [(1, 400)], "packed") > 1.3 * mid(L4, [(1, 400)], "torch")
    old = gpu("T4")
    assert mid(old, [(1, 400)], "packed") == pytest.approx(mid(old, [(1, 400)], "torch"), rel=0.1)


def test_kernels_of_old_gpus_are_near_those_published() -> None:
    """FasterTransformer's table of TorchScript, bert-base in float16, 32 texts of 128: 75,461, 202,772, 428,004."""
    published = {"T4": 75_461, "V100": 202_772, "A100-80GB": 428_004}
    for name, rate in published.items():
        assert mid(gpu(name), [(1, 128)], "torch") < rate  # host work included
        assert mid(gpu(name), [(1, 128)], "torch") > 0.4 * rate
