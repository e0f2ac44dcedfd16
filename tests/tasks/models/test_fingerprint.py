"""The fingerprint of a model: any file that decides vectors changes it, and nothing else does."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st

from tasks.models import fingerprint
from tasks.models.files import BadModel
from tasks.models.fingerprint import (
    DigestCache,
    ModelChanged,
    check_model,
    fingerprint_of,
    located,
    pinned,
)

DECIDING = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "modules.json",
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
    "modeling_own.py",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "2_Dense/pytorch_model.bin",
    "additional_chat_template.jinja",
)
IGNORED = (
    "README.md",
    "onnx/model.onnx",
    "openvino/openvino_model.bin",
    "pytorch_model.bin",  # beside model.safetensors
    "tf_model.h5",
    "checkpoint-500/model.safetensors",
    "optimizer.pt",
    ".gitattributes",
    ".git/HEAD",
    "__pycache__/modeling_own.cpython-311.pyc",
)
COMMIT = "0123456789" * 4


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for name in (*DECIDING, *IGNORED):
        write(folder, name, name)
    return folder


def of(folder: Path) -> str | None:
    return fingerprint_of(str(folder), DigestCache(None))


@pytest.mark.parametrize("name", DECIDING)
def test_other_bytes_of_a_file_that_decides_vectors_are_another_model(model: Path, name: str) -> None:
    before = of(model)
    write(model, name, "other")
    assert of(model) != before


@pytest.mark.parametrize("name", DECIDING)
def test_a_file_that_is_gone_is_another_model(model: Path, name: str) -> None:
    before = of(model)
    (model / name).unlink()
    assert of(model) != before


@pytest.mark.parametrize("name", IGNORED)
def test_what_no_engine_reads_changes_nothing(model: Path, name: str) -> None:
    before = of(model)
    write(model, name, "other")
    assert of(model) == before


def test_a_file_more_is_another_model(model: Path) -> None:
    before = of(model)
    write(model, "vocab.json", "{}")
    assert of(model) != before


def test_a_copy_elsewhere_is_the_same_model(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    assert of(copy) == of(model)


def test_links_to_files_and_folders_are_followed(model: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in model.iterdir():
        (linked / path.name).symlink_to(path)
    (linked / "1_Pooling").unlink()
    shutil.copytree(model / "1_Pooling", linked / "1_Pooling")
    (linked / "1_Pooling" / "again").symlink_to(linked)  # a loop ends
    assert of(linked) == of(model)


@given(st.dictionaries(st.sampled_from(DECIDING), st.binary(max_size=3), min_size=1))
def test_equal_content_and_equal_fingerprints_are_the_same_thing(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("models")
    for where in ("one", "two"):
        for name, body in files.items():
            write(root / where, name, "")
            (root / where / name).write_bytes(body)
    assert of(root / "one") == of(root / "two")
    name = min(files)
    (root / "two" / name).write_bytes(files[name] + b"!")
    assert of(root / "one") != of(root / "two")


def test_the_hash_model_has_none() -> None:
    assert fingerprint_of("hash") is None
    assert pinned("hash", None) == "hash"


# --- what was read is remembered


def later() -> int:
    """A minute from now, in nanoseconds: files of now have settled."""
    return time.time_ns() + 60 * 10**9


def test_digest_of_an_unchanged_file_is_read_from_the_cache(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    first = fingerprint_of(str(model), DigestCache(cache, later))
    known = json.loads(cache.read_text())
    assert len(known) == len(DECIDING)
    cache.write_text(json.dumps(dict.fromkeys(known, "remembered")))
    assert fingerprint_of(str(model), DigestCache(cache, later)) != first


def test_changed_file_of_the_same_size_and_time_is_read_again(model: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "cache.json", later)
    path = model / "model.safetensors"
    before, stat = fingerprint_of(str(model), cache), path.stat()
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as `cp -p` and rsync do
    assert fingerprint_of(str(model), cache) != before


def test_file_that_has_just_changed_is_not_remembered(model: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "cache.json")
    fingerprint_of(str(model), cache)
    assert cache.known == {}


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', "null", '{"a": {}}'])
def test_damaged_cache_is_no_cache(model: Path, tmp_path: Path, body: str) -> None:
    cache = tmp_path / "cache.json"
    cache.write_text(body)
    assert fingerprint_of(str(model), DigestCache(cache)) == of(model)


def test_home_that_cannot_be_written_is_no_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert fingerprint_of(str(model), DigestCache(tmp_path / "file" / "cache.json")) == of(model)


# --- a model is checked before it is loaded


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMBEDFLEET_CACHE", str(tmp_path / "embedfleet-cache"))


def test_unchanged_folder_is_loaded(model: Path) -> None:
    assert pinned(str(model), of(model)) == str(model)


def test_changed_folder_is_refused_with_both_fingerprints(model: Path) -> None:
    before = of(model)
    assert before is not None
    write(model, "model.safetensors", "another fine-tune")
    after = of(model)
    assert after is not None
    with pytest.raises(ModelChanged) as raised:
        pinned(str(model), before)
    assert before[:19] in str(raised.value)
    assert after[:19] in str(raised.value)


def test_folder_that_is_not_here_is_refused(model: Path) -> None:
    planned = of(model)
    shutil.rmtree(model)
    with pytest.raises(ModelChanged, match="is not there"):
        check_model(str(model), planned)


def test_run_without_a_fingerprint_is_not_checked(model: Path) -> None:
    assert pinned(str(model), None) == str(model)
    assert located("org/model", None) == "org/model"


# --- a model of the hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with one commit of org/model, and no connection."""
    repository = tmp_path / "hub" / "models--org--model"
    write(repository, "refs/main", COMMIT)
    write(repository / "snapshots" / COMMIT, "config.json", "{}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fingerprint._snapshot.cache_clear()  # pyright: ignore[reportPrivateUsage]
    return repository


def test_model_of_the_hub_is_pinned_to_the_commit_of_its_main_branch(hub: Path) -> None:
    assert fingerprint_of("org/model") == f"hub:{COMMIT}"
    assert pinned("org/model", f"hub:{COMMIT}") == str(hub / "snapshots" / COMMIT)


def test_pinned_commit_is_loaded_after_the_branch_moved(hub: Path) -> None:
    write(hub, "refs/main", "f" * 40)
    write(hub / "snapshots" / ("f" * 40), "config.json", "{}")
    assert fingerprint_of("org/model") == f"hub:{'f' * 40}"
    assert pinned("org/model", f"hub:{COMMIT}") == str(hub / "snapshots" / COMMIT)


@pytest.mark.usefixtures("hub")
def test_commit_that_cannot_be_had_is_named() -> None:
    with pytest.raises(Exception, match="cannot get the commit 999999999999 of model 'org/model'"):
        pinned("org/model", "hub:" + "9" * 40)


@pytest.mark.usefixtures("hub")
def test_model_that_is_nowhere_has_no_fingerprint() -> None:
    assert fingerprint_of("org/other") is None


# --- an adapter, whose base lies elsewhere


def adapter(folder: Path, base: str) -> Path:
    write(folder, "adapter_model.safetensors", "weights")
    write(folder, "adapter_config.json", json.dumps({"base_model_name_or_path": base, "peft_type": "LORA"}))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write(tmp_path / "base", "config.json", "{}")
    write(tmp_path / "base", "model.safetensors", "weights")
    return tmp_path / "base"


def test_other_weights_of_an_adapters_base_are_another_model(base: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", str(base))
    before = of(folder)
    assert pinned(str(folder), before) == str(folder)
    write(base, "model.safetensors", "others!")
    assert of(folder) != before
    with pytest.raises(ModelChanged, match=r"the model at .*adapter has the fingerprint sha256:.*sha256:"):
        pinned(str(folder), before)


def test_base_of_an_adapter_in_a_folder_of_modules_counts(base: Path, tmp_path: Path) -> None:
    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
    ]
    write(tmp_path / "whole", "modules.json", json.dumps(modules))
    adapter(tmp_path / "whole" / "0_Transformer", str(base))
    before = of(tmp_path / "whole")
    write(base, "model.safetensors", "others!")
    assert of(tmp_path / "whole") != before


def test_adapter_beside_its_base_has_the_fingerprint_of_the_folder(base: Path) -> None:
    before = of(adapter(base, str(base)))
    assert before is not None
    assert "+" not in before
    write(base, "model.safetensors", "others!")
    assert of(base) != before


def test_adapter_on_a_base_that_is_nowhere_is_refused(tmp_path: Path, hub: Path) -> None:
    folder = adapter(tmp_path / "adapter", "org/other")
    with pytest.raises(BadModel, match=r"the base org/other of the adapter .* the hub does not give it"):
        of(folder)


def test_base_on_the_hub_that_moved_is_another_model(tmp_path: Path, hub: Path) -> None:
    folder = adapter(tmp_path / "adapter", "org/model")
    before = of(folder)
    assert before is not None
    assert before.endswith(f"+hub:{COMMIT}")
    write(hub, "refs/main", "f" * 40)
    write(hub / "snapshots" / ("f" * 40), "config.json", "{}")
    with pytest.raises(
        ModelChanged, match=r"\+hub:ffffffffffff, and the plan was made with .*\+hub:012345678901"
    ):
        check_model(str(folder), before)


def test_adapter_on_the_hub_is_pinned_and_its_base_is_checked(hub: Path, base: Path) -> None:
    snapshot = hub / "snapshots" / COMMIT
    (snapshot / "config.json").unlink()
    adapter(snapshot, str(base))
    before = fingerprint_of("org/model")
    assert before is not None
    assert before.startswith(f"hub:{COMMIT}+sha256:")
    assert pinned("org/model", before) == str(snapshot)
    write(base, "model.safetensors", "others!")
    with pytest.raises(ModelChanged, match="hub:012345678901"):
        pinned("org/model", before)
