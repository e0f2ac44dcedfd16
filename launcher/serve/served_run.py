"""A run with its loaded model: what is served by its name.

Texts are cut by the functions that the worker cuts with, so that a served vector is the stored one but for rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.errors import Problem
from launcher.serve.requests import EmbeddingRequest, bad_request
from launcher.throughput.matryoshka import TrainedDimensions, trained_dimensions
from launcher.vectors.query_encoder import InputType, Prompt, RunEncoder, load_run_encoder, prompt_of
from launcher.vectors.read_dataset import Dataset
from tasks.protocol import documents
from tasks.protocol.keys import heartbeats_prefix, worker_of
from tasks.protocol.messages import heartbeat
from tasks.stores.base import list_all, read

MOST_HEARTBEATS = 100  # that are asked what a run was computed in


@dataclass(frozen=True, slots=True)
class Piece:
    """One input as the model reads it. `cut` counts the tokens that truncation lost."""

    ids: tuple[int, ...]
    prompt: str
    cut: int = 0


@dataclass(frozen=True, slots=True)
class ServedRun:
    """A run that is served. `dimensions` are those of its vectors."""

    dataset: Dataset
    encoder: RunEncoder
    prompts: dict[InputType, Prompt]
    trained: TrainedDimensions | None
    dimensions: int

    @property
    def name(self) -> str:
        """The name of the run, which clients give as `model`."""
        return self.dataset.run

    @property
    def identity(self) -> str:
        """What a vector depends on besides tokens, prompt and dimensions: the key of caches begins with it."""
        header, engine = self.dataset.header, self.encoder.encoder
        return f"{header.model_fingerprint or header.model}|{engine.name}|{engine.dtype}|{header.precision or ''}"

    def pieces(self, asked: EmbeddingRequest, default: InputType) -> list[Piece]:
        """The inputs of a request as the model reads them.

        Raises:
            RequestRefused: token ids are longer than the model reads, or a text has no token.
        """
        prompt = self.prompts[asked.input_type or default].text
        if asked.tokens:
            longest = max(map(len, asked.tokens))
            if longest > self.encoder.limit:
                raise bad_request(
                    f"{longest:,} token ids, and pieces of this run have at most {self.encoder.limit:,}",
                    "input",
                )
            return [Piece(ids, prompt) for ids in asked.tokens]
        found = self.encoder.pieces(asked.texts, prompt)
        for number, one in enumerate(found):
            if not one.ids[0]:
                raise bad_request(f"the tokenizer finds nothing in text {number} of input", "input")
        return [Piece(tuple(one.ids[0]), prompt, one.cut) for one in found]

    def checked_dimensions(self, asked: int | None) -> int:
        """The dimensions of the answer.

        Raises:
            RequestRefused: the run's vectors cannot be shortened to these.
        """
        if asked is None or asked == self.dimensions:
            return self.dimensions
        if asked > self.dimensions:
            raise bad_request(f"run {self.name} has {self.dimensions} dimensions, not {asked}", "dimensions")
        if self.trained is None or not self.trained.allows(asked):
            raise bad_request(
                f"nothing says that the model of run {self.name} was trained for {asked} dimensions (Matryoshka): "
                f"leave dimensions out, or ask for {self.dimensions}",
                "dimensions",
            )
        return asked


def load_served_run(dataset: Dataset, *, engine: str | None = None, threads: int | None = None) -> ServedRun:
    """Load the model of a run.

    Raises:
        ModelChanged: another model lies where that of the run was.
        Problem: it cannot be loaded here, or gives other dimensions.
    """
    header = dataset.header
    encoder = load_run_encoder(header, engine=engine, threads=threads, dtype=exact_dtype(dataset))
    given = header.dimensions or encoder.encoder.dimensions
    if given != dataset.dimensions:
        raise Problem(
            f"the model {header.model} gives {given} dimensions, and the vectors of run {dataset.run} have "
            f"{dataset.dimensions}",
            hint="put the model of the run back, or embed again",
        )
    prompts: dict[InputType, Prompt] = {kind: prompt_of(header, kind) for kind in ("query", "document")}
    return ServedRun(dataset, encoder, prompts, trained_dimensions(header.model), dataset.dimensions)


def exact_dtype(dataset: Dataset) -> str | None:
    """float32 where all workers of the run computed in it; None: what suits this machine, as they did."""
    found: set[str | None] = set()
    for number, entry in enumerate(list_all(dataset.store, heartbeats_prefix(dataset.run))):
        if number == MOST_HEARTBEATS:
            break
        try:
            worker = heartbeat.of_worker(
                read(dataset.store, entry.key) or b"", dataset.run, worker_of(entry.key)
            )
        except documents.BadDocument:  # `status` names it
            continue
        found.add(worker.dtype)
    return "float32" if found == {"float32"} and dataset.header.model != "hash" else None


def token_count(pieces: Sequence[Piece]) -> int:
    """Tokens that the model reads of these."""
    return sum(len(piece.ids) for piece in pieces)
