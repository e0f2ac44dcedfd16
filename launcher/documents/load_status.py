"""How far the load of a run into a vector store is: what the loader writes beside the run, and `status` shows. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LoadState = Literal["waiting", "loading", "finishing", "away", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStatus:
    """The state of a load, as its loader last knew it."""

    to: str  # the address of the store, without secrets
    store: str  # pgvector, lance, ...
    state: LoadState  # waiting: for shards; finishing: the run is done; away: see `error`
    at: datetime  # when the loader wrote this, by its clock
    rows: int  # that are embedded so far
    rows_loaded: int | None  # of these; None: the loader has not read yet what the store has
    error: str | None = None  # why the store, or its collection, cannot be used; the loader tries again
    hint: str | None = None  # what to try
