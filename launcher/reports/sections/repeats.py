"""What the repeats run of a run has done, for the report of the run. Pure.

Its time was paid for and useful, and its tokens were embedded, but it has no rows and is in no ledger.
"""

from dataclasses import dataclass

from launcher.costs.usage.work_done import Stretch
from launcher.output.repeats_run import RepeatsReceipts


@dataclass(frozen=True, slots=True)
class RepeatsDone:
    """Sums over the receipts of a repeats run.

    Attributes:
        chunks: vectors that it made, each of a text that the corpus has more than once.
        tokens: that the model read for them.
        stretches: when its workers worked.
    """

    shards: int
    shards_done: int
    chunks: int
    tokens: int
    stretches: tuple[Stretch, ...]


def repeats_done(found: RepeatsReceipts) -> RepeatsDone:
    """The sums over these receipts."""
    receipts = found.receipts
    own = [Stretch(one.worker, one.started, one.finished) for one in receipts]
    earlier = [Stretch(file.worker, file.started, file.finished) for one in receipts for file in one.earlier]
    return RepeatsDone(
        shards=found.shards,
        shards_done=len(receipts),
        chunks=sum(one.chunks for one in receipts),
        tokens=sum(one.tokens - one.tokens_repeated for one in receipts),
        stretches=(*own, *earlier),
    )
