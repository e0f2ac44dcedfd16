"""Documents of all formats, cut into chunks, from listing to vectors: by a worker, and as the plan counts them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.profile import estimate_profile
from launcher.corpus.samples.sampling import sample_corpus
from launcher.corpus.sharding import cut_shards
from tasks.engines.base import Encoder
from tasks.engines.hash_engine import HashEncoder
from tasks.engines.load import load_encoder
from tasks.formats.rows import Columns
from tasks.models.tokenizing.chunk_by import ChunkBy
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.semantic_chunks import splitter_version
from tasks.protocol import manifest
from tasks.protocol.manifest import Header
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.folder import FolderStore
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tasks.worker.monitoring.signals import Signals
from tasks.worker.worker import Worker
from tests.support.documents import pdf, word
from tests.support.runs import NOON, column, header_of, receipts_of

SENTENCES = [f"Sentence {n} is about the number {n}." for n in range(40)]
LIMIT = 48


def documents(folder: Path) -> None:
    folder.mkdir()
    (folder / "Über uns.md").write_text("# About\n\n" + "\n\n".join(SENTENCES))
    (folder / "b.html").write_text(f"<title>Page</title><script>x()</script><p>{'<p>'.join(SENTENCES)}")
    (folder / "c.pdf").write_bytes(pdf(SENTENCES, title="Paper"))
    (folder / "d.docx").write_bytes(word(SENTENCES, title="Memo"))
    (folder / "scan.pdf").write_bytes(pdf([""]))


def embed_all(
    folder: Path, header: Header, encoder: Encoder
) -> dict[str, list[tuple[int, str, list[float]]]]:
    """The chunks of each document, with their text and vector, as a worker wrote them."""
    store, scratch = FolderStore(folder / "out"), folder / "scratch"
    scratch.mkdir()
    heartbeat = Heartbeat(run="run-1", worker="ann", host="here", pid=1, started=NOON)
    Worker(
        store=store,
        header=header,
        name="ann",
        offset=0,
        encoder=encoder,
        heartbeat=HeartbeatWriter(store, heartbeat, 1_000),
        scratch=scratch,
        signals=Signals(),
    ).run()
    found: dict[str, list[tuple[int, str, list[float]]]] = {}
    for key in (key for receipt in receipts_of(store, header) for key, _ in receipt.files):
        path = store.root / key
        rows = zip(*(column(path, name) for name in ("id", "chunk", "text", "vector")), strict=True)
        for name, chunk, text, vector in rows:
            found.setdefault(name, []).append((chunk, text, vector))
    return found


@pytest.mark.parametrize("by", ["sentences", "markdown"])
@pytest.mark.parametrize("model", ["hash", "minilm"])
def test_chunks_of_documents_are_whole_and_as_planned(
    tmp_path: Path, request: pytest.FixtureRequest, model: str, by: ChunkBy
) -> None:
    named = "hash" if model == "hash" else str(request.getfixturevalue("minilm"))
    encoder = HashEncoder() if model == "hash" else load_encoder("torch", named, dtype="float32")
    documents(tmp_path / "in")
    listing = find_files("in", tmp_path)
    columns = Columns("text", None, ("path", "title", "text"))
    spec = replace(ChunkSpec(LIMIT, 0, ""), by=by)
    sampled = sample_corpus(listing, columns, encoder.tokenizer, spec)
    profile = estimate_profile(list(sampled.strata.values()), len(listing.files), listing.bytes)
    shards = list(cut_shards(listing, sampled, 300))
    header = header_of(
        tmp_path / "in",
        len(shards),
        model=named,
        id=None,
        keep=columns.keep,
        tokens=LIMIT,
        overlap=0,
        by=by,
        splitter=splitter_version(by),
    )
    manifest.write(FolderStore(tmp_path / "out"), header, shards)
    found = embed_all(tmp_path, header, encoder)
    assert sorted(found) == ["b.html", "c.pdf", "d.docx", "Über uns.md"]
    assert (profile.documents.mid, profile.bad_rows.mid) == (4, 1)
    assert profile.chunks.mid == sum(map(len, found.values()))
    for name, chunks in found.items():
        assert [number for number, _, _ in chunks] == list(range(len(chunks))), name
        whole = " ".join("".join(text for _, text, _ in chunks).split())
        assert all(sentence in whole for sentence in SENTENCES), name
        assert all(len(encoder.tokenizer.ids([text])[0]) + 2 <= LIMIT for _, text, _ in chunks), name
    _, text, vector = found["c.pdf"][1]
    (ids,) = encoder.tokenizer.ids([text.strip()])
    again = encoder.encode([[*encoder.tokenizer.prefix_ids, *ids, *encoder.tokenizer.suffix_ids]])
    assert np.allclose(again[0], vector, atol=1e-5)
