"""modules.json: only sentence-transformers' own modules pass, by their whole type, and in an order that is computed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.models.description import Pooling
from tasks.models.files import BadModel, ModelFiles
from tasks.models.modules import COMPUTED, Modules, read_modules

STOCK = "sentence_transformers.models."


def modules_of(
    folder: Path, *types: str, pooling: dict[str, Any] | None = None, path: str = "1_Pooling"
) -> Modules:
    paths = ["", path, *(f"{n}_Dense" for n in range(2, len(types)))]
    listed = [{"type": kind, "path": where} for kind, where in zip(types, paths, strict=False)]
    (folder / "modules.json").write_text(json.dumps(listed), encoding="utf-8")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling/config.json").write_text(
        json.dumps(pooling or {"pooling_mode": "mean"}), encoding="utf-8"
    )
    return read_modules(ModelFiles(str(folder)))


@pytest.mark.parametrize(
    "types",
    [
        ("sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling"),
        (
            "sentence_transformers.models.Transformer.Transformer",
            "sentence_transformers.models.Pooling.Pooling",
        ),
        (
            "sentence_transformers.base.modules.transformer.Transformer",
            "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
        ),
    ],
)
def test_types_of_every_version_are_known(tmp_path: Path, types: tuple[str, ...]) -> None:
    assert modules_of(tmp_path, *types).unsupported == ()


@pytest.mark.parametrize(
    "kind",
    [
        "custom_st.Transformer", "Transformer", "pylate.models.Transformer",
        "my.sentence_transformers.models.Transformer",
        "sentence_transformers.models.Transformer.Other", "sentence_transformers.models.other.Transformer",
        "sentence_transformers.sparse_encoder.models.Transformer", "sentence_transformers_models.Transformer", "",
    ],
)  # fmt: skip
def test_a_type_of_another_package_is_refused_by_its_whole_name(tmp_path: Path, kind: str) -> None:
    (finding,) = modules_of(tmp_path, kind, f"{STOCK}Pooling").unsupported
    assert kind in finding.what


@given(st.lists(st.text("abc.", min_size=1, max_size=6), min_size=1, max_size=3), st.sampled_from(COMPUTED))
def test_the_last_word_of_a_type_makes_no_module_known(
    tmp_path_factory: pytest.TempPathFactory, package: list[str], name: str
) -> None:
    kind = ".".join((*package, name))
    assert modules_of(tmp_path_factory.mktemp("model"), kind, f"{STOCK}Pooling").unsupported


@pytest.mark.parametrize(
    "order",
    [
        ("Transformer",), ("Pooling", "Transformer"), ("Transformer", "Dense", "Pooling"),
        ("Transformer", "Normalize", "Pooling"), ("Transformer", "Pooling", "Pooling"),
        ("Transformer", "Pooling", "Transformer"),
    ],
)  # fmt: skip
def test_another_order_is_refused(tmp_path: Path, order: tuple[str, ...]) -> None:
    assert modules_of(tmp_path, *(STOCK + name for name in order)).unsupported


@pytest.mark.parametrize(
    "name", ["CNN", "LSTM", "WordEmbeddings", "BoW", "StaticEmbedding", "CLIPModel", "Router"]
)
def test_a_module_that_is_not_computed_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (finding,) = modules_of(tmp_path, f"{STOCK}Transformer", f"{STOCK}Pooling", STOCK + name).unsupported
    assert name in finding.what


@pytest.mark.parametrize(
    ("said", "modes"),
    [
        ({"pooling_mode": "lasttoken"}, ("lasttoken",)),
        ({"pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        (
            {"pooling_mode_weightedmean_tokens": True, "pooling_mode_max_tokens": True},
            ("max", "weightedmean"),
        ),
        ({"pooling_mode": "max", "pooling_mode_mean_tokens": True}, ("max",)),
        ({"pooling_mode_mean_tokens": False, "word_embedding_dimension": 64}, ("mean",)),
    ],
)
def test_modes_stand_in_the_order_of_sentence_transformers(
    tmp_path: Path, said: dict[str, Any], modes: tuple[str, ...]
) -> None:
    found = modules_of(tmp_path, f"{STOCK}Transformer", f"{STOCK}Pooling", pooling=said)
    assert (found.pooling, found.unsupported) == (Pooling(modes), ())  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "said", [{"pooling_mode": "median"}, {"pooling_mode": []}, {"pooling_mode_new": True}]
)
def test_an_unknown_mode_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    assert modules_of(tmp_path, f"{STOCK}Transformer", f"{STOCK}Pooling", pooling=said).unsupported


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b", "..\\other"])
def test_a_path_out_of_the_model_is_a_bad_model(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadModel, match="outside the model"):
        modules_of(tmp_path, f"{STOCK}Transformer", f"{STOCK}Pooling", path=path)
