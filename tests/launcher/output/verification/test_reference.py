"""The second opinion of `verify`: sentence-transformers gives the vectors that our engine gives, from the same tokens."""

import importlib.util
from pathlib import Path

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "sentence_transformers")):
    pytest.skip("torch and sentence-transformers are not both installed", allow_module_level=True)

from launcher.output.verification import reembed, reference
from launcher.output.verification.reference import NoReference, load_reference
from launcher.output.verification.verify import verify
from tasks.engines.load import load_encoder
from tasks.models.tokenizing.pieces import ChunkSpec, count_prompt_tokens, split_texts
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.model_layouts.comparison import TEXTS
from tests.support.model_layouts.layouts import LAYOUTS

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library's own affairs


@pytest.mark.parametrize("name", ["dense_tanh", "prompt_left_out_mean", "t5_encoder"])
def test_it_gives_the_vectors_of_our_engine(name: str, tmp_path: Path) -> None:
    LAYOUTS[name].build(tmp_path / "model")
    encoder = load_encoder("torch", str(tmp_path / "model"), dtype="float32")
    ids = [one.ids[0] for one in split_texts(encoder.tokenizer, TEXTS, ChunkSpec(64))]
    found = load_reference(str(tmp_path / "model"))
    assert found is not None
    assert found.name.startswith("sentence-transformers 5")
    theirs = found.encode(ids, count_prompt_tokens(encoder.tokenizer, None))
    assert (theirs * encoder.encode(ids)).sum(1).min() > 0.99999


def test_there_is_none_for_the_hash_model() -> None:
    assert load_reference("hash") is None


def test_what_it_cannot_load_is_said_with_the_reason(tmp_path: Path) -> None:
    LAYOUTS["cut_file"].build(tmp_path / "model")
    with pytest.raises(
        NoReference, match=r"sentence-transformers 5\S+ cannot load .*model: SafetensorError: .+"
    ):
        load_reference(str(tmp_path / "model"))


def test_there_is_none_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LAYOUTS["bert_mean"].build(tmp_path / "model")
    monkeypatch.setattr(reference, "PACKAGE_MODULE", "no_such_package")
    assert load_reference(str(tmp_path / "model")) is None


def test_verify_says_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NoReference("it cannot load m: ValueError: of its own", hint="our engine instead")

    monkeypatch.setattr(reembed, "load_reference", refuse)
    store = FolderStore(tmp_path / "out")
    header = finished_run(store, tmp_path)
    report = verify(store, header, 0, embed_again=True, progress=lambda _done, _all: None)
    assert report.faults == ()
    assert report.compared_with == "our own engine hash again"
    assert report.notes[0] == "it cannot load m: ValueError: of its own; our engine instead"
