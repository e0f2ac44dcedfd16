"""The description of a model: what its files say, whatever is in them, and never an error of Python."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.models.describe import describe
from tasks.models.description import Dense, ModelDescription, Normalize
from tasks.models.files import BadModel
from tasks.models.support import check_supported

STOCK = "sentence_transformers.models."
FILES: dict[str, Any] = {
    "config.json": {
        "model_type": "bert", "hidden_size": 64, "max_position_embeddings": 512, "architectures": ["BertModel"],
        "auto_map": None, "is_causal": None, "quantization_config": None, "torch_dtype": "float32",
    },
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": f"{STOCK}Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{STOCK}Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": f"{STOCK}Dense"},
        {"idx": 3, "name": "3", "path": "3_Normalize", "type": f"{STOCK}Normalize"},
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": 64, "pooling_mode_mean_tokens": True},
    "2_Dense/config.json": {
        "in_features": 64, "out_features": 32, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh",
    },
    "sentence_bert_config.json": {"max_seq_length": 96, "do_lower_case": False, "tokenizer_args": {}},
    "tokenizer_config.json": {"model_max_length": 512, "tokenizer_class": "BertTokenizer", "added_tokens_decoder": {}},
    "config_sentence_transformers.json": {
        "prompts": {"document": "passage: "}, "default_prompt_name": None, "truncate_dim": None,
        "similarity_fn_name": "cosine",
    },
    "model.safetensors.index.json": {"weight_map": {"a": "model-00001-of-00001.safetensors"}},
}  # fmt: skip


def folder_of(root: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    if (root / "2_Dense").is_dir():
        (root / "2_Dense" / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return root


def described(root: Path, **changes: dict[str, Any]) -> ModelDescription:
    """The description of the folder with changes to files, whose names have _ for every other sign."""
    files = dict(FILES)
    for name, change in changes.items():
        key = next(k for k in FILES if k.replace("/", "_").replace(".json", "") == name)
        files[key] = {**files[key], **change}
    return describe(str(folder_of(root, files)))


def test_every_file_is_read(tmp_path: Path) -> None:
    found = described(tmp_path)
    assert (found.model_type, found.pooling.modes, found.limit.tokens) == ("bert", ("mean",), 96)
    assert found.layers == (Dense("2_Dense", 64, 32, True, "Tanh", "model.safetensors"), Normalize())  # noqa: FBT003
    assert found.dimensions == 32
    assert found.unsupported == ()


def test_saved_truncation_of_dimensions_is_the_width(tmp_path: Path) -> None:
    assert described(tmp_path, config_sentence_transformers={"truncate_dim": 24}).dimensions == 24


def test_poolings_are_wide_together(tmp_path: Path) -> None:
    files = {k: v for k, v in FILES.items() if k != "2_Dense/config.json"}
    files["modules.json"] = files["modules.json"][:2]
    files["1_Pooling/config.json"] = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    assert describe(str(folder_of(tmp_path, files))).dimensions == 128


def test_a_bare_language_model_is_pooled_by_its_last_token(tmp_path: Path) -> None:
    for number, (causal, mode) in enumerate(((None, "lasttoken"), (False, "mean"))):
        config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
        config |= {} if causal is None else {"is_causal": causal}
        assert describe(str(folder_of(tmp_path / str(number), {"config.json": config}))).pooling.modes == (
            mode,
        )


@pytest.mark.parametrize("key", ["num_hidden_layers", "n_layers", "num_layers", "n_layer"])
def test_more_layers_than_can_be_built_are_refused(tmp_path: Path, key: str) -> None:
    """Layers are built before weights are looked at, each for about a millisecond."""
    assert described(tmp_path / "a", config={key: 1_000}).unsupported == ()
    (finding,) = described(tmp_path / "b", config={key: 10**6}).unsupported
    assert f"{key}: 1,000,000" in finding.what


def test_a_prompt_longer_than_any_text_is_refused_before_it_is_tokenized(tmp_path: Path) -> None:
    prompts = {"query": "a" * 100_000, "document": "word " * 2_000_000}
    settings = {"prompts": prompts, "default_prompt_name": "document"}
    with pytest.raises(
        BadModel, match=r"the prompt 'document' .* has 10,000,000 characters; 100,000 are read"
    ):
        described(tmp_path, config_sentence_transformers=settings)


def test_a_folder_without_config_is_a_bad_model(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"no config\.json in"):
        describe(str(tmp_path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_the_files_hold_is_a_description_or_a_bad_model(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Keys and whole files are replaced by anything that JSON can say, and by what it cannot."""
    files: dict[str, Any] = json.loads(json.dumps(FILES))
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(files)))
        if name != "modules.json" and isinstance(files[name], dict) and data.draw(st.booleans()):
            content = cast("dict[str, Any]", files[name])
            content[data.draw(st.sampled_from([*sorted(content), ""]) | st.text(max_size=8))] = data.draw(
                JSON
            )
        elif name == "modules.json" and isinstance(files[name], list) and data.draw(st.booleans()):
            listed = cast("list[Any]", files[name])
            listed[data.draw(st.integers(0, 3)) % max(1, len(listed)) :] = [data.draw(JSON)]
        else:
            files[name] = data.draw(JSON | st.just("{") | st.text(max_size=8))
    root = folder_of(tmp_path_factory.mktemp("model"), files)
    try:
        found = describe(str(root))
    except BadModel:
        return
    for engine in ("torch", "vllm"):
        check_supported(found, engine)
