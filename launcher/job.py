"""The Job: `job.yaml` read once into a frozen value, with every mistake told at once.

Pure: text in, value out. Whether paths, models and GPUs exist is for those who know them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal, cast

from launcher.errors import Usage
from launcher.yamltree import Mistakes, Reader, Tree, shown
from launcher.yamltree import parse as parse_yaml

CLOUDS = ("aws", "gcp", "azure", "lambda", "nebius", "runpod", "vast", "hyperstack", "do", "local")
ENGINES = ("auto", "vllm", "torch", "hash")
SPOT = ("only", "prefer", "never")
DTYPES = ("float32", "float16")
POOLINGS = ("mean", "cls", "last")
SHAPE = (
    "layers",
    "hidden",
    "heads",
    "kv_heads",
    "head_dim",
    "intermediate",
    "vocabulary",
    "max_tokens",
    "dimensions",
)
UNITS = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}
HOURS = {
    "s": 1 / 3600,
    "m": 1 / 60,
    "min": 1 / 60,
    "h": 1.0,
    "hour": 1.0,
    "hours": 1.0,
    "d": 24.0,
    "day": 24.0,
    "days": 24.0,
}

Spot = Literal["only", "prefer", "never"]
Dtype = Literal["float32", "float16"]


class BadJob(Usage):
    """The job file has mistakes; the message lists them all."""


@dataclass(frozen=True, slots=True)
class Source:
    """Input that is there. `id` None: file and position name a document."""

    path: str
    text: str = "text"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """Input that is only said to be: (share of documents, tokens of each) pairs."""

    documents: int
    lengths: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Chunking:
    """`tokens` set: chunks of so many, `overlap` shared. Else truncation, at `truncate` or the model's maximum."""

    tokens: int | None = None
    overlap: int = 0
    truncate: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    path: str
    dtype: Dtype = "float32"
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Empty tuples and None: no limit. Regions are patterns."""

    deadline_hours: float | None = None
    budget: Decimal | None = None
    gpus: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    spot: Spot = "prefer"
    machines: int | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    cloud: str
    region: str
    gpu: str
    spot: int | None
    on_demand: int | None


@dataclass(frozen=True, slots=True)
class Local:
    """This machine: how many workers, and what the user says an hour of it costs (None: unknown)."""

    workers: int | None = None
    usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    corpus: Source | Declared
    model: str
    shape: Mapping[str, Any] | None
    chunk: Chunking
    output: Output | None
    limits: Limits
    quota: tuple[Quota, ...]
    local: Local
    engine: str
    prompt: str


def parse(text: str, *, where: str = "job.yaml") -> Job:
    """The job that a YAML text describes.

    Raises:
        BadJob: with every mistake, each with its line and, for a misspelt word, the nearest valid one.
    """
    mistakes = Mistakes(where)
    tree = parse_yaml(text, mistakes)
    job = None
    if tree is not None:
        if isinstance(tree.value, dict):
            job = _job(Reader(tree, "", mistakes))
        else:
            mistakes.add(tree.line, f"must be a mapping with name, corpus and model, not {shown(tree.value)}")
    if mistakes.found or job is None:
        lines = mistakes.lines()
        head = "a mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        raise BadJob(
            f"{head} in the job file\n  " + "\n  ".join(lines), hint=f"mend {where} and run the command again"
        )
    return job


def _job(top: Reader) -> Job:
    name = top.need("name", _name, "")
    corpus = _corpus(top)
    model, shape = _model(top)
    job = Job(
        name=name,
        corpus=corpus,
        model=model,
        shape=shape,
        chunk=_chunk(top),
        output=_output(top, needed=isinstance(corpus, Source)),
        limits=_limits(top),
        quota=_quota(top),
        local=_local(top),
        engine=top.take("engine", _one_of(ENGINES), "auto"),
        prompt=top.take("prompt", _string, ""),
    )
    top.close()
    return job


def _corpus(top: Reader) -> Source | Declared:
    tree = top.fields.get("corpus")
    if tree is None or isinstance(tree.value, str):
        return Source(top.need("corpus", _text, ""))
    inner = top.inner("corpus")
    if inner is None:
        return Source("")
    if inner.has("documents"):
        if inner.has("path"):
            inner.wrong("path", "give either path or documents, not both")
        documents = round(inner.need("documents", _positive, 1.0))
        lengths = inner.need("tokens_per_document", _lengths, ((1.0, 1.0),))
        inner.close(("path",))
        return Declared(documents, lengths)
    source = Source(
        path=inner.need("path", _text, ""),
        text=inner.take("text", _text, "text"),
        id=inner.take("id", _text, cast("str | None", None)),
    )
    inner.close(("documents", "tokens_per_document"))
    return source


def _model(top: Reader) -> tuple[str, Mapping[str, Any] | None]:
    tree = top.fields.get("model")
    if tree is None or not isinstance(tree.value, dict):
        return top.need("model", _text, ""), None
    inner = top.inner("model")
    assert inner
    name = inner.need("name", _text, "")
    shape: dict[str, Any] = {}
    for key in SHAPE:
        value = (inner.need if key in ("layers", "hidden") else inner.take)(key, _whole, 0)
        if value:
            shape[key] = value
    pooling = inner.take("pooling", _one_of(POOLINGS), "")
    shape |= {"pooling": pooling} if pooling else {}
    for key in ("glu", "causal"):
        shape[key] = inner.take(key, _boolean, default=False)
    inner.close()
    return name, shape


def _chunk(top: Reader) -> Chunking:
    top.asked.append("truncate")
    if top.has("chunk") and top.has("truncate"):
        top.wrong("truncate", "give either chunk or truncate, not both")
    if top.has("truncate"):
        return Chunking(truncate=top.take("truncate", _whole, cast("int | None", None)))
    inner = top.inner("chunk")
    if inner is None:
        return Chunking()
    tokens = inner.take("tokens", _whole, cast("int | None", None))
    overlap = inner.take("overlap", _whole_or_zero, 0)
    truncate = inner.take("truncate", _whole, cast("int | None", None))
    if tokens is not None and truncate is not None:
        inner.wrong("truncate", "give either tokens or truncate, not both")
    if tokens is None and inner.has("overlap") and not inner.has("tokens"):
        inner.wrong("overlap", "means nothing without tokens")
    if tokens is not None and overlap >= tokens:
        inner.wrong("overlap", f"must be less than tokens ({tokens}), not {overlap}")
    inner.close()
    return Chunking(tokens, overlap, truncate)


def _output(top: Reader, *, needed: bool) -> Output | None:
    tree = top.fields.get("output")
    if tree is None or isinstance(tree.value, str):
        path = (top.need if needed else top.take)("output", _text, "")
        return Output(path) if path else None
    inner = top.inner("output")
    if inner is None:
        return None
    output = Output(
        path=inner.need("path", _text, ""),
        dtype=cast("Dtype", inner.take("dtype", _dtype, "float32")),
        dimensions=inner.take("dimensions", _whole, cast("int | None", None)),
    )
    inner.close()
    return output


def _limits(top: Reader) -> Limits:
    inner = top.inner("limits")
    if inner is None:
        return Limits()
    limits = Limits(
        deadline_hours=inner.take("deadline", _hours, cast("float | None", None)),
        budget=inner.take("budget", _dollars, cast("Decimal | None", None)),
        gpus=inner.take("gpus", _words(), ()),
        clouds=inner.take("clouds", _words(CLOUDS), ()),
        regions=inner.take("regions", _words(), ()),
        spot=cast("Spot", inner.take("spot", _one_of(SPOT), "prefer")),
        machines=inner.take("machines", _whole, cast("int | None", None)),
    )
    inner.close()
    return limits


def _quota(top: Reader) -> tuple[Quota, ...]:
    out: list[Quota] = []
    clouds = top.inner("quota")
    for cloud in clouds.fields if clouds else ():
        assert clouds
        if cloud not in CLOUDS:
            clouds.wrong(cloud, f"unknown cloud; {_near(cloud, CLOUDS)}")
        regions = clouds.inner(cloud)
        for region in regions.fields if regions else ():
            assert regions
            gpus = regions.inner(region)
            for gpu in gpus.fields if gpus else ():
                assert gpus
                counts = gpus.inner(gpu)
                if counts:
                    none = cast("int | None", None)
                    spot = counts.take("spot", _whole_or_zero, none)
                    out.append(
                        Quota(cloud, region, gpu, spot, counts.take("on_demand", _whole_or_zero, none))
                    )
                    counts.close()
    return tuple(out)


def _local(top: Reader) -> Local:
    inner = top.inner("local")
    if inner is None:
        return Local()
    local = Local(
        workers=inner.take("workers", _whole, cast("int | None", None)),
        usd_per_hour=inner.take("usd_per_hour", _dollars_or_zero, cast("Decimal | None", None)),
    )
    inner.close()
    return local


# What a value may be. Each returns it or raises ValueError with what is wrong.


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {shown(value)}")
    if any(0xD800 <= ord(c) < 0xE000 for c in value):
        raise ValueError("is not valid Unicode")
    return value


def _text(value: Any) -> str:
    text = _string(value)
    if not text.strip() or not text.isprintable():
        raise ValueError(f"must be text that can be printed, not {shown(value)}")
    return text


def _name(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,47}", text):
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48] or "my-job"
        raise ValueError(f"must be lower-case letters, digits and hyphens, at most 48; {slug} would do")
    return text


def _number(value: Any) -> float:
    """A number, also as people write large ones: 29.5e6, 1_000_000, 29.5M, 600B."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([\d_]+(?:\.\d+)?(?:[eE][+]?\d{1,3})?)\s*([kKMB]?)\s*", value)
        if not match:
            raise ValueError(f"must be a number, not {shown(value)}")
        value = float(match[1].replace("_", "")) * UNITS.get(match[2], 1)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or abs(value) > 1e18
        or not isfinite(value)
    ):
        raise ValueError(f"must be a number, not {shown(value)}")
    return float(value)


def _positive(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError(f"must be more than 0, not {shown(value)}")
    return number


def _whole_or_zero(value: Any) -> int:
    number = _number(value)
    if number < 0 or number != int(number):
        raise ValueError(f"must be a whole number, not {shown(value)}")
    return int(number)


def _whole(value: Any) -> int:
    number = _whole_or_zero(value)
    if number < 1:
        raise ValueError(f"must be at least 1, not {shown(value)}")
    return number


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {shown(value)}")
    return value


def _lengths(value: Any) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list):
        return ((1.0, _positive(value)),)
    pairs: list[tuple[float, float]] = []
    for item in cast("list[Tree]", value):
        pair = cast("list[Tree]", item.value)
        if not isinstance(item.value, list) or len(pair) != 2:
            raise ValueError(f"must be a number or a list of [share, tokens] pairs, not {shown(item.value)}")
        pairs.append((_positive(pair[0].value), _positive(pair[1].value)))
    total = sum(share for share, _ in pairs)
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares must add up to 1, not {total:g}")
    return tuple(pairs)


def _hours(value: Any) -> float:
    """A duration with its unit: 6h, 90m, 1h30m, 14 days."""
    if not isinstance(value, str):
        raise ValueError(f"give a unit, as in 6h, 90m or 2d, not {shown(value)}")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", value.strip())
    if (
        not parts
        or re.sub(r"(\d+(?:\.\d+)?)\s*([a-z]+)", "", value).strip()
        or any(u not in HOURS for _, u in parts)
    ):
        raise ValueError(f"must be a duration such as 6h, 90m, 1h30m or 14d, not {shown(value)}")
    hours = sum(float(number) * HOURS[unit] for number, unit in parts)
    if not 0 < hours < 1e6:
        raise ValueError(f"must be more than 0, not {shown(value)}")
    return hours


def _dollars_or_zero(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be dollars such as $300, not {shown(value)}")
    try:
        amount = Decimal(str(value).strip().removeprefix("$").replace(",", "").replace("_", ""))
    except InvalidOperation:
        raise ValueError(f"must be dollars such as $300, not {shown(value)}") from None
    if not amount.is_finite() or not 0 <= amount < 10**12:
        raise ValueError(f"must be dollars such as $300, not {shown(value)}")
    return amount


def _dollars(value: Any) -> Decimal:
    amount = _dollars_or_zero(value)
    if amount == 0:
        raise ValueError("must be more than $0")
    return amount


def _dtype(value: Any) -> str:
    if value in ("int8", "binary"):
        raise ValueError(f"this version writes {' and '.join(DTYPES)}, not {value} yet")
    return _one_of(DTYPES)(value)


def _one_of(valid: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in valid:
            raise ValueError(f"{shown(value)} is none of {', '.join(valid)}; {_near(str(value), valid)}")
        return cast("str", value)

    return read


def _words(valid: tuple[str, ...] = ()) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        items = [item.value for item in cast("list[Tree]", value)] if isinstance(value, list) else [value]
        words = tuple(_text(item) for item in items)
        for word in words:
            if valid and word not in valid:
                raise ValueError(f"unknown {word!r}; {_near(word, valid)}")
        return words

    return read


def _near(word: str, valid: tuple[str, ...]) -> str:
    near = get_close_matches(word, valid, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(valid)}"


def dump(job: Job) -> dict[str, Any]:
    """The job as JSON, for the plan; money as text."""
    body = asdict(job)
    body["limits"]["budget"] = None if job.limits.budget is None else str(job.limits.budget)
    body["local"]["usd_per_hour"] = None if job.local.usd_per_hour is None else str(job.local.usd_per_hour)
    return body


def load(body: Mapping[str, Any]) -> Job:
    """The job that `dump` made JSON of."""
    corpus, limits, local = body["corpus"], dict(body["limits"]), dict(body["local"])
    for key in ("gpus", "clouds", "regions"):
        limits[key] = tuple(limits[key])
    limits["budget"] = None if limits["budget"] is None else Decimal(limits["budget"])
    local["usd_per_hour"] = None if local["usd_per_hour"] is None else Decimal(local["usd_per_hour"])
    declared = "documents" in corpus
    return Job(
        name=body["name"],
        corpus=Declared(corpus["documents"], tuple((s, t) for s, t in corpus["lengths"]))
        if declared
        else Source(**corpus),
        model=body["model"],
        shape=body["shape"],
        chunk=Chunking(**body["chunk"]),
        output=Output(**body["output"]) if body["output"] else None,
        limits=Limits(**limits),
        quota=tuple(Quota(**q) for q in body["quota"]),
        local=Local(**local),
        engine=body["engine"],
        prompt=body["prompt"],
    )
