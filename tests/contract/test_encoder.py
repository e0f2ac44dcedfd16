"""The contract of an engine: one suite, run on each that is installed. Vectors: `test_agreement.py`."""
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

from tasks.engines.base import Encoder, Vectors, embed, normalize, truncate_dimensions
from tasks.engines.load import EngineUnavailable, load_encoder, resolve_engine
from tasks.models.files import HASH_MODEL, BadModel
from tasks.models.tokenizing.pieces import ChunkSpec, piece_limit, split_texts

if importlib.util.find_spec("torch") is None:
    pytest.skip("the engine torch is not installed", allow_module_level=True)

import torch
import transformers

from tests.support.tiny_models import build

SAME = 0.999  # cosine; bfloat16 beside float32
LIBRARY: dict[str, str] = {"packed": "torch"}  # where it is not named after the engine


@pytest.fixture(scope="module", params=["hash", "torch", "packed", "openvino", "vllm"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    if request.param == "hash":
        return load_encoder("hash", HASH_MODEL)
    name: str = request.param
    if importlib.util.find_spec(LIBRARY.get(name, name)) is None:
        pytest.skip(f"the engine {request.param} is not installed")
    return load_encoder(request.param, request.getfixturevalue("minilm"))


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
    return [piece for found in split_texts(encoder.tokenizer, texts, ChunkSpec(256)) for piece in found.ids]


@pytest.fixture(scope="module")
def vectors(encoder: Encoder, ids: list[list[int]]) -> Vectors:
    return encoder.encode(ids)


def cosines(one: Any, other: Any) -> Any:
    return (np.asarray(one, np.float64) * np.asarray(other, np.float64)).sum(axis=1)


# --- the contract


def test_an_engine_says_what_it_is(encoder: Encoder) -> None:
    assert encoder.name in ("hash", "torch", "packed", "openvino", "vllm")
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
    found = embed(encoder, texts[:5], ChunkSpec(256))
    assert found.tokens == sum(len(piece) for piece in ids[:5])
    assert found.vectors.shape == (5, encoder.dimensions)


def test_chunks_have_a_vector_each(encoder: Encoder) -> None:
    assert embed(encoder, ["one two three four five six", "seven"], ChunkSpec(4, 0)).vectors.shape[0] == 4


# --- choosing


def test_auto_takes_the_hash_engine_for_the_hash_model() -> None:
    assert resolve_engine("auto", HASH_MODEL) == "hash"


def test_auto_takes_vllm_where_it_is_installed_else_torch(minilm: str) -> None:
    expected = "vllm" if importlib.util.find_spec("vllm") else "torch"
    assert resolve_engine("auto", minilm) == expected


def test_a_named_engine_is_used() -> None:
    assert resolve_engine("torch", HASH_MODEL) == "torch"


def test_an_unknown_engine_is_unavailable() -> None:
    with pytest.raises(EngineUnavailable, match="no engine 'tpu'") as problem:
        load_encoder("tpu", "some/model")
    assert problem.value.hint == "engines are auto, vllm, torch, packed, openvino and hash"


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_an_engine_that_is_not_installed_says_how_to_install_it(minilm: str) -> None:
    with pytest.raises(EngineUnavailable, match="vllm is not installed") as problem:
        load_encoder("vllm", minilm)
    assert "pip install vllm" in problem.value.hint


def test_the_job_may_ask_for_less_than_the_model_reads(minilm: str) -> None:
    assert piece_limit(minilm, 128) == 128


def test_the_job_cannot_ask_for_more_than_the_model_reads(minilm: str) -> None:
    assert piece_limit(minilm, 1_000) == piece_limit(minilm, None)


# --- vectors


def test_fewer_dimensions_are_the_first_ones_with_length_1() -> None:
    out = truncate_dimensions(normalize(np.array([[3, 4, 12]], np.float32)), 2)
    assert np.allclose(out, [[0.6, 0.8]])


def test_all_dimensions_are_left_as_they_are() -> None:
    whole = normalize(np.array([[3, 4]], np.float32))
    assert truncate_dimensions(whole, None) is whole
    assert truncate_dimensions(whole, 2) is whole


def test_a_zero_vector_normalizes_to_nan() -> None:
    assert np.isnan(normalize(np.zeros((1, 3), np.float32))).all()


# --- what is loaded, and what is not


@pytest.fixture(params=["torch", "vllm"])
def engine(request: pytest.FixtureRequest) -> str:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"the engine {request.param} is not installed")
    return request.param


def test_a_folder_without_weights_is_a_bad_model(engine: str, tmp_path: Path, minilm: str) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(Path(minilm) / name, tmp_path / name)
    with pytest.raises(BadModel, match="no weights"):
        load_encoder(engine, str(tmp_path))


def test_weights_that_are_a_pickle_are_not_loaded(engine: str, tmp_path: Path, minilm: str) -> None:
    folder = Path(build("bert-mean", tmp_path, minilm))
    model: Any = transformers.AutoModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(BadModel, match="pickle"):
        load_encoder(engine, str(folder))


CODE = """
from pathlib import Path
from transformers import BertConfig, BertModel
(Path(__file__).parent / "it-ran").touch()
class OwnConfig(BertConfig):
    model_type = "own"
class OwnModel(BertModel):
    config_class = OwnConfig
"""


def with_code(folder: Path, minilm: str) -> str:
    """A BERT by another name, with its code in its folder."""
    made = Path(build("bert-mean", folder, minilm))
    (made / "own.py").write_text(CODE, encoding="utf-8")
    settings = json.loads((made / "config.json").read_text(encoding="utf-8"))
    settings |= {"model_type": "own", "architectures": ["OwnModel"]}
    settings["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    (made / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return str(made)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where transformers copies the code that it runs: not into the user's home."""
    folder = tmp_path / "modules"
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder))
    return folder


def test_code_of_a_model_is_not_run_by_default(
    engine: str, tmp_path: Path, minilm: str, modules: Path
) -> None:
    with pytest.raises(BadModel, match="comes with code of its own") as problem:
        load_encoder(engine, with_code(tmp_path, minilm))
    assert "trust_remote_code: true" in problem.value.hint
    assert not list(modules.rglob("it-ran"))


def test_code_of_a_model_is_run_on_request(tmp_path: Path, minilm: str, modules: Path) -> None:
    encoder = load_encoder("torch", with_code(tmp_path, minilm), remote_code=True)
    assert embed(encoder, ["a"], ChunkSpec(9)).vectors.shape == (1, 64)
    assert list(modules.rglob("it-ran"))
