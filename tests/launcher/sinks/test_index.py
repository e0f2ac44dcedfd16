"""The index as `--index` says it."""

import pytest

from launcher.errors import Usage
from launcher.sinks.index import IndexSpec, parse_index


@pytest.mark.parametrize(
    ("word", "means"),
    [
        ("hnsw", IndexSpec("hnsw", 16, 64)),
        ("hnsw, m=8", IndexSpec("hnsw", 8, 64)),
        ("hnsw,m=32,ef_construction=128", IndexSpec("hnsw", 32, 128)),
        ("none", IndexSpec("none")),
    ],
)
def test_index_and_its_options(word: str, means: IndexSpec) -> None:
    assert parse_index(word) == means


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ivf", "no index 'ivf'"),
        ("hnsw,k=3", "no option 'k=3'"),
        ("hnsw,m=x", "no option 'm=x'"),
        ("none,m=16", "no option 'm=16'"),
        ("hnsw,m=1", "m is 1"),
        ("hnsw,m=64", "at least twice m, 128"),
    ],
)
def test_wrong_index_is_refused(word: str, said: str) -> None:
    with pytest.raises(Usage, match=said):
        parse_index(word)
