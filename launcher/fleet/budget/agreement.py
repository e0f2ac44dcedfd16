"""The amounts that were agreed for a run: objects in the store, numbered, of which the last one counts.

Each is created once and never changed, so that of two laptops that agree at the same moment one comes after the other.
"""

import getpass
import socket
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import uuid4

from launcher.errors import Problem
from tasks.protocol import documents
from tasks.protocol.keys import agreement_key, budget_prefix
from tasks.stores.base import Store, create_once, list_all, read

SCHEMA = "embedfleet/agreement/1"
AGREED = "agreed-"  # what the names of these objects begin with

Source = Literal["limits.budget", "--max-cost", "--budget"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a run may cost in all, every launcher and every machine together."""

    usd: Decimal
    source: Source
    by: str  # user and host
    at: datetime  # by the clock of that host
    nonce: str

    def __post_init__(self) -> None:
        if not (self.usd.is_finite() and self.usd > 0):
            raise ValueError(f"{self.usd} dollars are no limit")

    @property
    def explicit(self) -> bool:
        """Whether somebody gave the amount for this run, and not in the job file."""
        return self.source != "limits.budget"


def latest_agreement(store: Store, run: str) -> Agreement | None:
    """The amount that counts; None: none was ever agreed.

    Raises:
        Problem: the object cannot be read. A run whose limit is not known must not spend.
    """
    numbers = _numbers(store, run)
    if not numbers:
        return None
    key = agreement_key(run, numbers[-1])
    body = read(store, key)
    try:
        return documents.decode(body or b"", Agreement, "an agreed amount", SCHEMA)
    except documents.BadDocument as error:
        raise Problem(
            f"what run {run} may cost cannot be read: {key} is {error}",
            hint=f"agree again: embedfleet resume {run} --budget DOLLARS, all that was spent included",
        ) from error


def agree(store: Store, run: str, usd: Decimal, source: Source, by: str, at: datetime) -> Agreement:
    """Agree to an amount; it counts from now on, for all launchers."""
    made = Agreement(usd=usd, source=source, by=by, at=at, nonce=uuid4().hex)
    body = documents.encode(made, SCHEMA)
    number = (_numbers(store, run) or [0])[-1] + 1
    while not create_once(store, agreement_key(run, number), body):
        number += 1  # another launcher agreed at the same moment
    return made


def this_user() -> str:
    """Who agrees, for people who read the object."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for its user
        user = "?"
    return f"{user}@{socket.gethostname()}"


def _numbers(store: Store, run: str) -> list[int]:
    prefix = f"{budget_prefix(run)}{AGREED}"
    names = (entry.key.removeprefix(prefix).removesuffix(".json") for entry in list_all(store, prefix))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())
