"""Every layout of a model gives the vectors of sentence-transformers, or a refusal that says why: `make models`.

The recorded outcomes are of both major versions of transformers; the installed one is computed here. `packed` computes
it as well, and `openvino` where it is installed (`make test-openvino`): they may refuse more, and may give nothing else.
"""

import importlib.util
from pathlib import Path

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "sentence_transformers", "peft")):
    pytest.skip("torch, sentence-transformers and peft are not all installed", allow_module_level=True)

import transformers

from tasks.engines.load import missing_library
from tests.support.model_layouts.comparison import outcome
from tests.support.model_layouts.layouts import LAYOUTS
from tests.support.model_layouts.table import PAGE, VERSIONS, page_with, recorded, table

VERSION = int(transformers.__version__.partition(".")[0])
OTHERS = ("packed", "openvino")  # engines beside torch
HERE = [name for name, layout in LAYOUTS.items() if layout.since <= VERSION]


@pytest.fixture(autouse=True)
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code of a model is copied to a folder of the test's, not to the user's home."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.mark.filterwarnings("ignore")  # of torch, transformers and peft, which the vectors do not show
@pytest.mark.parametrize("name", HERE)
def test_a_layout_is_equal_or_refused_as_recorded(name: str, tmp_path: Path) -> None:
    assert outcome(LAYOUTS[name], tmp_path / "model") == recorded(VERSION)[name]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("engine", OTHERS)
def test_another_engine_gives_the_same_vectors_or_refuses(engine: str, name: str, tmp_path: Path) -> None:
    if missing_library(engine) is not None:
        pytest.skip(f"{engine} is not installed")
    found = outcome(LAYOUTS[name], tmp_path / "model", engine)
    assert found.partition(":")[0] in (recorded(VERSION)[name].partition(":")[0], "refused"), found


@pytest.mark.parametrize("version", VERSIONS)
def test_no_recorded_layout_gives_other_vectors(version: int) -> None:
    found = recorded(version)
    assert found.keys() == {name for name, layout in LAYOUTS.items() if layout.since <= version}
    assert {said.partition(":")[0] for said in found.values()} <= {"equal", "refused", "not compared"}


def test_the_page_shows_what_is_recorded() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(table({version: recorded(version) for version in VERSIONS}), page)
