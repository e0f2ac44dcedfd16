"""What every engine must do: one suite, run on each that is installed; and ours beside sentence-transformers."""
# torch and transformers are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import importlib.util
import inspect
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tasks.embed import (
    Encoder,
    NoEngine,
    Vectors,
    choose,
    embed,
    limit,
    load,
    shorten,
    unit,
)
from tasks.tokens import HASH, BadModel, Cut, longest, pieces

if importlib.util.find_spec("torch") is None:
    pytest.skip("the engine torch is not installed", allow_module_level=True)

import torch
import transformers

from tasks.torch_engine import pooling

SAME = 0.999  # cosine; bfloat16 beside float32


@pytest.fixture(scope="module", params=["hash", "torch", "vllm"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    if request.param == "hash":
        return load("hash", HASH)
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"the engine {request.param} is not installed")
    return load(request.param, request.getfixturevalue("minilm"))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """50 real texts of very different length, one of them longer than the models read."""
    docs = {
        inspect.getdoc(member) for module in (json, shutil, np) for _, member in inspect.getmembers(module)
    }
    long = Random(5).sample(sorted(doc for doc in docs if doc and 1_500 < len(doc) < 3_000), 50)
    return [*(doc[: 12 + 9 * n] for n, doc in enumerate(long[:49])), long[49]]


@pytest.fixture(scope="module")
def ids(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    return [piece for found in pieces(encoder.words, texts, Cut(256)) for piece in found.ids]


@pytest.fixture(scope="module")
def vectors(encoder: Encoder, ids: list[list[int]]) -> Vectors:
    return encoder.encode(ids)


def cosines(one: Any, other: Any) -> Any:
    return (np.asarray(one, np.float64) * np.asarray(other, np.float64)).sum(axis=1)


# --- the contract


def test_an_engine_says_what_it_is(encoder: Encoder) -> None:
    assert encoder.name in ("hash", "torch", "vllm")
    assert encoder.device in ("cpu", "cuda")
    assert encoder.dtype in ("float32", "bfloat16", "float16")


def test_vectors_are_float32_and_of_the_promised_shape(
    encoder: Encoder, ids: list[list[int]], vectors: Vectors
) -> None:
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(ids), encoder.dimensions)


def test_vectors_have_length_1(vectors: Vectors) -> None:
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


def test_vectors_come_in_the_order_of_the_pieces(
    encoder: Encoder, ids: list[list[int]], vectors: Vectors
) -> None:
    order = list(range(len(ids)))
    Random(1).shuffle(order)
    again = encoder.encode([ids[i] for i in order])
    assert cosines(again, vectors[order]).min() >= SAME


def test_a_vector_does_not_depend_on_its_neighbours(
    encoder: Encoder, ids: list[list[int]], vectors: Vectors
) -> None:
    alone = np.concatenate([encoder.encode([piece]) for piece in ids[:10]])
    assert cosines(alone, vectors[:10]).min() >= SAME


def test_equal_pieces_have_equal_vectors(encoder: Encoder, ids: list[list[int]]) -> None:
    mixed = encoder.encode([ids[0], *ids[1:20], ids[0]])
    assert cosines(mixed[:1], mixed[-1:]).min() >= 0.9999


def test_the_same_call_gives_the_same_vectors(encoder: Encoder, ids: list[list[int]]) -> None:
    assert np.array_equal(encoder.encode(ids[:10]), encoder.encode(ids[:10]))


def test_different_pieces_have_different_vectors(vectors: Vectors) -> None:
    others = vectors @ vectors.T - 2 * np.eye(len(vectors), dtype=np.float32)
    assert others.max() < SAME


def test_pieces_of_one_token_are_embedded(encoder: Encoder, ids: list[list[int]]) -> None:
    out = encoder.encode([ids[0][:1], ids[0], [5_000]])
    assert np.isfinite(out).all()


def test_pieces_of_the_greatest_length_are_embedded(encoder: Encoder, ids: list[list[int]]) -> None:
    most = (ids[0] * 256)[:256]
    out = encoder.encode([ids[1], most, most])
    assert np.abs(np.linalg.norm(out, axis=1) - 1).max() < 1e-5


def test_no_pieces_give_no_vectors(encoder: Encoder) -> None:
    out = encoder.encode([])
    assert (out.shape, out.dtype) == ((0, encoder.dimensions), np.float32)


def test_embed_counts_the_tokens_that_the_model_read(
    encoder: Encoder, texts: list[str], ids: list[list[int]]
) -> None:
    found = embed(encoder, texts[:5], Cut(256))
    assert found.tokens == sum(len(piece) for piece in ids[:5])
    assert found.vectors.shape == (5, encoder.dimensions)


def test_chunks_have_a_vector_each(encoder: Encoder) -> None:
    assert embed(encoder, ["one two three four five six", "seven"], Cut(4, 0)).vectors.shape[0] == 4


# --- choosing


def test_auto_takes_the_hash_engine_for_the_hash_model() -> None:
    assert choose("auto", HASH) == "hash"


def test_auto_takes_vllm_where_it_is_installed_else_torch() -> None:
    expected = "vllm" if importlib.util.find_spec("vllm") else "torch"
    assert choose("auto", "some/model") == expected


def test_an_engine_that_was_asked_for_is_taken() -> None:
    assert choose("torch", HASH) == "torch"


def test_an_unknown_engine_is_no_engine() -> None:
    with pytest.raises(NoEngine, match="no engine 'tpu'") as problem:
        load("tpu", "some/model")
    assert problem.value.hint == "engines are auto, vllm, torch and hash"


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_an_engine_that_is_not_installed_says_how_to_install_it(minilm: str) -> None:
    with pytest.raises(NoEngine, match="vllm is not installed") as problem:
        load("vllm", minilm)
    assert "pip install vllm" in problem.value.hint


def test_the_job_may_ask_for_less_than_the_model_reads(minilm: str) -> None:
    assert limit(minilm, 128) == 128


def test_the_job_cannot_ask_for_more_than_the_model_reads(minilm: str) -> None:
    assert limit(minilm, 1_000) == longest(minilm)


# --- vectors


def test_fewer_dimensions_are_the_first_ones_with_length_1() -> None:
    out = shorten(unit(np.array([[3, 4, 12]], np.float32)), 2)
    assert np.allclose(out, [[0.6, 0.8]])


def test_all_dimensions_are_left_as_they_are() -> None:
    whole = unit(np.array([[3, 4]], np.float32))
    assert shorten(whole, None) is whole
    assert shorten(whole, 2) is whole


def test_no_direction_is_not_a_number() -> None:
    assert np.isnan(unit(np.zeros((1, 3), np.float32))).all()


# --- pooling, as the folder says


def laid_out(
    folder: Path, pool: dict[str, Any] | None, kinds: tuple[str, ...] = ("Transformer", "Pooling")
) -> str:
    """A folder in the layout of sentence-transformers, without a model."""
    paths = {"Transformer": ""}
    modules = [
        {
            "idx": n,
            "name": str(n),
            "path": paths.get(kind, f"{n}_{kind}"),
            "type": f"sentence_transformers.models.{kind}",
        }
        for n, kind in enumerate(kinds)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    if pool is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pool), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode": ["cls"]}, "cls"),
    ],
    ids=str,
)
def test_the_folder_says_how_to_pool(tmp_path: Path, pool: dict[str, Any], expected: str) -> None:
    assert pooling(laid_out(tmp_path, pool)) == expected


@pytest.mark.parametrize(
    "pool",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_sqrt_len_tokens": True},
        {"pooling_mode_weightedmean_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode": "max"},
        {"pooling_mode": "weightedmean"},
        {"pooling_mode": ["mean", "cls"]},
        {"pooling_mode_mean_tokens": False},
        None,
    ],
    ids=str,
)
def test_a_pooling_that_we_do_not_have_is_a_bad_model(tmp_path: Path, pool: dict[str, Any] | None) -> None:
    with pytest.raises(BadModel, match="wants the pooling") as problem:
        pooling(laid_out(tmp_path, pool))
    assert problem.value.hint == "models with cls, mean or last-token pooling work"


@pytest.mark.parametrize("kind", ["Dense", "LayerNorm", "WeightedLayerPooling"])
def test_a_module_that_we_do_not_compute_is_a_bad_model(tmp_path: Path, kind: str) -> None:
    folder = laid_out(tmp_path, {"pooling_mode": "mean"}, ("Transformer", "Pooling", kind))
    with pytest.raises(BadModel, match=f"does not compute: {kind}"):
        pooling(folder)


def test_a_folder_without_modules_is_pooled_by_the_mean(tmp_path: Path) -> None:
    assert pooling(str(tmp_path)) == "mean"


def test_the_pooling_may_lie_in_a_folder_of_another_name(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, None, ("Transformer", "Normalize", "Pooling"))
    (tmp_path / "2_Pooling").mkdir()
    (tmp_path / "2_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}', encoding="utf-8")
    assert pooling(folder) == "cls"


def test_minilm_is_pooled_by_the_mean(minilm: str) -> None:
    assert pooling(minilm) == "mean"


def test_a_folder_without_weights_is_a_bad_model(tmp_path: Path, minilm: str) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(Path(minilm) / name, tmp_path / name)
    with pytest.raises(BadModel, match="cannot load") as problem:
        load("torch", str(tmp_path))
    assert "safetensors" in problem.value.hint


def test_weights_that_are_a_pickle_are_not_loaded(tmp_path: Path, minilm: str) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(Path(minilm) / name, tmp_path / name)
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadModel, match="cannot load"):
        load("torch", str(tmp_path))


# --- beside sentence-transformers, on the same folder

SMALL: dict[str, Any] = {
    "vocab_size": 30_522,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,  # the usual 0.02 gives all texts nearly the same vector
    "pad_token_id": 0,
}


def built(kind: str, tmp_path: Path, minilm: str) -> str:
    """A model of 2 layers and random weights, saved as sentence-transformers saves it."""
    torch.manual_seed(3)
    if kind == "bert-cls":
        model: Any = transformers.BertModel(transformers.BertConfig(**SMALL), add_pooling_layer=False)
    elif kind == "qwen2-last":
        model = transformers.Qwen2Model(transformers.Qwen2Config(**SMALL, num_key_value_heads=2))
    else:
        model = transformers.Qwen3Model(transformers.Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=16))
    folder = tmp_path / kind
    pool = "cls" if kind == "bert-cls" else "lasttoken"
    laid_out(
        folder,
        {"word_embedding_dimension": 64, "pooling_mode": pool},
        ("Transformer", "Pooling", "Normalize"),
    )
    (folder / "2_Normalize").mkdir()
    model.save_pretrained(folder, safe_serialization=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"):
        shutil.copy(Path(minilm) / name, folder / name)
    return str(folder)


def reference(folder: str) -> Any:
    """The same folder in sentence-transformers, float32."""
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed")
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(folder, device="cpu")


def test_minilm_agrees_with_sentence_transformers(minilm: str, texts: list[str]) -> None:
    ours = embed(load("torch", minilm), texts, Cut(longest(minilm))).vectors
    theirs = reference(minilm).encode(texts, show_progress_bar=False, batch_size=10)
    assert cosines(ours, theirs).min() >= SAME


@pytest.mark.parametrize("kind", ["bert-cls", "qwen2-last", "qwen3-last"])
def test_a_tiny_model_of_another_kind_agrees_with_sentence_transformers(
    kind: str, tmp_path: Path, minilm: str, texts: list[str]
) -> None:
    folder = built(kind, tmp_path, minilm)
    encoder: Any = load("torch", folder)
    encoder.model.float()  # random weights of this size swell the rounding of bfloat16; MiniLM's do not
    ours = embed(encoder, texts, Cut(longest(folder))).vectors
    # transformers has its own idea of the tokenizer of a Qwen2, so the ids come from the folder's
    tokenizer: Any = transformers.PreTrainedTokenizerFast(
        tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]"
    )
    batch = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        theirs = reference(folder)({k: batch[k] for k in ("input_ids", "attention_mask")})[
            "sentence_embedding"
        ]
    assert cosines(ours, theirs).min() >= SAME
    assert cosines(ours[1:], ours[:-1]).max() < 0.99  # and the texts do not all look the same
