"""Weights are safetensors, whole and all there; what they are instead is told before one is loaded."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.models.description import Weights
from tasks.models.files import ModelFiles
from tasks.models.weights import read_weights

TENSORS = {"a": ("F16", 6), "b": ("F32", 20), "c": ("BF16", 4)}


def safetensors() -> bytes:
    """A small file with three tensors, written by the format's description."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, (dtype, size) in TENSORS.items():
        header[name] = {"dtype": dtype, "shape": [size], "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"\x01" * start


WHOLE = safetensors()


def weights_of(folder: Path) -> Weights:
    return read_weights(ModelFiles(str(folder)), "", {})


def test_most_weights_give_the_dtype(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WHOLE)
    assert read_weights(ModelFiles(str(tmp_path)), "", {"torch_dtype": "float16"}).dtype == "float32"


def test_pickles_are_known_by_their_name(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    found = weights_of(tmp_path)
    assert (found.format, found.files) == ("pickle", ("pytorch_model.bin",))


def test_safetensors_are_taken_where_both_are_there(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "model.safetensors").write_bytes(WHOLE)
    assert weights_of(tmp_path).format == "safetensors"


def test_other_formats_alone_are_named(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx/model.onnx").write_bytes(b"x")
    found = weights_of(tmp_path)
    assert (found.format, found.others) == ("none", ("onnx/model.onnx",))


def test_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (tmp_path / "one.safetensors").write_bytes(WHOLE)
    found = weights_of(tmp_path)
    assert (found.files, found.missing) == (("one.safetensors", "two.safetensors"), ("two.safetensors",))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_is_cut_anywhere_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    path.write_bytes(WHOLE[:length])
    assert weights_of(path.parent).damaged
    path.write_bytes(WHOLE)
    assert not weights_of(path.parent).damaged


@given(st.binary(max_size=64))
def test_any_bytes_are_read_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    path.write_bytes(content)
    weights_of(path.parent)
    path.write_bytes(len(content).to_bytes(8, "little") + content)
    weights_of(path.parent)


@pytest.mark.parametrize("offsets", [[-4, 4], ["0", 4], [0, 2**70], None, [4, 0]])
def test_offsets_that_lie_are_damage(tmp_path: Path, offsets: object) -> None:
    text = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": offsets}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 4)
    assert weights_of(tmp_path).damaged
