"""The repeats run: texts that a corpus has more than once are embedded first, each once, for all workers of a run.

It is a run of its own below the output path, with a manifest, leases and receipts like any other, so whatever is killed
or comes back late is handled as for any other. Its name is that of its run with a suffix. Its corpus are files of
these texts that the launcher wrote, and its vectors are float32, so that they are stored in the run's own type exactly as
if they had been embedded there. Workers finish it before they claim a shard of the run itself; then they find the
vectors by the hash of what the model reads (`tasks.engines.batches.piece_hash`).

Its rows are in no dataset. What of it is gone or damaged costs time and never gives a wrong vector: those texts are
embedded with their shards.
"""

from dataclasses import replace

from tasks.protocol.keys import repeats_run
from tasks.protocol.manifest import Header

TEXT = "text"  # the key of a text in its line


def repeats_header(header: Header, output: str, shards: int) -> Header:
    """The header of the repeats run of a run whose output path is `output`. Keys of its files are relative to that."""
    return replace(
        header,
        run=repeats_run(header.run),
        corpus=output,
        text=TEXT,
        id=None,
        keep=(),
        csv=None,
        join=None,
        dtype="float32",
        shards=shards,
        text_hash=True,
        reuse=False,
        readers={},
        repeats=False,
    )
