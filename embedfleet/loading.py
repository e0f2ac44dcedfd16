"""Load the vectors of a run into a vector store, as `embedfleet load` does."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace as changed
from os import fspath

from embedfleet.commands import Path
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.documents import LoadDocument
from launcher.loading.loader import LoadOptions, load
from launcher.sinks.index import parse_index
from launcher.sinks.targets import parse_target
from launcher.vectors.read_dataset import open_dataset


def load_into(
    output: Path,
    to: str,
    run: str | None = None,
    *,
    since: str | None = None,
    replace: bool = False,
    index: str = "hnsw",
    keep: Sequence[str] | None = None,
    secret: str | None = None,
    verify: bool = False,
) -> LoadDocument:
    """Load the rows of one dataset into a vector store, each exactly once; after a failure, call it again.

    Args:
        output: the output path of the job: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX.
        to: the address of the store, such as postgresql://HOST/DATABASE?table=docs, or a path that ends in .lance.
        run: its name or the beginning of it; None: the newest, where all runs there were made by the same settings.
        since: the run that the store holds: only the difference is written and deleted.
        replace: load beside the collection that is there, and take its place.
        index: hnsw, hnsw,m=32,ef_construction=128, or none.
        keep: kept columns to load; None: all.
        secret: the name of the environment variable with the password; never its value.
        verify: compare the store with the dataset afterwards: `.check`, whose `faults` is empty where it is right.

    Returns:
        What was done; `action` is "nothing" where the store holds the run already.

    Raises:
        Problem: the store refuses, holds another model, or cannot be reached. `.hint` says what to try.
    """
    target = parse_target(to)
    kept = None if keep is None else tuple(keep)
    options = LoadOptions(index=parse_index(index), since=since, replace=replace, keep=kept)
    dataset = open_dataset(fspath(output), run)
    with closing(connect(target, secret)) as store:
        found = load(dataset, target, store, options)
        return changed(found, check=check_store(dataset, target, store, kept)) if verify else found
