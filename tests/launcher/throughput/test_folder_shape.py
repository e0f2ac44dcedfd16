"""The shape of the model in a folder: sizes, limit and vectors, as its files say and the published models have them."""

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from launcher.errors import Problem
from launcher.jobs.job import CorpusSource
from launcher.jobs.parse import parse
from launcher.planning.request import model_shape
from launcher.throughput.folder_shape import hub_shape
from launcher.throughput.model_shapes import shape

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


def sentence_transformer(
    folder: Path, pooling: dict[str, Any], *layers: str, **beside: dict[str, Any]
) -> Path:
    """A MiniLM folder with modules.json."""
    kinds = ("Transformer", "Pooling", *layers)
    listed = [
        {"type": f"sentence_transformers.models.{kind}", "path": f"{n}_{kind}" if n else ""}
        for n, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(listed), encoding="utf-8")
    return model(folder, MINILM, **{"1_Pooling__config": pooling}, **beside)


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
    assert shape(sentence_transformer(tmp_path, config)).pooling == pooling


def test_pooling_without_modules_is_the_mean(tmp_path: Path) -> None:
    assert shape(model(tmp_path, MINILM)).pooling == "mean"


def test_dense_module_sets_the_dimensions(tmp_path: Path) -> None:
    dense = {"in_features": 384, "out_features": 128}
    folder = sentence_transformer(
        tmp_path, {"pooling_mode_mean_tokens": True}, "Dense", **{"2_Dense__config": dense}
    )
    assert shape(folder).dimensions == 128


def test_dimensions_are_those_of_the_hidden_state(tmp_path: Path) -> None:
    assert shape(model(tmp_path, MINILM)).dimensions == 384


def test_folder_without_a_config_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"no config\.json in"):
        shape(tmp_path)


def test_unknown_model_type_is_a_problem_that_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="unknown model_type: 'bart'") as refusal:
        shape(model(tmp_path, MINILM | {"model_type": "bart"}))
    assert "bert, camembert, deberta" in refusal.value.hint


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


def test_layers_of_albert_share_their_weights(tmp_path: Path) -> None:
    config = MINILM | {"model_type": "albert", "hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 30_000,
                       "intermediate_size": 3072, "embedding_size": 128, "num_hidden_groups": 1}  # fmt: skip
    found = shape(model(tmp_path, config))
    assert found.linear_params == shape("BAAI/bge-base-en-v1.5").linear_params
    assert found.params_total == pytest.approx(11_100_000, rel=0.02)  # albert-base-v2, without its pooler


def test_saved_dimensions_are_those_of_the_vectors(tmp_path: Path) -> None:
    folder = model(tmp_path, MINILM, config_sentence_transformers={"truncate_dim": 64})
    assert shape(folder).dimensions == 64


def test_text_without_a_limit_is_a_problem(tmp_path: Path) -> None:
    config = {"model_type": "t5", "d_model": 64, "num_layers": 2, "num_heads": 2, "d_kv": 32, "d_ff": 128}
    with pytest.raises(Problem, match="says how long a text may be"):
        shape(model(tmp_path, config | {"vocab_size": 100}))


# --- a model of the hub that is not in the table


@pytest.fixture
def fine_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the hub that nobody but its owner knows, downloaded whole into the hub's cache."""
    hub_shape.cache_clear()
    commit, repository = "c" * 40, tmp_path / "hub" / "models--ours--legal-minilm"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    (snapshot / ".gitattributes").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return sentence_transformer(snapshot, {"pooling_mode_mean_tokens": True, "word_embedding_dimension": 384})


def test_a_model_of_the_hub_has_the_shape_that_its_files_say(fine_tuned: Path) -> None:
    found, folder = hub_shape("ours/legal-minilm"), shape(fine_tuned)
    assert found.name == "ours/legal-minilm"
    assert found.source == "config.json of ours/legal-minilm"
    assert (found.linear_params, found.params_total, found.max_tokens) == (
        folder.linear_params, folder.params_total, folder.max_tokens,
    )  # fmt: skip
    assert (found.dimensions, found.pooling) == (384, "mean")


@pytest.mark.usefixtures("fine_tuned")
def test_only_a_job_with_a_corpus_asks_for_the_files_of_an_unknown_model(tmp_path: Path) -> None:
    texts = "name: a\nmodel: ours/legal-minilm\noutput: {path: out}\ncorpus: {path: in/*.jsonl}\n"
    job = parse(texts)
    assert isinstance(job.corpus, CorpusSource)
    found = model_shape(job, "ours/legal-minilm")
    assert found is not None
    assert found.layers == 6
    with pytest.raises(Problem, match="unknown model 'ours/legal-minilm'"):
        model_shape(
            parse("name: a\nmodel: ours/legal-minilm\ncorpus: {documents: 10, tokens_per_document: 5}\n"),
            "ours/legal-minilm",
        )
