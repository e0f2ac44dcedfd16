"""A Job: what the user wants, as a frozen value; and its plain JSON form inside a plan.

Pure. `parse` makes a Job from a file. Paths stay as they were written.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal, cast, get_type_hints

import msgspec

from launcher.errors import Problem
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.dtypes import Dtype
from tasks.protocol.shard import Kind

Engine = Literal["auto", "vllm", "torch", "packed", "hash"]
Spot = Literal["only", "prefer", "never"]


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


@dataclass(frozen=True, slots=True)
class JobOutput:
    """Where the vectors go, and in which form."""

    path: str
    dtype: Dtype = "float32"
    dimensions: int | None = None  # leading dimensions to keep; None: all
    region: str | None = None  # where it is, as cloud/region; None: not given
    keep: tuple[str, ...] = ()  # columns or keys of the corpus to keep beside the vectors


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


@dataclass(frozen=True, slots=True)
class QuotaLimit:
    """How many GPUs an account may have in one region. None: not given."""

    cloud: str
    region: str
    gpu: str
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
    notify: str | None = None  # $NAME of the environment variable with a webhook's address


def dump(job: Job) -> dict[str, Any]:
    """The job as JSON values, for plan.json; money is text."""
    plain = cast("dict[str, Any]", _plain(asdict(job)))
    for later in (
        "csv",
        "format",
        "join",
    ):  # as before there were such keys: the name of a run is a digest of this
        if plain["corpus"].get(later, ...) is None:
            del plain["corpus"][later]
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
