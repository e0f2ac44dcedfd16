"""A corpus of compressed files, too large to be read whole."""

import gzip
import json
import random
from pathlib import Path

import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.sampling import READ_WHOLE_BYTES
from tests.launcher.corpus.samples.written_corpora import Truth


@pytest.fixture
def many_compressed(tmp_path: Path) -> Path:
    """More than a small corpus, in which one file can be damaged."""
    body = "".join(json.dumps(r) + "\n" for r in Truth().texts(200_000, random.Random(6)))
    for number in range(20):
        # stored, not compressed: the corpus is large at little cost
        (tmp_path / f"{number:02d}.jsonl.gz").write_bytes(gzip.compress(body.encode() * 2, 0, mtime=0))
    assert find_files(".", tmp_path).bytes > READ_WHOLE_BYTES
    return tmp_path
