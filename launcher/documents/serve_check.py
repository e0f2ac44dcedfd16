"""What `serve --check` finds of a server, as frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds from asking to the whole answer. None: no request was answered."""

    clients: int
    requests: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    requests_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A mistake that gives the server's vectors. `name` is one of the keys in docs/serve.md."""

    name: str
    explains: int  # of the rows that differ
    of: int
    what: str
    hint: str

    @staticmethod
    def of_lengths(rows: int, least: float, most: float) -> "Diagnosis":
        """Vectors that are not normalised."""
        return Diagnosis(
            name="missing normalisation",
            explains=rows,
            of=rows,
            what=f"lengths from {least:.3f} to {most:.3f}, where the run's are 1: inner products would rank otherwise",
            hint="normalise on the server (vLLM: --pooler-config with normalisation on), or search by cosine",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDocument:
    """What `serve RUN --check URL` found."""

    schema: str = "embedfleet/serve-check/1"
    run: str
    url: str
    model: str  # as the server was asked for
    equal: bool
    rows: int  # that were compared
    sent: str  # "texts" or "token ids"
    least_cosine: float | None  # None: the dimensions differ
    least_enough: float
    share_equal: float
    dimensions: int  # of the server's vectors
    expected_dimensions: int
    least_length: float  # of the server's vectors; they have length 1 in the run
    mistakes: tuple[Diagnosis, ...]  # what explains the rows that differ, the best first
    refused: int  # texts that the server did not embed
    refused_said: str | None  # what it said of the first
    latency: tuple[Latency, ...]
