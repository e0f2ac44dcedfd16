"""Which pieces go through the model together: sorted by length, so that almost nothing is padding.

Pure. A batch costs its count times its longest piece.
"""

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of pieces, longest first, each batch within `budget` padded tokens (a longer piece goes alone).

    Longest first, so that too large a budget fails on the first batch and not after an hour.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
