"""The texts of hits, read again from the run's corpus: never another text than that of the vector.

Where the output has `text_hash`, a text counts only if it gives that hash; where it has none, only if the file is the
version that was embedded and no other document of the shard has this id.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from launcher.vectors.read_dataset import Dataset
from launcher.vectors.shard_texts import HitPlace, HitText, PieceCutter, ShardTexts
from tasks.errors import Problem
from tasks.models.tokenizing.tokenizer import PieceTokenizer
from tasks.protocol import manifest
from tasks.protocol.manifest import Header
from tasks.protocol.shard import SLAB, Shard
from tasks.stores.open import open_store
from tasks.worker.reading.input_rows import columns_of
from tasks.worker.reading.windows import cut_of

MOST_BYTES = 2**28  # of the corpus, read in search of documents whose place in their shard is not known


def texts_of_hits(
    dataset: Dataset, tokenizer: PieceTokenizer, hits: Sequence[HitPlace], most_bytes: int = MOST_BYTES
) -> list[HitText]:
    """The text of each hit, or why it has none: ids and scores stand without texts, so nothing is raised.

    Args:
        dataset: that the hits are of.
        tokenizer: of the run's model.
        hits: rows of the dataset.
        most_bytes: of the corpus that are read where the place of a document is not known.
    """
    found = [HitText()] * len(hits)
    shards: dict[tuple[str, int], list[int]] = {}
    for n, hit in enumerate(hits):
        shards.setdefault((hit.file.run, hit.file.position), []).append(n)
    manifests = _Manifests(dataset)
    for (run, position), numbers in shards.items():
        asked = [hits[n] for n in numbers]
        try:
            header, shard = manifests.shard(run, position, asked[0].file.shard)
            reader = ShardTexts(
                corpus=open_store(header.corpus),
                columns=replace(columns_of(header), keep=()),
                shard=shard,
                cutter=PieceCutter(tokenizer, cut_of(header)),
                most_bytes=most_bytes,
            )
            texts = reader.of(asked)
            most_bytes = reader.most_bytes
        except (Problem, OSError) as error:
            texts = [HitText(missing=str(error))] * len(asked)
        for n, text in zip(numbers, texts, strict=True):
            found[n] = text
    return found


@dataclass(slots=True)
class _Manifests:
    """Manifests that were read: of the run, and of the earlier ones whose shards its dataset has."""

    dataset: Dataset
    headers: dict[str, Header] = field(default_factory=dict[str, Header])
    slabs: dict[tuple[str, int], list[Shard]] = field(default_factory=dict[tuple[str, int], list[Shard]])

    def shard(self, run: str, position: int, name: str) -> tuple[Header, Shard]:
        """A shard of a run, whose corpus can be reached from here.

        Raises:
            Problem: it cannot, or the manifest has another shard there.
        """
        store = self.dataset.store
        if run not in self.headers:
            self.headers[run] = manifest.read_header(store, run)
        header = self.headers[run]
        manifest.check_corpus_reachable(header)
        key = (run, position // SLAB)
        if key not in self.slabs:
            self.slabs[key] = manifest.read_slab(store, *key, header.shards)
        place = position % SLAB
        shard = self.slabs[key][place] if place < len(self.slabs[key]) else None
        if shard is None or shard.id != name:
            raise Problem(
                f"the manifest of run {run} does not have shard {name}", hint=f"embedfleet verify {run}"
            )
        return header, shard
