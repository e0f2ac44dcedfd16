"""A shard from rows to a file: every good row once, every bad one named, a window in memory."""
# pandas is typed in part
# pyright: reportUnknownMemberType=false

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.engines.base import Vectors, embed, truncate_dimensions
from tasks.engines.hash_engine import HashEncoder
from tasks.formats.rows import BadRow
from tasks.models.files import HASH_DIMENSIONS, BadModel
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.folder import FolderStore
from tasks.worker.reading import windows as work
from tasks.worker.reading.input_rows import rows_of
from tasks.worker.reading.windows import ShardCounts, WindowReader, cut_of, output_dimensions
from tasks.worker.writing.output_files import OutputFiles
from tests.support.runs import corpus, header_of, shard_of, whole, write_jsonl


class Done:
    """A shard that was embedded, window by window, and what lies there now."""

    def __init__(
        self, folder: Path, header: Header, shard: Shard, encoder: HashEncoder | None = None
    ) -> None:
        self.path = folder / "out.parquet"
        failures = folder / "failed.jsonl"
        self.counts = embed_shard(header, shard, encoder or HashEncoder(), self.path, failures)
        self.frame: Any = pd.read_parquet(self.path)
        self.failed = [BadRow(**json.loads(line)) for line in failures.read_text("utf-8").splitlines()]

    @property
    def rows(self) -> list[tuple[str, int]]:
        return list(zip(self.frame["id"], self.frame["chunk"], strict=True))

    @property
    def vectors(self) -> Any:
        return np.stack(list(self.frame["vector"]))


def embed_shard(
    header: Header, shard: Shard, encoder: HashEncoder, vectors: Path, failures: Path
) -> ShardCounts:
    """What the pipeline does with a shard, one thing after the other."""
    tally = ShardCounts()
    output_dimensions(header, encoder)
    output = OutputFiles(header, encoder, vectors, failures, tally)
    source = FolderStore(Path(header.corpus))
    for window in WindowReader(header, source, shard, encoder.tokenizer, encoder.dimensions, tally):
        output.add(window, truncate_dimensions(encoder.encode(window.pieces), header.dimensions))
    output.close()
    return tally


def one_file(folder: Path, records: Sequence[object], **changes: Any) -> tuple[Header, Shard]:
    write_jsonl(folder / "in.jsonl", records)
    return header_of(folder, 1, **changes), shard_of([whole(folder, "in.jsonl", "jsonl")])


def expected(texts: list[str], cut: ChunkSpec) -> Vectors:
    return embed(HashEncoder(), texts, cut).vectors


TEXTS = ["one two three", "four", "five six seven eight nine"]
RECORDS = [{"id": f"d{n}", "text": text} for n, text in enumerate(TEXTS)]


def test_every_document_has_its_vector_in_the_order_of_the_corpus(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, RECORDS))
    assert done.rows == [("d0", 0), ("d1", 0), ("d2", 0)]
    assert np.array_equal(done.vectors, expected(TEXTS, ChunkSpec(512)))


def test_chunks_are_rows_numbered_within_their_document(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, RECORDS, tokens=5, overlap=1))
    assert done.rows == [("d0", 0), ("d1", 0), ("d2", 0), ("d2", 1)]
    assert np.array_equal(done.vectors, expected(TEXTS, ChunkSpec(5, 1)))


def test_counts_of_documents_chunks_and_tokens(tmp_path: Path) -> None:
    tally = Done(tmp_path, *one_file(tmp_path, RECORDS, tokens=5, overlap=1)).counts
    assert (tally.documents, tally.chunks, tally.tokens) == (3, 4, 5 + 3 + 5 + 5)
    assert (tally.tokens_cut, tally.failed) == (0, 0)


def test_counts_of_truncated_tokens(tmp_path: Path) -> None:
    tally = Done(tmp_path, *one_file(tmp_path, RECORDS, tokens=4)).counts
    assert (tally.chunks, tally.tokens, tally.tokens_cut) == (3, 4 + 3 + 4, 1 + 0 + 3)


def test_counts_time_reading_and_tokenising(tmp_path: Path) -> None:
    stages = Done(tmp_path, *one_file(tmp_path, RECORDS)).counts.stages.seconds
    assert stages.keys() == {"read", "tokenise"}
    assert all(seconds > 0 for seconds in stages.values())


def test_a_prompt_is_embedded_with_every_text(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, RECORDS, prompt="query: "))
    assert np.array_equal(done.vectors, expected([f"query: {text}" for text in TEXTS], ChunkSpec(512)))


def test_float16_is_written_when_asked_for(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, RECORDS, dtype="float16"))
    assert np.array_equal(done.vectors, expected(TEXTS, ChunkSpec(512)).astype(np.float16))


def test_fewer_dimensions_are_normalised_again(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, RECORDS, dimensions=8))
    head = expected(TEXTS, ChunkSpec(512))[:, :8]
    assert np.allclose(done.vectors, head / np.linalg.norm(head, axis=1, keepdims=True))


def test_more_dimensions_than_the_model_has_is_a_bad_model(tmp_path: Path) -> None:
    with pytest.raises(
        BadModel, match=f"hash gives {HASH_DIMENSIONS} dimensions, the job asks for 64"
    ) as problem:
        Done(tmp_path, *one_file(tmp_path, RECORDS, dimensions=64))
    assert problem.value.hint == f"set `dimensions:` to at most {HASH_DIMENSIONS}"


def test_default_truncation_is_the_model_maximum() -> None:
    assert cut_of(header_of("corpus", 1)) == ChunkSpec(512, prompt="")


def test_truncation_is_at_most_the_model_maximum() -> None:
    assert cut_of(header_of("corpus", 1, tokens=1_000, overlap=7, prompt="p")) == ChunkSpec(512, 7, "p")


# --- bad rows


def test_bad_rows_are_quarantined_with_position_and_reason(tmp_path: Path) -> None:
    header, shard = one_file(tmp_path, [RECORDS[0], {"id": "bad"}, RECORDS[1], [], RECORDS[2]])
    done = Done(tmp_path, header, shard)
    assert [name for name, _ in done.rows] == ["d0", "d1", "d2"]
    assert done.failed == [
        BadRow("in.jsonl", 38, "no text: 'text' is missing or null; the line has 'id'", "bad"),
        BadRow("in.jsonl", 81, "not a JSON object: list", None),
    ]
    assert (done.counts.failed, done.counts.documents) == (2, 3)


def test_a_shard_of_bad_rows_alone_makes_a_file_of_no_rows(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, [{}, {}]))
    assert (len(done.frame), done.counts.failed) == (0, 2)


def test_an_empty_shard_makes_a_readable_file_of_no_rows(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, []))
    assert list(done.frame.columns) == ["id", "chunk", "vector"]
    assert (len(done.frame), done.failed, done.counts.documents) == (0, [], 0)


class NotANumber(HashEncoder):
    """Gives no finite vector for pieces of 3 tokens."""

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        out = super().encode(ids)
        out[[len(piece) == 3 for piece in ids], 0] = np.nan
        return out


def test_a_vector_that_is_not_finite_is_quarantined_and_no_other(tmp_path: Path) -> None:
    done = Done(tmp_path, *one_file(tmp_path, RECORDS), NotANumber())
    assert done.rows == [("d0", 0), ("d2", 0)]
    assert done.failed == [BadRow("in.jsonl", 38, "the engine gave no finite vector", "d1", retry=True)]
    assert np.array_equal(done.vectors, expected([TEXTS[0], TEXTS[2]], ChunkSpec(512)))
    assert (done.counts.documents, done.counts.chunks, done.counts.tokens) == (2, 2, 5 + 7)


def test_one_bad_chunk_quarantines_its_whole_document(tmp_path: Path) -> None:
    done = Done(
        tmp_path,
        *one_file(tmp_path, [{"id": "a", "text": "1 2 3 4 5"}, RECORDS[0]], tokens=4, overlap=0),
        NotANumber(),
    )
    assert done.rows == []
    assert [bad.id for bad in done.failed] == ["a", "d0"]


class Bare(HashEncoder):
    """A model without special tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer.prefix_ids = []
        self.tokenizer.suffix_ids = []

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        assert all(ids), "an engine cannot read nothing"
        return super().encode(ids)


@pytest.mark.parametrize("overlap", [None, 1])
def test_a_text_without_a_single_token_is_quarantined(tmp_path: Path, overlap: int | None) -> None:
    records = [{"id": "empty", "text": "\u200b"}, RECORDS[0]]

    class Picky(Bare):
        def __init__(self) -> None:
            super().__init__()
            ids = self.tokenizer.ids
            self.tokenizer.ids = lambda texts: ids([text.replace("\u200b", "") for text in texts])

    done = Done(tmp_path, *one_file(tmp_path, records, overlap=overlap), Picky())
    assert done.rows == [("d0", 0)]
    assert done.failed == [BadRow("in.jsonl", 0, "no text: the tokenizer finds nothing in it", "empty")]


# --- slices, windows, memory


def test_a_shard_of_several_slices_reads_them_in_order(tmp_path: Path) -> None:
    names = corpus(tmp_path, 3, 4)
    shard = shard_of([whole(tmp_path, f"{n}.jsonl", "jsonl") for n in (0, 1, 2)])
    assert [name for name, _ in Done(tmp_path, header_of(tmp_path, 1), shard).rows] == names


class Counting(HashEncoder):
    """Remembers how many tokens each call brought."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.calls.append(sum(map(len, ids)))
        return super().encode(ids)


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(work, "WINDOW_TOKENS", 1_000)
    return 1_000


def test_window_is_one_engine_call(tmp_path: Path, small_window: int) -> None:
    corpus(tmp_path, 1, 400, words=6)
    encoder = Counting()
    shard = shard_of([whole(tmp_path, "0.jsonl", "jsonl")])
    done = Done(tmp_path, header_of(tmp_path, 1), shard, encoder)
    longest = 2 + 6 * 4
    assert all(small_window <= tokens < small_window + longest for tokens in encoder.calls[:-1])
    assert sum(encoder.calls) == done.counts.tokens


def test_windows_do_not_change_what_is_written(tmp_path: Path, small_window: int) -> None:
    names = corpus(tmp_path, 1, 400, words=6)
    done = Done(tmp_path, header_of(tmp_path, 1), shard_of([whole(tmp_path, "0.jsonl", "jsonl")]))
    assert [name for name, _ in done.rows] == names


@pytest.mark.usefixtures("small_window")
def test_memory_is_that_of_a_window_whatever_the_shard(tmp_path: Path) -> None:
    peaks: list[int] = []
    for documents in (300, 3_000):
        corpus(tmp_path, 1, documents, words=30)
        shard = shard_of([whole(tmp_path, "0.jsonl", "jsonl")])
        tracemalloc.start()
        embed_shard(header_of(tmp_path, 1), shard, HashEncoder(), tmp_path / "v", tmp_path / "f")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(("plain", "names"), [(True, ["3", "4"]), (False, ["3.0", "4"])])
def test_a_run_keeps_the_form_of_its_ids(tmp_path: Path, plain: bool, names: list[str]) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 3.0, "text": "x"}\n{"id": 4, "text": "y"}\n')
    header = header_of(tmp_path, 1, plain_ids=plain)  # False: the manifest of an earlier version
    rows = rows_of(header, FolderStore(tmp_path), shard_of([whole(tmp_path, "a.jsonl", "jsonl")]))
    assert [row.id for row in rows] == names
