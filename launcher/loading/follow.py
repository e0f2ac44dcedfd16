"""Load a run while it goes on: the files of each shard once it has its receipt, and the rest when the run is done.

It only reads what workers have finished, so that a slow store holds up nothing. While the store is away, it waits and
tries again, and says so beside the run (`load_status`). Exactly once as with `load`, which ends every load here too: it
writes what is left, builds the index and counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic, sleep
from uuid import uuid4

from launcher.documents.load_status import LoadState, LoadStatus
from launcher.errors import Problem, Usage
from launcher.format import plural
from launcher.loading.contents import Contents, contents_of, is_part_of, other_space
from launcher.loading.dataset_rows.committed import CommittedFiles
from launcher.loading.documents import LoadDocument
from launcher.loading.loader import (
    LoadOptions,
    columns_to_load,
    files_in,
    load,
    schema_of,
    write_some,
)
from launcher.loading.progress.load_status import write_load_status
from launcher.loading.vector_store import VectorStore
from launcher.sinks.targets import Target
from launcher.vectors.read_dataset import Dataset, DatasetFile
from tasks.clock import utc
from tasks.protocol.keys import dataset_key
from tasks.stores.folder import FolderStore

FOLDER_POLL, BUCKET_POLL = 2.0, 15.0  # seconds between two looks at the receipts
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0  # before a store that failed is tried again
PATIENCE = 60.0  # that a store may fail without any progress, once the run is done
STATUS_SECONDS = 5.0  # between two states that only differ in their counts


@dataclass(slots=True)
class Follower:
    """One loader of one run.

    Attributes:
        committed: the run's files.
        target: where they go.
        connect: opens the store; called again after each failure.
        options: how to load; `since` and `replace` are decided here.
        say: prints a line when something changed.
        wanted: whether to go on; asked before each look.
    """

    committed: CommittedFiles
    target: Target
    connect: Callable[[], VectorStore]
    options: LoadOptions
    say: Callable[[str], None]
    wanted: Callable[[], bool]
    pause: Callable[[float], None] = sleep
    clock: Callable[[], float] = monotonic
    now: Callable[[], datetime] = utc
    _store: VectorStore | None = None
    _contents: Contents | None = None  # of the collection that is being filled
    _done: dict[str, int] = field(
        default_factory=dict[str, int]
    )  # rows by SHA-256 of the files that are there
    _looked: bool = False  # whether `_done` is what the store has
    _written: tuple[LoadState, str | None] | None = None  # state and error that were last told
    _written_at: float = 0.0
    _ended: bool = False
    _furthest: int = 0  # rows that were there at most since the run is done
    _progress_at: float = 0.0  # when that rose, or the run was seen to be done

    def follow(self) -> LoadDocument | None:
        """Load until all of the run is there; None where it is not wanted any more.

        Raises:
            Usage: the client of the store is missing, or its secret.
            Problem: the run is done, and the store has failed for PATIENCE.
        """
        wait, ended = FIRST_WAIT, None
        try:
            while self.wanted():
                try:
                    self.committed.read()
                    ended = self.committed.ended()
                    if ended is not None:
                        return self._finish(ended)
                    self._load_new()
                except Usage:
                    raise
                except Problem as problem:
                    self._failed(problem, ended, wait)
                    self.pause(wait)
                    wait = min(LONGEST_WAIT, 2 * wait)
                else:
                    wait = FIRST_WAIT
                    self.pause(self._poll())
            return None
        finally:
            self._disconnect()

    def _poll(self) -> float:
        return FOLDER_POLL if isinstance(self.committed.store, FolderStore) else BUCKET_POLL

    def _load_new(self) -> None:
        """Load the files that came since the last look, where the collection is this run's to fill."""
        files = self.committed.files()
        new = [file for file in files if file.sha256 not in self._done]
        part = self.committed.dataset(new) if new else None
        if part is None or not self._is_begun(part, files):
            self._tell("waiting", files)
            return
        new = [file for file in new if file.sha256 not in self._done]  # it may have some of an earlier loader
        if not new:
            self._tell("waiting", files)
            return
        store, contents = self._store, self._contents
        assert store is not None
        assert contents is not None
        again = bool(self._done.keys() - {file.sha256 for file in files})
        before = sum(self._done.values())
        self._tell("loading", files)
        write_some(
            replace(part, files=tuple(new)),
            store,
            contents,
            schema_of(part, store, contents.kept),
            parallel=self.options.parallel,
            again=again,
            progress=lambda done, _all: self._tell("loading", files, loaded=before + done),
        )
        self._done |= {file.sha256: file.rows for file in new}
        self._tell("waiting", files)

    def _is_begun(self, part: Dataset, files: list[DatasetFile]) -> bool:
        """Make the collection, or go on with it. False: it holds something, which is changed when the run is done.

        Raises:
            Problem: it holds vectors of another model.
        """
        if self._contents is not None:
            return True
        store = self._connected()
        have = store.contents()
        want = contents_of(part.header, part.dimensions, uuid4().hex[:12])
        if have is not None and not is_part_of(have, want.run):
            if wrong := other_space(have, want):
                raise Problem(
                    f"{self.target.shown} holds {wrong}",
                    hint="vectors of two models cannot be compared: name another table, or drop this one",
                )
            return False
        keep = columns_to_load(part, have, self.options.keep, self.target.shown)
        schema = schema_of(part, store, keep)
        want = replace(want, kept=schema.kept)
        self._contents = store.prepare(want, schema, self.options.index, replace=False)
        there = files_in(store, part, self._contents)
        rows = {file.sha256: file.rows for file in files}
        self._done = {sha256: rows.get(sha256, 0) for sha256 in there}
        self._looked = True
        return True

    def _finish(self, ended: Dataset) -> LoadDocument:
        """Load what is left; build the index; count."""
        if not self._ended:
            self._ended, self._progress_at = True, self.clock()
        store, files = self._connected(), [file for file in ended.files if file.rows]
        have = store.contents()
        since = None
        if have is not None and have.run != ended.run and ended.store.list(dataset_key(have.run)):
            since = have.run
        self._tell("finishing", files)

        def progress(done: int, _all: int) -> None:
            if done > self._furthest:
                self._furthest, self._progress_at = done, self.clock()
            self._tell("finishing", files, loaded=done)

        found = load(ended, self.target, store, replace(self.options, since=since, replace=False), progress)
        self._tell("done", files, loaded=ended.rows - found.rows_refused)
        return found

    def _connected(self) -> VectorStore:
        if self._store is None:
            self._store = self.connect()
        return self._store

    def _disconnect(self) -> None:
        """Close the connection, which may be broken; what is there is asked for again after the next one."""
        if self._store is not None:
            store, self._store = self._store, None
            store.close()
        self._contents = None

    def _failed(self, problem: Problem, ended: Dataset | None, wait: float) -> None:
        """Tell that the store, or the output path, cannot be used.

        Raises:
            Problem: the run is done, and nothing was loaded for PATIENCE.
        """
        self._disconnect()
        self._tell("away", list(ended.files) if ended else self.committed.files(), problem=problem, wait=wait)
        if ended is not None and self.clock() - self._progress_at >= PATIENCE:
            raise problem

    def _tell(
        self,
        state: LoadState,
        files: list[DatasetFile],
        *,
        loaded: int | None = None,
        problem: Problem | None = None,
        wait: float = 0.0,
    ) -> None:
        """Write the state beside the run when it changed, else now and then; say what changed."""
        error = None if problem is None else str(problem)
        changed = self._written != (state, error)
        if not changed and self.clock() - self._written_at < STATUS_SECONDS:
            return
        rows = sum(file.rows for file in files)
        there = loaded
        if loaded is None and (self._looked or not rows):
            there = sum(self._done.values())
        there = None if there is None else min(rows, there)
        if changed:
            self._say(state, error, None if there is None else rows - there, wait)
        self._written, self._written_at = (state, error), self.clock()
        status = LoadStatus(
            to=self.target.shown,
            store=self.target.kind,
            state=state,
            at=self.now(),
            rows=rows,
            rows_loaded=there,
            error=error,
            hint=problem and problem.hint,
        )
        try:
            write_load_status(self.committed.store, self.committed.header.run, status)
        except Problem:
            self._written = None  # it is written at the next look

    def _say(self, state: LoadState, error: str | None, behind: int | None, wait: float) -> None:
        was = self._written and self._written[0]
        rows = "" if behind is None else f": {plural(behind, 'row')}"
        if error is not None:
            rest = "" if self._ended else "; embedding goes on"
            self.say(f"{error}: the load is tried again, first in {wait:.0f} s{rest}")
        elif was == "away":
            self.say(f"{self.target.shown} answers again{rows and f'{rows} behind'}")
        elif state == "finishing":
            self.say(f"loading what is left into {self.target.shown}{rows}, then the index")
