"""What `embedfleet verify` found: the document of `verify --json`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was checked and what is wrong, as `verify --json` prints it.

    A finished run without faults is complete and right.
    """

    schema: str = "embedfleet/verify/1"
    run: str
    shards: int
    shards_done: int
    documents: int
    rows: int
    failed_rows: int
    failed_shards: tuple[str, ...]  # of which nothing was embedded, with the reason
    resampled: int  # rows embedded again
    worst_cosine: float | None  # of those; None where no row was embedded again
    fault_count: int
    faults: tuple[str, ...]  # the first 20
    shards_taken_over: int = 0  # from earlier runs; `documents` and `rows` have theirs, too
    input_rows: int | None = (
        None  # counted by another way than the reader; None where a file cannot be counted so
    )
    compared_with: str | None = None  # what embedded the sample again; None where nothing did
    model_fingerprint: str | None = None  # None: `hash`, or a run of a version that did not record it
    notes: tuple[str, ...] = ()  # what is no fault, and worth knowing
    finished: bool = True  # False: shards without a receipt are still to be embedded, and are no faults
