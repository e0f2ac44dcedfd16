"""OpenVINO on a CPU: what `test_agreement.py`, which compares its vectors, does not show."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.engines.base import OtherVectors
from tasks.engines.load import load_encoder

if any(importlib.util.find_spec(name) is None for name in ("torch", "openvino")):
    pytest.skip("torch and openvino are not both installed", allow_module_level=True)


LOAD = "import sys; from tasks.engines.load import load_encoder; load_encoder('openvino', sys.argv[1])"


def test_loading_reports_nothing_to_the_maker_of_openvino(minilm: str, tmp_path: Path) -> None:
    """Its converter writes an id for its statistics into the home folder, and sends events under it."""
    command = [sys.executable, "-W", "ignore", "-c", LOAD, minilm]
    subprocess.run(command, check=True, env=os.environ | {"HOME": str(tmp_path)})
    assert not list(tmp_path.glob("intel/*"))


def test_a_dtype_that_it_does_not_compute_in_is_refused(minilm: str) -> None:
    with pytest.raises(OtherVectors, match="not in float16"):
        load_encoder("openvino", minilm, dtype="float16")
