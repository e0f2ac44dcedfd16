"""A Job: what the user wants, as a frozen value; and its plain JSON form inside a plan.

Pure. `parse` makes a Job from a file. Paths stay as they were written.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, cast, get_type_hints

import msgspec

from launcher.errors import Problem
from launcher.sinks.index import HNSW, IndexSpec
from pricing.account.discounts import Discount
from tasks.models.precision import Precision
from tasks.models.tokenizing.chunk_by import ChunkBy
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.dtypes import Dtype
from tasks.protocol.shard import Kind

Engine = Literal["auto", "vllm", "torch", "packed", "openvino", "hash"]
Spot = Literal["only", "prefer", "never"]
Unit = Literal["file", "line"]
Steer = Literal["autopilot", "static", "on-demand"]
Deduplicate = Literal["window", "corpus"]
WhenShort = Literal["late", "stop", "deadline"]
LoadWhen = Literal["end", "shards"]


@dataclass(frozen=True, slots=True)
class CorpusSource:
    """A corpus that can be read: a folder, a glob or a file."""

    path: str
    text: str = "text"  # column or key of the text
    id: str | None = None  # column or key of the document's id; None: file and position
    region: str | None = None  # where it is, as cloud/region; None: not given
    csv: CsvFormat | None = None  # how its CSV and TSV files are written; None: as is usual
    format: Kind | None = None  # of all files; None: as their names end
    join: str | None = (
        None  # what stands between the strings of a list that is a text; None: a list is no text
    )
    unit: Unit | None = (
        None  # what is a document of text files; None: a file, and `plan` asks where it looks like lines
    )
    text_by_default: bool = False  # the job does not name `text`: then documents beside tables are read, too


@dataclass(frozen=True, slots=True)
class DeclaredCorpus:
    """A corpus that is only described, to plan without data."""

    documents: int
    lengths: tuple[tuple[float, float], ...]  # (share of the documents, tokens); shares sum to 1
    region: str | None = None  # where it will be, as cloud/region


@dataclass(frozen=True, slots=True)
class JobChunking:
    """How a document is cut into chunks. All None: one chunk, truncated at the model's maximum."""

    tokens: int | None = None
    overlap: int = 0
    truncate: int | None = None  # one chunk, truncated here; never together with `tokens`
    by: ChunkBy = "tokens"  # where chunks may end


@dataclass(frozen=True, slots=True)
class JobOutput:
    """Where the vectors go, and in which form."""

    path: str
    dtype: Dtype = "float32"
    dimensions: int | None = None  # leading dimensions to keep; None: all
    region: str | None = None  # where it is, as cloud/region; None: not given
    keep: tuple[str, ...] = ()  # columns or keys of the corpus to keep beside the vectors


@dataclass(frozen=True, slots=True)
class JobSink:
    """The vector store that the vectors are loaded into."""

    to: str  # its address, which names the collection and holds no secret; a path as it was written
    secret: str | None = None  # $NAME of the environment variable with a password or key
    index: IndexSpec = HNSW
    keep: tuple[str, ...] | None = None  # kept columns to load; None: all
    when: LoadWhen = "end"  # of the run, or shard by shard while it lasts


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The limits of a plan. None and empty: no limit."""

    deadline_hours: float | None = None
    budget: Decimal | None = None
    gpus: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()  # glob patterns
    spot: Spot = "prefer"
    machines: int | None = None
    deadline_at: str | None = None  # ISO 8601 with its offset, instead of hours
    machines_per_region: int | None = None  # None: as many as are known to be obtainable
    opt_in: tuple[str, ...] = ()  # patterns of places that the account has asked for, such as local zones
    when_short: WhenShort = "late"  # what gives way when the budget does not pay for the deadline
    on_demand: int | None = None  # machines on demand at most, where the fleet is steered


@dataclass(frozen=True, slots=True)
class QuotaLimit:
    """How many GPUs an account may have in one region. None: not given."""

    cloud: str
    region: str
    gpu: str
    spot: int | None
    on_demand: int | None


@dataclass(frozen=True, slots=True)
class VcpuQuota:
    """How many vCPUs of a family of instance types an account may have in one region of AWS. None: not given."""

    cloud: str
    region: str
    family: str
    spot: int | None
    on_demand: int | None


@dataclass(frozen=True, slots=True)
class LocalMachine:
    """This machine. The price of its hour is unknown (None) until the user gives it; 0 is a price."""

    workers: int | None = None
    usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What the user wants."""

    name: str
    corpus: CorpusSource | DeclaredCorpus
    model: str
    shape: Mapping[str, int | bool | str] | None = None
    chunk: JobChunking = JobChunking()
    output: JobOutput | None = None  # None only with a declared corpus
    limits: JobLimits = JobLimits()
    quota: tuple[QuotaLimit, ...] = ()
    local: LocalMachine = LocalMachine()
    engine: Engine = "auto"
    prompt: str | None = None  # put before every document; None: the model's default prompt, "" none
    speed: Mapping[str, float] = field(default_factory=dict[str, float])  # tokens per second of one GPU
    remote_code: bool = False  # run code that comes with the model; only when the user says so
    precision: Precision | None = None  # of weights and activations; None: as exact as the hardware is fast
    notify: str | None = None  # $NAME of the environment variable with a webhook's address
    discounts: tuple[Discount, ...] = ()  # of the account; the first that fits an offer holds
    vcpu_quota: tuple[VcpuQuota, ...] = ()  # AWS counts so; `quota` of the job file has both
    steer: Steer | None = None  # how rented machines are steered; None: see `steer_of`
    query_prompt: str | None = None  # put before every query; None: as the model says, "" none
    sink: JobSink | None = None  # None: the vectors stay in the output path
    deduplicate: Deduplicate = (
        "window"  # which texts are embedded once: what a worker had lately, or all that repeat
    )


# Keys that came later, by section ("": the job itself), with the value that is left out, as before there were such keys:
# the name of a run is a digest of what is saved.
LATER_KEYS: tuple[tuple[str, str, object], ...] = (
    *(("corpus", name, None) for name in ("csv", "format", "join", "unit")),
    ("corpus", "text_by_default", False),
    ("chunk", "by", "tokens"),
    *(("", name, None) for name in ("precision", "query_prompt", "sink", "steer")),
    *(("", name, []) for name in ("discounts", "vcpu_quota")),
    ("", "deduplicate", "window"),
    ("limits", "opt_in", []),
    ("limits", "when_short", "late"),
    ("limits", "on_demand", None),
)


def steer_of(job: Job, *, rented: bool) -> Steer:
    """How a fleet is steered: as the job says, else by the autopilot where machines are rented within a limit."""
    if not rented:
        return "static"
    limited = (
        job.limits.deadline_hours is not None
        or job.limits.deadline_at is not None
        or job.limits.budget is not None
    )
    return job.steer or ("autopilot" if limited else "static")


def deadline_of(job: Job, created: datetime) -> datetime | None:
    """When the job is to be done that was launched at `created`; None: it has no deadline."""
    if job.limits.deadline_at:
        return datetime.fromisoformat(job.limits.deadline_at)
    hours = job.limits.deadline_hours
    return None if hours is None else created + timedelta(hours=hours)


def dump(job: Job) -> dict[str, Any]:
    """The job as JSON values, for plan.json; money is text."""
    plain = cast("dict[str, Any]", _plain(asdict(job)))
    for section, name, unset in LATER_KEYS:
        found = plain[section] if section else plain
        if found.get(name, ...) == unset:
            del found[name]
    if job.prompt is None:
        plain["prompt"] = ""  # as before a model's default prompt was known
    elif not job.prompt:
        plain["no_prompt"] = True
    return plain


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {k: _plain(v) for k, v in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_plain(v) for v in cast("list[Any]", value)]
        case Decimal():
            return str(value)
        case _:
            return value


def load(plain: Mapping[str, Any]) -> Job:
    """The job that `dump` wrote.

    Raises:
        Problem: a field is missing or mistyped.
    """
    try:
        corpus = DeclaredCorpus if "documents" in plain["corpus"] else CorpusSource
        # Field by field, because msgspec cannot tell two dataclasses of a union apart.
        types: dict[str, Any] = get_type_hints(Job) | {"corpus": corpus}
        found = {name: msgspec.convert(plain[name], types[name]) for name in types if name in plain}
        if not found.get("prompt") and plain.get("no_prompt") is not True:
            found["prompt"] = None
        return Job(**found)
    except (KeyError, TypeError, ValueError, RecursionError, msgspec.ValidationError) as error:
        raise Problem(
            f"the job in the plan cannot be read: {error}",
            hint="make the plan again: embedfleet plan JOB.yaml -o plan.json",
        ) from error
