"""The stage before the shards, in this process: what it saves, and what becomes of a repeats run that is damaged."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from launcher.corpus.repeat_counts import TextSize
from tasks.engines.base import Vectors
from tasks.engines.batches.piece_hash import piece_hash
from tasks.engines.hash_engine import HashEncoder
from tasks.models.files import HASH_DIMENSIONS
from tasks.protocol import manifest
from tasks.protocol.dtypes import Dtype
from tasks.protocol.keys import manifest_header_key, manifest_slab_key, repeats_run
from tasks.protocol.lease import MAX_CRASHES, claim, release
from tasks.protocol.manifest import Header
from tasks.stores.folder import FolderStore
from tests.support.repeated_corpus import launch_repeated, repeated_corpus, repeated_pieces, rows_out
from tests.support.runs import NOON, launch, receipts_of
from tests.support.workers import make_worker


class Counting(HashEncoder):
    """Counts the pieces that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = Counter[str]()

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.pieces.update(piece_hash(piece).hex() for piece in ids)
        return super().encode(ids)


def work(store: FolderStore, header: Header, folder: Path) -> Counter[str]:
    """One worker's work on a run: what its engine was given, and how often."""
    engine = Counting()
    make_worker(store, header, folder / "scratch", engine).run()
    return engine.pieces


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_rows_are_those_of_a_run_that_embeds_every_text(tmp_path: Path, dtype: Dtype) -> None:
    texts = repeated_corpus(tmp_path / "in")
    store, plain = FolderStore(tmp_path / "out"), FolderStore(tmp_path / "plain")
    header = launch_repeated(store, tmp_path / "in", dtype=dtype)
    work(store, header, tmp_path)
    without = launch(plain, tmp_path / "in", 6, dtype=dtype, once=False)
    counts = work(plain, without, tmp_path)
    assert max(counts.values()) > 1
    expected, found = rows_out(plain, without), rows_out(store, header)
    assert found.keys() == texts.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_receipts_count_what_was_not_embedded_again(tmp_path: Path) -> None:
    repeated_corpus(tmp_path / "in")
    store = FolderStore(tmp_path / "out")
    header = launch_repeated(store, tmp_path / "in")
    pieces = work(store, header, tmp_path)
    assert set(pieces.values()) <= {1, 2}  # 2: the plain word with which the engine is checked
    own, before = (
        receipts_of(store, header),
        receipts_of(store, manifest.read_header(store, repeats_run(header.run))),
    )
    embedded = sum(one.tokens - one.tokens_repeated for one in (*own, *before))
    whole = sum(one.tokens for one in own)
    assert 0 < embedded < whole
    assert sum(one.documents for one in own) == 600


def start_again(store: FolderStore, header: Header) -> None:
    """Forget what was done of a run, and nothing of its repeats run."""
    for prefix in ("receipts", "leases"):
        for path in (store.root / "_embedfleet" / header.run / prefix).rglob("*"):
            if path.is_file():
                path.unlink()


def damage_repeats_run(store: FolderStore, run: str, damage: str) -> None:
    folder = store.root / "_embedfleet" / run
    match damage:
        case "header gone":
            store.erase(manifest_header_key(run))
        case "header damaged":
            store.put(manifest_header_key(run), b"{")
        case "slab gone":
            store.erase(manifest_slab_key(run, 0))
        case "vectors damaged":
            for path in (folder / "vectors").iterdir():
                path.write_bytes(b"PAR1")
        case _:
            for path in (folder / damage.split(maxsplit=1)[0]).iterdir():
                path.unlink()


@pytest.mark.parametrize(
    "damage", ["header gone", "header damaged", "slab gone", "texts gone", "vectors gone", "vectors damaged"]
)
def test_a_damaged_repeats_run_costs_time_and_no_row(tmp_path: Path, damage: str) -> None:
    texts = repeated_corpus(tmp_path / "in")
    store = FolderStore(tmp_path / "out")
    header = launch_repeated(store, tmp_path / "in")
    if damage.startswith("vectors"):
        work(store, header, tmp_path)
        start_again(store, header)
    damage_repeats_run(store, repeats_run(header.run), damage)
    pieces = work(store, header, tmp_path)
    assert pieces.keys() >= repeated_pieces(texts).keys()
    assert rows_out(store, header).keys() == texts.keys()


def test_vectors_of_another_model_are_not_used(tmp_path: Path) -> None:
    texts = repeated_corpus(tmp_path / "in")
    store = FolderStore(tmp_path / "out")
    header = launch_repeated(store, tmp_path / "in", model_fingerprint="sha256:1")
    other = launch_repeated(store, tmp_path / "in", run="run-2", model_fingerprint="sha256:2")
    work(store, header, tmp_path)
    for key in ("vectors", "receipts"):  # somebody copied the vectors of one run into the other
        for path in (store.root / "_embedfleet" / repeats_run(header.run) / key).rglob("*"):
            if path.is_file():
                copy = Path(str(path).replace(repeats_run(header.run), repeats_run(other.run)))
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(
                    path.read_bytes().replace(header.run.encode(), other.run.encode())
                    if path.suffix == ".json"
                    else path.read_bytes()
                )
    pieces = work(store, other, tmp_path)
    assert pieces.keys() >= repeated_pieces(texts).keys()


def test_texts_that_crash_workers_are_left_to_their_shards(tmp_path: Path) -> None:
    texts = repeated_corpus(tmp_path / "in")
    store = FolderStore(tmp_path / "out")
    header = launch_repeated(store, tmp_path / "in")
    own = manifest.read_header(store, repeats_run(header.run))
    for shard in manifest.all_shards(store, own):
        for generation in range(1, MAX_CRASHES + 1):
            lease = claim(store, own.run, shard, generation, "dead", NOON)
            assert lease
            release(store, lease.key, died_at=f"{generation:08x}")
    pieces = work(store, header, tmp_path)
    assert pieces.keys() >= repeated_pieces(texts).keys()
    assert rows_out(store, header).keys() == texts.keys()
    assert all(one.fault for one in receipts_of(store, own))


def test_only_as_many_vectors_as_fit_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.corpus.repeat_counts.MOST_VECTOR_BYTES", 10 * 4 * HASH_DIMENSIONS)
    texts = repeated_corpus(tmp_path / "in")
    store = FolderStore(tmp_path / "out")
    size = TextSize(tokens_per_character=0.2, limit=512, chunked=False, dimensions=HASH_DIMENSIONS)
    header = launch_repeated(store, tmp_path / "in", size=size)
    work(store, header, tmp_path)
    before = receipts_of(store, manifest.read_header(store, repeats_run(header.run)))
    assert sum(one.chunks for one in before) == 10
    assert rows_out(store, header).keys() == texts.keys()
