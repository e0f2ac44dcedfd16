"""The loader that is wrong by design, which the slow suite must catch, names functions that stores have."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.stores.made_up_keys_loader import KEYS


@pytest.mark.parametrize("kind", KEYS)
def test_wrong_loader_changes_a_function_that_is_there(kind: str) -> None:
    code = f"from tests.support.stores.made_up_keys_loader import make_up_keys; make_up_keys({kind!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if "No module named" in done.stderr and "launcher" not in done.stderr.splitlines()[-1]:
        pytest.skip(f"no client of this store: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
