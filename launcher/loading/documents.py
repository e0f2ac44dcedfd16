"""What `load` prints: what was loaded, what a check found, and what a load would do."""

from dataclasses import dataclass
from decimal import Decimal

from launcher.index_sizes.size import Dollars, Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCheck:
    """A store compared with its dataset. Shares are from 0 to 1."""

    rows: int  # that the store counts
    expected: int  # rows of the dataset, without those that the store refused
    fetched: int  # rows that were compared number by number
    different: tuple[str, ...]  # keys of those that are missing or have other numbers, as id:chunk
    searched: int  # rows that were searched by their own vector
    not_first: tuple[str, ...]  # keys of those that did not find themselves, or an equal vector, first
    recall_at_10: float | None  # of the index, beside the store's exact search, else ours; None: not measured
    exact_recall_at_10: float | None  # of the store's exact search, beside ours; None: not measured
    faults: tuple[str, ...]  # in words; () is a store that holds the dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadDocument:
    """What a load did."""

    schema: str = "embedfleet/load/1"
    run: str
    output: str  # where the dataset lies
    to: str  # the address of the store, without secrets
    store: str  # pgvector, lance
    guarantee: str  # transactional, idempotent or one commit
    action: str  # create, replace, change, or nothing
    since: str | None  # the run that the collection held before
    files: int  # of the dataset
    files_written: int  # by this command; the others were there
    rows: int  # of the dataset
    rows_written: int
    rows_deleted: int
    index: str
    rows_refused: int  # that the store refused, by this load and those before it, and which are not in it
    refused: tuple[str, ...]  # the first of them: key and reason
    read_as: (
        str | None
    )  # the name that clients are to use, in a store without aliases; None: that of the address
    kept_as: str | None  # the name of the collection that was replaced
    seconds: float  # of writing, deleting and building
    rows_per_second: float | None  # while files were written; None: nothing was
    check: LoadCheck | None  # with --verify
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RentedPreview:
    """The machines that would load, and what they cost."""

    machines: int
    machine: str  # kind, place and price, in words
    usd_per_hour: Decimal | None  # of one; None: not known
    hours: Hours | None  # of each; None: the store's speed was not measured
    usd: Dollars | None  # of all; None: price or hours are not known


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPreview:
    """What a load would do. Unknown is None."""

    schema: str = "embedfleet/load-preview/1"
    run: str
    output: str
    to: str
    store: str
    guarantee: str
    action: str
    since: str | None
    files: int  # to write
    rows: int
    rows_to_delete: int | None
    columns: tuple[str, ...]  # of the collection, with their types
    index: str
    data_bytes: int | None  # of the rows in the store, where they are known apart from the index
    index_bytes: int | None
    ram_bytes: int | None  # that the whole index wants, as in `size`
    disk_bytes: int | None  # of the whole collection, as in `size`
    build_memory_bytes: int | None  # in which the index is built fastest
    upload_bytes: int  # that go to the store
    build_core_hours: Hours | None  # of the store, for an HNSW index, from low to high
    hours: (
        Hours | None
    )  # writing and build, on a fast line; None: nothing to write, or its speed was not measured
    usd: Dollars | None  # of the load: the cores of the build, or what a service charges; None: not known
    usd_per_month: (
        Decimal | None
    )  # of keeping one copy of the whole collection, on machines, in S3 or in the service
    rented: RentedPreview | None  # with --on: the machines that would load; None: this machine does
    service: bool  # a service that bills by what is written and kept
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderUse:
    """What one rented loader did."""

    job: int  # the number of SkyPilot's managed job
    status: str  # in SkyPilot's words
    recoveries: int  # times that its machine was lost and another one came
    hours: float | None  # that it was paid for; None: its machine never came
    usd: Decimal | None  # None: the price is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class RentedLoadDocument:
    """What a load by rented machines did."""

    schema: str = "embedfleet/rented-load/1"
    run: str
    output: str
    to: str  # the address of the store, without secrets
    machine: str  # kind, place and price, in words
    loaders: tuple[LoaderUse, ...]
    hours: float  # of all machines
    usd: Decimal | None  # of all machines; None: the price is not known
    complete: bool  # the store holds the run
