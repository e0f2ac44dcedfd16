"""Which runs an output path holds."""

from collections.abc import Iterator

from tasks.protocol.keys import DOCTOR_FOLDER, REPEATS_SUFFIX, RUNS_PREFIX, run_of, run_root
from tasks.stores.base import Store

AFTER_RUN = "/~"  # sorts behind every key of a run


def runs_of(store: Store) -> Iterator[str]:
    """The names of all runs under an output path, one list request each. A repeats run is part of its run, and no run."""
    after = ""
    while page := store.list(RUNS_PREFIX, after):
        name = run_of(page[0].key)
        in_folder = page[0].key.count("/") > 1  # a file beside the runs is none of ours
        if in_folder and name != DOCTOR_FOLDER and not name.endswith(REPEATS_SUFFIX):
            yield name
        after = run_root(name) + AFTER_RUN if in_folder else page[0].key
