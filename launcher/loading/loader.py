"""Load a dataset into a vector store: prepare, write the files that it lacks, delete, seal, count.

Whatever is killed in between, the same command goes on where it was. Knows no store: what is exactly once, and how, is
said by the store's guarantee.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from uuid import uuid4

from launcher.errors import Problem
from launcher.format import plural
from launcher.loading.contents import (
    SHA256_SHOWN,
    Action,
    Contents,
    check_columns,
    check_takes_place,
    completed,
    contents_of,
    decide,
    is_done,
)
from launcher.loading.dataset_rows.difference import difference
from launcher.loading.dataset_rows.rows import check_limits
from launcher.loading.dataset_rows.unique_keys import check_unique_keys
from launcher.loading.documents import LoadDocument
from launcher.loading.progress.beginning import read_beginning, write_beginning
from launcher.loading.progress.receipts import read_refused
from launcher.loading.progress.shares import Shares
from launcher.loading.vector_store import (
    FileLimited,
    Key,
    Limited,
    RefusedRow,
    Schema,
    VectorStore,
    WithoutAliases,
    refused_rows,
)
from launcher.loading.writer import LoadPlan, LoadWriter, Progress, files_in
from launcher.sinks.index import HNSW, IndexSpec
from launcher.sinks.targets import NEVER_RUN, SERVICES, Target
from launcher.vectors.read_dataset import Dataset, DatasetFile, open_dataset
from tasks.formats.vectors.vector_file import OWN_COLUMNS

DELETE_ROWS = 10_000  # in one request
NAMED_REFUSED = 20  # that are shown, of the rows that a store refused
SHOWN_ID = 100  # characters
PARALLEL = 2  # files at once; the store is the slower side


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load."""

    index: IndexSpec = HNSW
    since: str | None = None  # the run that the collection holds
    replace: bool = False
    keep: tuple[str, ...] | None = None  # kept columns to load; None: all
    parallel: int = PARALLEL
    load: str | None = None  # the identity of a load that several loaders share: see `shares`


DEFAULTS = LoadOptions()


def nothing_shown(_done: int, _all: int) -> None:
    """Show no progress."""


def plan_load(
    dataset: Dataset, target: Target, store: VectorStore, options: LoadOptions, *, check: bool = True
) -> LoadPlan:
    """What a load would do. Writes nothing.

    `check`: all rows against the limits of the store, which reads them; the count of a collection that is complete.

    Raises:
        Problem: the collection holds another model, another run, or something of others; or there is no such kept column.
    """
    want = contents_of(dataset.header, dataset.dimensions, options.load or uuid4().hex[:12])
    older = None if options.since is None else open_dataset(dataset.output, options.since)
    have = store.contents()
    since = None if older is None else older.run
    again = options.replace and not is_done(have, want)  # or a loader of this very load came first
    action = decide(have, want, since, replace=again, where=target.shown)
    goes_on = None if action is Action.REPLACE else have
    schema = schema_of(dataset, store, columns_to_load(dataset, goes_on, options.keep, target.shown))
    want = replace(want, kept=schema.kept)
    if action is Action.NOTHING:
        assert have is not None
        _check_same_files(dataset, target, store, have)
        if check and target.kind not in SERVICES:  # which count by listing all vectors, at a price
            check_count(store, dataset, target, have.refused)
        return LoadPlan(action, have, schema, (), None)
    if action is not Action.CHANGE:
        files = tuple(file for file in dataset.files if file.rows)
        if check:
            _check(dataset, files, store, schema)
        replaces = have.collection if have is not None and action is Action.REPLACE else None
        return LoadPlan(action, replace(want, replaces=replaces), schema, files, None)
    assert have is not None
    assert older is not None
    files = difference(older, dataset).new
    if check:
        _check(dataset, files, store, schema)
    changed = replace(have, following=dataset.run, load=want.load, kept=have.kept and want.kept)
    return LoadPlan(action, changed, schema, files, older)


def _check(dataset: Dataset, files: Sequence[DatasetFile], store: VectorStore, schema: Schema) -> None:
    if isinstance(store, FileLimited) and len(files) > store.most_files:
        raise Problem(
            f"run {dataset.run} has {len(files):,} files of vectors, and an import takes {store.most_files:,} at most",
            hint="leave ?import= out of the address: the rows go by upserts",
        )
    if isinstance(store, Limited):
        check_limits(dataset, files, store, schema)


def _check_same_files(dataset: Dataset, target: Target, store: VectorStore, have: Contents) -> None:
    """Check that a complete collection holds the files that the dataset lists now: shards may have been tried again.

    Raises:
        Problem: it holds others.
    """
    gone = files_in(store, dataset, have) - {file.sha256 for file in dataset.files}
    gone = {sha256 for sha256 in gone if sha256[:SHA256_SHOWN] not in have.superseded}
    if gone:
        raise Problem(
            f"{target.shown} holds run {dataset.run} from before shards of it were embedded again: "
            f"{plural(len(gone), 'other file')}",
            hint="--replace loads it as it is now",
        )


def columns_to_load(
    dataset: Dataset, have: Contents | None, keep: Sequence[str] | None, where: str
) -> tuple[str, ...] | None:
    """The kept columns of a load: those of the collection that it goes on with, else `keep`; None: all of the dataset.

    Raises:
        Problem: the rows that are there have others.
    """
    if have is None or have.kept is None:
        return None if keep is None else tuple(keep)
    offered = tuple(name for name in have.kept if name in dataset.stored.names)
    check_columns(have, offered if keep is None else tuple(keep), where)
    return have.kept


def schema_of(dataset: Dataset, store: VectorStore, keep: Sequence[str] | None) -> Schema:
    """The columns of a collection for this dataset.

    Raises:
        Problem: the dataset does not have a column of `keep`.
    """
    offered = [name for name in dataset.stored.names if name not in OWN_COLUMNS]
    for name in keep or ():
        if name not in offered:
            raise Problem(
                f"the dataset of run {dataset.run} keeps no column {name!r}",
                hint=f"it keeps {', '.join(offered) or 'none'}; `output.keep` of the job adds others",
            )
    element = store.element(dataset.header.dtype, dataset.dimensions)
    kept = tuple(dict.fromkeys(offered if keep is None else keep))
    return Schema(dataset.dimensions, element, kept, dataset.rows)


def load(
    dataset: Dataset,
    target: Target,
    store: VectorStore,
    options: LoadOptions = DEFAULTS,
    progress: Progress = nothing_shown,
) -> LoadDocument:
    """Load a dataset, or the rest of it; nothing is written where the collection holds the run already.

    Rows that the store refuses are left out and listed: `rows_refused`.

    Raises:
        Problem: see `plan_load`; or the store refuses, or counts other rows than the dataset has.
    """
    asked = _Load(dataset, target, store, options, progress)
    if options.load is not None:
        return _share(asked, options.load)
    plan = plan_load(dataset, target, store, options)
    if plan.action is Action.NOTHING:
        return _document(asked, plan, _refused_before(dataset, plan.contents))
    begun = monotonic()
    work = _prepared(asked, plan)
    written = work.write_files(options.parallel, work.look())
    return _end(asked, plan, work, written, begun)


@dataclass(frozen=True, slots=True)
class _Load:
    """What goes where, and how."""

    dataset: Dataset
    target: Target
    store: VectorStore
    options: LoadOptions
    progress: Progress


def _prepared(asked: _Load, plan: LoadPlan) -> LoadWriter:
    """The writer of a load whose collection is made, or found."""
    replaces = plan.action is Action.REPLACE
    now = asked.store.prepare(plan.contents, plan.schema, asked.options.index, replace=replaces)
    return LoadWriter(asked.dataset, asked.store, plan, now, asked.progress)


def _share(asked: _Load, load: str) -> LoadDocument:
    """Load with other loaders: each file is written by one, and one ends the load. `load`: its identity."""
    begun, dataset, store = monotonic(), asked.dataset, asked.store
    with Shares(dataset.store, dataset.run, load) as shares:
        with shares.alone():
            plan = _shared_plan(asked, load)
            if plan.action is Action.NOTHING:
                return _document(asked, plan, _refused_before(dataset, plan.contents))
            work = _prepared(asked, plan)
        written = work.write_shared(asked.options.parallel, shares)
        if shares.ends(lambda: is_done(store.contents(), completed(work.contents, dataset.run, 0))):
            with shares.alone():  # the look has turned the store to the collection that serves
                _prepared(asked, plan)
            return _end(asked, plan, work, written, begun)
    rows = sum(file.rows for file in written) - work.refused
    return replace(
        _document(asked, plan, _refused_before(dataset, work.contents)),
        files_written=len(written),
        rows_written=rows,
        seconds=round(monotonic() - begun, 3),
    )


def _shared_plan(asked: _Load, load: str) -> LoadPlan:
    """The plan of all loaders of a load: by what served when the first began, whose check of the rows counts for all.

    Raises:
        Problem: another load has taken its place since.
    """
    dataset, target, store, options = asked.dataset, asked.target, asked.store, asked.options
    have, run = store.contents(), dataset.run
    begun = read_beginning(dataset.store, run, load)
    if begun is None:
        plan = plan_load(dataset, target, store, options)
        serving = None if have is None else have.collection
        begun = write_beginning(dataset.store, run, load, serving)
        return plan if begun.serving == serving else _shared_plan(asked, load)
    if not options.replace or have is None or have.collection == begun.serving:
        return plan_load(dataset, target, store, options, check=False)
    if have.run != run or have.following is not None:
        check_takes_place(have, contents_of(dataset.header, dataset.dimensions, load), target.shown)
    return plan_load(dataset, target, store, replace(options, replace=False), check=False)


def _end(
    asked: _Load, plan: LoadPlan, work: LoadWriter, written: Sequence[DatasetFile], begun: float
) -> LoadDocument:
    """Delete what is gone, build the index, compare the count."""
    dataset, store = asked.dataset, asked.store
    seconds = monotonic() - begun
    if work.hashes is not None:
        check_unique_keys(dataset, plan.files, work.hashes)
    deleted, superseded = work.delete(), work.delete_superseded()
    receipts = work.receipts()
    refused = [row for receipt in receipts for row in refused_rows(receipt)]
    held = dataset.rows - len(refused)
    kept_as = store.seal(completed(work.contents, dataset.run, held, len(refused), superseded), receipts)
    check_count(store, dataset, asked.target, len(refused))
    rows = sum(file.rows for file in written) - work.refused
    return replace(
        _document(asked, plan, refused),
        files_written=len(written),
        rows_written=rows,
        rows_deleted=deleted,
        read_as=store.read_as() if isinstance(store, WithoutAliases) else None,
        kept_as=kept_as,
        seconds=round(monotonic() - begun, 3),
        rows_per_second=round(rows / seconds, 1) if rows and seconds else None,
    )


def _document(asked: _Load, plan: LoadPlan, refused: Sequence[RefusedRow]) -> LoadDocument:
    """The document of a load that has written nothing."""
    dataset, target, store = asked.dataset, asked.target, asked.store
    return LoadDocument(
        run=dataset.run,
        output=dataset.output,
        to=target.shown,
        store=target.kind,
        guarantee=store.guarantee,
        action=plan.action.value,
        since=plan.older and plan.older.run,
        files=len(dataset.files),
        files_written=0,
        rows=dataset.rows,
        rows_written=0,
        rows_deleted=0,
        index=store.describe_index(plan.schema, asked.options.index),
        rows_refused=len(refused),
        refused=tuple(
            f"{row.id[:SHOWN_ID]}{'...' if len(row.id) > SHOWN_ID else ''}:{row.chunk}: {row.reason}"
            for row in refused[:NAMED_REFUSED]
        ),
        read_as=None,
        kept_as=None,
        seconds=0.0,
        rows_per_second=None,
        check=None,
        notes=tuple(note for note in [NEVER_RUN.get(target.kind)] if note),
    )


def _refused_before(dataset: Dataset, have: Contents) -> list[RefusedRow]:
    """The rows that a collection lacks, which holds the run."""
    return read_refused(dataset.store, dataset.run, have.load) if have.refused else []


def check_count(store: VectorStore, dataset: Dataset, target: Target, refused: int = 0) -> None:
    """Compare the store's own count with the dataset's, without the rows that it refused.

    Raises:
        Problem: they differ.
    """
    found = store.count()
    if found != dataset.rows - refused:
        without = f", of which it refused {refused:,}" if refused else ""
        raise Problem(
            f"{target.shown} counts {found:,} rows, and run {dataset.run} has {dataset.rows:,}{without}",
            hint="documents with one id are one row: `embedfleet verify` names them; else something else writes there: "
            "--replace loads it anew",
        )


def write_some(
    dataset: Dataset,
    store: VectorStore,
    contents: Contents,
    schema: Schema,
    *,
    parallel: int,
    again: bool,
    progress: Progress,
) -> None:
    """Write all files of a part of a dataset, of a run that goes on; `load` writes the rest and ends the load."""
    _check(dataset, dataset.files, store, schema)
    plan = LoadPlan(Action.CREATE, contents, schema, dataset.files, None)
    work = LoadWriter(dataset, store, plan, contents, progress)
    work.expect(again=again)
    work.write_files(parallel, ())


def keys_text(keys: Sequence[Key]) -> tuple[str, ...]:
    """Keys as they are shown."""
    return tuple(f"{key.id}:{key.chunk}" for key in keys)
