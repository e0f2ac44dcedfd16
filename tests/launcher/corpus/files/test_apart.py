"""An output among the texts of the corpus is refused, and so is a corpus among the vectors."""

from pathlib import Path

import pytest

from launcher.corpus.files.apart import check_output_apart
from launcher.errors import Usage


@pytest.mark.parametrize(
    ("corpus", "output"),
    [
        ("texts", "texts"),
        ("texts", "texts/out"),
        ("texts/**/*.parquet", "texts/out"),
        ("texts/**", "texts/out"),
        ("**/*.parquet", "out"),
        ("*/*/*.parquet", "out"),
        ("texts/*/data/*", "texts/out"),
        ("./texts/../**/*.parquet", "out"),
        ("file:///nowhere/**/*.parquet", "/nowhere/out"),
        ("part[1]/**", "part[1]/out"),
        ("part[1]/*/data/*.parquet", "part[1]/out"),
        ("s3://bucket", "s3://bucket/out"),
        ("s3://bucket/texts", "s3://bucket/texts/out"),
        ("s3://bucket/**/*.parquet", "s3://bucket/out"),
        ("s3://bucket/texts/*/data/*.parquet", "s3://bucket/texts/out/"),
    ],
)
def test_an_output_that_the_corpus_reads_is_refused(tmp_path: Path, corpus: str, output: str) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "part[1]").mkdir()
    with pytest.raises(Usage) as caught:
        check_output_apart(corpus, output, tmp_path)
    assert "would be read as input" in str(caught.value) or "among its vectors" in str(caught.value)
    assert corpus in str(caught.value)
    assert output in str(caught.value)


@pytest.mark.parametrize(
    ("corpus", "output"),
    [
        ("out/data", "out"),
        ("out/data/*.parquet", "out"),
        ("out/data/a.parquet", "out"),
        ("s3://bucket/out/data/*.parquet", "s3://bucket/out"),
    ],
)
def test_a_corpus_among_the_vectors_is_refused(tmp_path: Path, corpus: str, output: str) -> None:
    (tmp_path / "out/data").mkdir(parents=True)
    (tmp_path / "out/data/a.parquet").touch()
    with pytest.raises(Usage, match=r"inside the output|would be read as input"):
        check_output_apart(corpus, output, tmp_path)


@pytest.mark.parametrize(
    ("corpus", "output"),
    [
        ("texts", "out"),
        ("texts", "texts/_out"),
        ("texts", "texts2"),
        ("*.parquet", "."),
        ("*.parquet", "out"),
        ("texts/*.parquet", "texts/out"),
        ("**/*.jsonl", "out"),
        ("texts/**/*.parquet", "texts/.out"),
        ("a.csv", "."),
        ("s3://bucket/texts", "s3://bucket"),
        ("s3://bucket/texts", "s3://bucket/texts-out"),
        ("s3://bucket/texts/**", "gs://bucket/texts/out"),
        ("texts", "s3://bucket/texts"),
        ("part[1]", "part1/out"),
    ],
)
def test_an_output_apart_is_accepted(tmp_path: Path, corpus: str, output: str) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "part[1]").mkdir()
    (tmp_path / "a.csv").touch()
    check_output_apart(corpus, output, tmp_path)


def test_a_link_into_the_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "link").symlink_to("texts")
    with pytest.raises(Usage, match="would be read as input"):
        check_output_apart("texts", "link/out", tmp_path)
