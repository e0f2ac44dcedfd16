import json
from pathlib import Path
from typing import Any

import pytest

from launcher.errors import Problem
from launcher.throughput.model_shapes import from_mapping, known, linear_params, nearest, shape
from launcher.throughput.predict import ModelShape

SIZES = ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "max_tokens", "dimensions")
MINILM = {
    "model_type": "bert",
    "num_hidden_layers": 6,
    "hidden_size": 384,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
QWEN3 = {
    "model_type": "qwen3",
    "num_hidden_layers": 28,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "max_position_embeddings": 32768,
    "vocab_size": 151669,
}


def model(folder: Path, config: dict[str, Any], **beside: dict[str, Any]) -> Path:
    """A model folder: config.json, and other files by their names with __ for / and without .json."""
    for name, content in {"config": config, **beside}.items():
        path = folder / (name.replace("__", "/") + ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_42_models_are_known_by_name() -> None:
    assert len(known()) == 42


def test_known_model_has_its_published_shape() -> None:
    found = shape("Alibaba-NLP/gte-Qwen2-7B-instruct")
    assert (found.layers, found.hidden, found.heads, found.kv_heads, found.head_dim) == (28, 3584, 28, 4, 128)
    assert (found.dimensions, found.max_tokens, found.pooling, found.causal) == (3584, 32768, "last", False)


# A mixture of experts: two of eight run, which its shape does not say.
MIXTURE = "nomic-ai/nomic-embed-text-v2-moe"


@pytest.mark.parametrize("one", [m for m in known() if m.name != MIXTURE], ids=lambda m: m.name)
def test_linear_parameters_of_a_known_model_follow_from_its_shape(one: ModelShape) -> None:
    found = linear_params(
        one.layers,
        one.hidden,
        one.attention_width,
        one.kv_heads * one.head_dim,
        one.intermediate,
        glu=one.glu,
    )
    assert found == one.linear_params


@pytest.mark.parametrize("one", known(), ids=lambda m: m.name)
def test_known_model_has_a_source_and_sizes_that_can_be(one: ModelShape) -> None:
    assert one.source
    assert 0 < one.linear_params < one.params_total
    assert min(one.dimensions, one.max_tokens) > 0


def test_unknown_model_is_a_problem_that_names_the_nearest() -> None:
    with pytest.raises(Problem, match="unknown model 'BAAI/bge-base-en'") as refusal:
        shape("BAAI/bge-base-en")
    assert refusal.value.hint.startswith("write model: BAAI/bge-base-en-v1.5")


def test_nearest_name_is_found_without_its_maker() -> None:
    assert nearest("all-minilm-l6-v2")[0] == "sentence-transformers/all-MiniLM-L6-v2"


def test_name_like_no_other_is_answered_with_what_to_do() -> None:
    with pytest.raises(Problem) as refusal:
        shape("zzz")
    assert refusal.value.hint == "name a folder that holds the model's config.json"


def test_bert_folder_counts_as_its_published_model_does(tmp_path: Path) -> None:
    found = shape(model(tmp_path, MINILM))
    assert found.linear_params == shape("sentence-transformers/all-MiniLM-L6-v2").linear_params == 10_616_832


def test_parameters_of_a_folder_are_within_2_percent_of_the_published_count(tmp_path: Path) -> None:
    assert shape(model(tmp_path, MINILM)).params_total == pytest.approx(22_713_216, rel=0.02)


def test_decoder_folder_counts_as_its_published_model_does(tmp_path: Path) -> None:
    found = shape(model(tmp_path, QWEN3))
    published = shape("Qwen/Qwen3-Embedding-0.6B")
    assert (found.linear_params, found.params_total) == (
        published.linear_params,
        pytest.approx(published.params_total, rel=0.01),
    )
    assert (found.glu, found.causal, found.kv_heads, found.attention_width) == (True, True, 8, 2048)


def test_modernbert_folder_counts_as_its_published_model_does(tmp_path: Path) -> None:
    config = MINILM | {
        "model_type": "modernbert",
        "num_hidden_layers": 22,
        "hidden_size": 768,
        "intermediate_size": 1152,
        "max_position_embeddings": 8192,
    }
    found = shape(model(tmp_path, config))
    assert found.linear_params == shape("Alibaba-NLP/gte-modernbert-base").linear_params
    assert (found.causal, found.max_tokens) == (False, 8192)


def test_distilbert_folder_is_read_in_its_own_words(tmp_path: Path) -> None:
    config = {
        "model_type": "distilbert",
        "n_layers": 6,
        "dim": 768,
        "n_heads": 12,
        "hidden_dim": 3072,
        "max_position_embeddings": 512,
        "vocab_size": 30522,
    }
    assert shape(model(tmp_path, config)).linear_params == 42_467_328  # half of BERT base


def test_bidirectional_decoder_is_not_causal(tmp_path: Path) -> None:
    assert not shape(model(tmp_path, QWEN3 | {"model_type": "qwen2", "is_causal": False})).causal


def test_card_of_a_folder_sets_its_maximum_length(tmp_path: Path) -> None:
    folder = model(tmp_path, MINILM, sentence_bert_config={"max_seq_length": 256}, tokenizer_config={})
    assert shape(folder).max_tokens == 256


def test_without_a_card_the_tokenizer_sets_the_maximum_length(tmp_path: Path) -> None:
    assert shape(model(tmp_path, MINILM, tokenizer_config={"model_max_length": 128})).max_tokens == 128


def test_tokenizer_without_a_limit_leaves_it_to_the_positions(tmp_path: Path) -> None:
    assert shape(model(tmp_path, MINILM, tokenizer_config={"model_max_length": 10**30})).max_tokens == 512


def test_two_positions_of_a_roberta_are_not_for_tokens(tmp_path: Path) -> None:
    config = MINILM | {"model_type": "xlm-roberta", "max_position_embeddings": 514}
    assert shape(model(tmp_path, config)).max_tokens == 512


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "cls+mean"),
    ],
)
def test_pooling_is_read_from_its_module(tmp_path: Path, config: dict[str, Any], pooling: str) -> None:
    assert shape(model(tmp_path, MINILM, **{"1_Pooling__config": config})).pooling == pooling


def test_pooling_without_a_source_is_unknown(tmp_path: Path) -> None:
    assert shape(model(tmp_path, MINILM)).pooling is None


def test_dense_module_sets_the_dimensions(tmp_path: Path) -> None:
    folder = model(tmp_path, MINILM, **{"2_Dense__config": {"in_features": 384, "out_features": 128}})
    assert shape(folder).dimensions == 128


def test_dimensions_are_those_of_the_hidden_state(tmp_path: Path) -> None:
    assert shape(model(tmp_path, MINILM)).dimensions == 384


def test_folder_without_a_config_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"holds no config\.json"):
        shape(tmp_path)


def test_unknown_model_type_is_a_problem_that_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="unknown model_type: 't5'") as refusal:
        shape(model(tmp_path, MINILM | {"model_type": "t5"}))
    assert "bert, distilbert" in refusal.value.hint


def test_invalid_size_is_a_problem_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="hidden_size: 'wide'"):
        shape(model(tmp_path, MINILM | {"hidden_size": "wide"}))


def test_config_that_is_no_json_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(Problem, match="is not JSON"):
        shape(tmp_path)


def test_modernbert_folder_says_which_layers_have_a_window(tmp_path: Path) -> None:
    config = MINILM | {
        "model_type": "modernbert",
        "num_hidden_layers": 22,
        "global_attn_every_n_layers": 3,
        "local_attention": 128,
    }
    found = shape(model(tmp_path, config))
    published = shape("Alibaba-NLP/gte-modernbert-base")
    assert (found.window, found.local_layers) == (128, 14) == (published.window, published.local_layers)


def test_gemma_folder_says_which_layers_have_a_window(tmp_path: Path) -> None:
    config = QWEN3 | {
        "model_type": "gemma3_text",
        "num_hidden_layers": 24,
        "layer_types": [*["sliding_attention"] * 5, "full_attention"] * 4,
        "sliding_window": 512,
        "use_bidirectional_attention": True,
    }
    found = shape(model(tmp_path, config))
    assert (found.window, found.local_layers, found.causal) == (512, 20, False)


def test_folder_says_how_its_weights_are_stored(tmp_path: Path) -> None:
    assert shape(model(tmp_path, QWEN3 | {"torch_dtype": "bfloat16"})).stored == "bfloat16"


def test_folder_that_does_not_say_how_its_weights_are_stored_leaves_it_unknown(tmp_path: Path) -> None:
    assert shape(model(tmp_path, QWEN3)).stored is None


@pytest.mark.parametrize("one", known(), ids=lambda m: m.name)
def test_window_is_of_some_layers_and_shorter_than_the_text(one: ModelShape) -> None:
    assert 0 <= one.local_layers < one.layers
    assert (one.window > 0) == (one.local_layers > 0)
    assert one.window < one.max_tokens


@pytest.mark.parametrize("one", [m for m in known() if m.matryoshka], ids=lambda m: m.name)
def test_matryoshka_model_lists_shorter_vectors(one: ModelShape) -> None:
    assert one.matryoshka
    assert (
        min(int(n) for n in one.matryoshka.removeprefix("up to ").replace("-", ",").split(","))
        < one.dimensions
    )


def test_layers_and_hidden_make_a_shape() -> None:
    found = from_mapping("mine", {"layers": 12, "hidden": 768, "vocabulary": 30_522})
    base = shape("BAAI/bge-base-en-v1.5")
    assert (found.name, found.linear_params, found.heads) == ("mine", base.linear_params, base.heads)
    assert found.params_total == base.linear_params + 768 * 30_522


def test_whole_shape_is_that_of_the_published_model() -> None:
    published = shape("Qwen/Qwen3-Embedding-0.6B")
    given = {name: getattr(published, name) for name in (*SIZES, "glu", "causal", "pooling")}
    found = from_mapping(published.name, given)
    assert (found.linear_params, found.attention_width) == (published.linear_params, 2048)
    assert (found.causal, found.max_tokens, found.pooling) == (True, 32768, "last")


@pytest.mark.parametrize("given", [{"layers": 12}, {"hidden": 768}, {"layers": 0, "hidden": 768}])
def test_shape_without_layers_or_width_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(Problem, match="the shape of mine"):
        from_mapping("mine", given)


def test_size_given_as_text_is_refused_with_its_key() -> None:
    with pytest.raises(Problem, match="heads: 'many'"):
        from_mapping("mine", {"layers": 12, "hidden": 768, "heads": "many"})
