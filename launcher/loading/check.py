"""Compare a vector store with its dataset: every row counted, some compared number by number, some searched.

A row that finds an equal vector first has found itself: texts that occur twice have the same vector. Recall counts a hit
when it is as near as the tenth nearest, so that ties do not count as misses.
"""

import random
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from launcher.errors import Problem
from launcher.loading.contents import Contents, contents_of, other_space
from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.documents import LoadCheck
from launcher.loading.loader import keys_text, schema_of
from launcher.loading.progress.receipts import read_refused
from launcher.loading.vector_store import Element, Key, Schema, Vectors, VectorStore
from launcher.sinks.targets import Target
from launcher.vectors.read_dataset import Dataset, DatasetFile

FETCHED, SEARCHED, QUERIES, NEAREST = 256, 64, 100, 10
SAMPLED_FILES = 16  # that rows are read from; a sample over all files would read all of them
OWN_SEARCH_NUMBERS = (
    2 * 10**9
)  # rows x dimensions up to which our own search looks through all rows: seconds a query set
TOLERANCE = 1e-5  # of a cosine: stores add the products in another order
NAMED = 3


@dataclass(frozen=True, slots=True)
class _Sample:
    keys: list[Key]
    vectors: Vectors


def check_store(
    dataset: Dataset,
    target: Target,
    store: VectorStore,
    keep: Sequence[str] | None = None,
    *,
    seed: int = 0,
    step: Callable[[str], None] = lambda _text: None,
) -> LoadCheck:
    """Compare the collection with the dataset. Writes nothing.

    Raises:
        Problem: there is no collection, it is not complete, or it holds another run.
    """
    have = _check_contents(store.contents(), dataset, target)
    refused = {
        Key(row.id, row.chunk)
        for row in (read_refused(dataset.store, dataset.run, have.load) if have.refused else ())
    }
    schema = schema_of(dataset, store, keep)
    step("counting")
    rows = store.count()
    sample = _sample(dataset, schema, random.Random(seed), refused)  # noqa: S311 - a sample, not a secret
    step("comparing rows")
    different = _different(store, sample)
    step("searching")
    not_first = _not_first(store, sample, schema.element)
    own = _recall_beside_ours(dataset, schema, store, sample)
    if store.exact_search:
        enough = dataset.rows > NEAREST and bool(sample.keys)
        recall = _recall_of_index(store, sample, schema.element) if enough else None
    else:
        recall, own = own, None
    expected = dataset.rows - len(refused)
    faults = tuple(_faults(rows, expected, different, not_first))
    return LoadCheck(
        rows=rows,
        expected=expected,
        fetched=len(sample.keys),
        different=keys_text(different),
        searched=min(SEARCHED, len(sample.keys)),
        not_first=keys_text(not_first),
        recall_at_10=recall,
        exact_recall_at_10=own,
        faults=faults,
    )


def _check_contents(have: Contents | None, dataset: Dataset, target: Target) -> Contents:
    run = dataset.run
    if have is None:
        raise Problem(f"{target.shown} is not there", hint=f"embedfleet load {run} --to ... loads it")
    wrong = other_space(have, contents_of(dataset.header, dataset.dimensions, ""))
    if wrong is not None:
        raise Problem(f"{target.shown} holds {wrong}", hint="name the table of this run")
    if have.following is not None or not have.complete:
        raise Problem(
            f"{target.shown} is not loaded to its end",
            hint=f"the load of run {have.following or have.run} goes on by the same command",
        )
    if have.run != run:
        raise Problem(
            f"{target.shown} holds run {have.run}, and not {run}",
            hint=f"--since {have.run} loads the difference",
        )
    return have


def _faults(rows: int, expected: int, different: Sequence[Key], not_first: Sequence[Key]) -> list[str]:
    faults: list[str] = []
    if rows != expected:
        faults.append(f"it counts {rows:,} rows, and is to have {expected:,}")
    if different:
        names = ", ".join(keys_text(different)[:NAMED])
        faults.append(f"{len(different):,} sampled rows are missing or have other numbers: {names}")
    if not_first:
        names = ", ".join(keys_text(not_first)[:NAMED])
        faults.append(f"{len(not_first):,} sampled rows do not find themselves by an exact search: {names}")
    return faults


def _sample(dataset: Dataset, schema: Schema, chance: random.Random, without: AbstractSet[Key]) -> _Sample:
    """Rows of a few files, in the order of the corpus; none of `without`."""
    files = [file for file in dataset.files if file.rows]
    chosen = sorted(chance.sample(range(len(files)), min(SAMPLED_FILES, len(files))))
    rows = sum(files[number].rows for number in chosen)
    places = sorted(chance.sample(range(rows), min(FETCHED, rows)))
    keys: list[Key] = []
    vectors: list[Vectors] = []
    first = 0
    for number in chosen:
        _take(dataset, files[number], schema, [place - first for place in places], keys, vectors)
        first += files[number].rows
    there = [place for place, key in enumerate(keys) if key not in without]
    none = np.zeros((0, 0), np.float32)  # no row, or the store refused all of them
    return _Sample(
        [keys[place] for place in there],
        np.stack([vectors[place] for place in there]) if there else none,
    )


def _take(
    dataset: Dataset,
    file: DatasetFile,
    schema: Schema,
    places: Sequence[int],
    keys: list[Key],
    vectors: list[Vectors],
) -> None:
    """Add the rows of a file at these places; those before and behind it are of others."""
    wanted = [place for place in places if 0 <= place < file.rows]
    first = 0
    for rows in rows_of(dataset, file, Schema(schema.dimensions, schema.element, (), 0)) if wanted else ():
        for place in wanted:
            if first <= place < first + len(rows):
                keys.append(Key(rows.ids[place - first], rows.chunks[place - first]))
                vectors.append(rows.vectors[place - first])
        first += len(rows)


def _different(store: VectorStore, sample: _Sample) -> list[Key]:
    found = store.fetch(sample.keys)
    return [
        key
        for key, vector in zip(sample.keys, sample.vectors, strict=True)
        if key not in found or found[key].tobytes() != vector.tobytes()
    ]


def _not_first(store: VectorStore, sample: _Sample, element: Element) -> list[Key]:
    """The rows that neither the index nor an exact search finds first, and that no equal vector stands before."""
    missing: list[Key] = []
    for key, vector in list(zip(sample.keys, sample.vectors, strict=True))[:SEARCHED]:
        for exact in (False, True):
            hits = store.search(vector, 1, exact=exact)
            if hits and (hits[0] == key or _nearness_of(store, hits, vector, element)[0] >= 1 - TOLERANCE):
                break
        else:
            missing.append(key)
    return missing


def _recall_of_index(store: VectorStore, sample: _Sample, element: Element) -> float:
    """The share of the nearest ten that the index finds, beside the store's own exact search."""
    shares: list[float] = []
    for vector in sample.vectors[:QUERIES]:
        exact = _nearness_of(store, store.search(vector, NEAREST, exact=True), vector, element)
        found = _nearness_of(store, store.search(vector, NEAREST, exact=False), vector, element)
        if exact.size:
            shares.append(float((found >= exact.min() - TOLERANCE).sum() / exact.size))
    return round(float(np.mean(shares)), 4) if shares else 0.0


def _recall_beside_ours(
    dataset: Dataset, schema: Schema, store: VectorStore, sample: _Sample
) -> float | None:
    """The share of the nearest ten of all rows, found by ourselves, that the store finds, exactly where it can."""
    too_many = dataset.rows * dataset.dimensions > OWN_SEARCH_NUMBERS
    if too_many or dataset.rows <= NEAREST or not sample.keys:
        return None
    queries = sample.vectors[:QUERIES]
    best = np.full((len(queries), NEAREST), -np.inf, np.float32)
    bare = Schema(schema.dimensions, schema.element, (), 0)
    for file in dataset.files:
        for rows in rows_of(dataset, file, bare) if file.rows else ():
            scores = nearness(queries, rows.vectors, schema.element)
            both = np.hstack([best, scores])
            best = -np.partition(-both, NEAREST - 1, axis=1)[:, :NEAREST]
    shares = [
        float(
            (
                _nearness_of(
                    store, store.search(query, NEAREST, exact=store.exact_search), query, schema.element
                )
                >= row.min() - TOLERANCE
            ).sum()
        )
        / NEAREST
        for query, row in zip(queries, best, strict=True)
    ]
    return round(float(np.mean(shares)), 4)


def _nearness_of(store: VectorStore, keys: Sequence[Key], vector: Vectors, element: Element) -> Vectors:
    """How near the stored vectors of these keys are, in their order."""
    found = store.fetch(keys)
    if not all(key in found for key in keys):
        return np.zeros(0, np.float32)
    return (
        nearness(vector[None, :], np.stack([found[key] for key in keys]), element)[0] if keys else np.zeros(0)
    )


def nearness(queries: Vectors, vectors: Vectors, element: Element) -> Vectors:
    """Cosines, of bits as 1 and -1; 1 is the same vector. It is [queries, vectors]."""
    if element == "bits":
        queries, vectors = (
            2 * np.unpackbits(each, axis=1).astype(np.float32) - 1 for each in (queries, vectors)
        )
    left, right = queries.astype(np.float32), vectors.astype(np.float32)
    lengths = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)[None, :]
    return (left @ right.T) / np.where(lengths > 0, lengths, 1)
