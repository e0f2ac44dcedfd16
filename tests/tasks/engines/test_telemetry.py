"""Engines send nothing about their use: vLLM reads these variables when it is imported."""

import os
import subprocess
import sys

SCRIPT = """
import contextlib, os
with contextlib.suppress(ImportError):
    import tasks.engines.vllm_engine
print(os.environ["VLLM_NO_USAGE_STATS"], os.environ["DO_NOT_TRACK"])
"""


def test_vllm_is_told_to_send_no_statistics_before_it_is_imported() -> None:
    bare = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK")
    }
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=bare, check=True
    )
    assert found.stdout.split() == ["1", "1"]
