"""`embedfleet search` shows the text of each hit, or one line that says why it cannot."""

from pathlib import Path

from tests.support.cli_runs import embedfleet
from tests.support.vector_runs import run_of_dtype


def test_texts_stand_below_their_hits(tmp_path: Path) -> None:
    output = run_of_dtype(tmp_path, "float32")
    text = " ".join(f"1-4w{n}" for n in range(12))
    done = embedfleet("search", output, text, "-k", 2, folder=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["1", "1.0000", "1-4", "1.jsonl"]
    assert lines[1].strip() == text
    assert not any(line.endswith("  ") for line in lines)
    bare = embedfleet("search", output, "1-4w0", "-k", 2, "--no-text", folder=tmp_path)
    assert len(bare.stdout.splitlines()) == 3


def test_moved_corpus_is_said_in_one_line(tmp_path: Path) -> None:
    output = run_of_dtype(tmp_path, "float32")
    (tmp_path / "in").rename(tmp_path / "moved")
    done = embedfleet("search", output, "1-4w0", "-k", 3, folder=tmp_path, COLUMNS="400")
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert lines[3].startswith("no text of 3 hits: the corpus of run 'run-1' is at ")
