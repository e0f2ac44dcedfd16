"""Find the run whose dataset is meant under an output path: the one that is named, else the newest.

Where runs with other settings lie under one path, the newest is not taken in silence.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, cast

from launcher.output.taken_over import SAME_AS_EARLIER
from tasks.errors import Problem
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key, manifest_header_key, plan_key
from tasks.protocol.manifest import Header
from tasks.protocol.runs import runs_of
from tasks.stores.base import Store, read

SHOWN_RUNS = 5


@dataclass(frozen=True, slots=True)
class _Candidate:
    header: Header
    created: datetime


def find_dataset(store: Store, output: str, run: str | None = None) -> str:
    """The name of the run, which has a dataset.

    Args:
        store: the store of `output`.
        output: as it is shown.
        run: its name or the beginning of it.

    Raises:
        Problem: no run there, none of this name, it has not ended, or several with different settings.
    """
    names = list(runs_of(store))
    if not names:
        raise Problem(
            f"there is no run under {output}", hint="name the output path of a job, as its report shows it"
        )
    ended = [name for name in names if store.list(dataset_key(name))]
    if run is not None:
        return _named(run, names, ended, output)
    if not ended:
        raise _not_ended(names[0])
    return ended[0] if len(ended) == 1 else _newest(store, output, ended)


def _named(run: str, names: list[str], ended: list[str], output: str) -> str:
    matches = [run] if run in names else [name for name in names if name.startswith(run)]
    if len(matches) == 1:
        if matches[0] not in ended:
            raise _not_ended(matches[0])
        return matches[0]
    near = matches or get_close_matches(run, names, n=3, cutoff=0.5) or names[:SHOWN_RUNS]
    how_many = f"{len(matches)} runs begin" if matches else f"no run of {len(names)} begins"
    raise Problem(
        f"{how_many} with {run!r} under {output}", hint=f"name one of: {', '.join(near[:SHOWN_RUNS])}"
    )


def _newest(store: Store, output: str, ended: list[str]) -> str:
    found = sorted((_candidate(store, name) for name in ended), key=lambda one: one.created)
    last = found[-1].header
    for other in reversed(found[:-1]):
        changed = [name for name in SAME_AS_EARLIER if getattr(other.header, name) != getattr(last, name)]
        if changed:
            runs = ", ".join(one.header.run for one in reversed(found[-SHOWN_RUNS:]))
            raise Problem(
                f"several runs with different settings lie under {output}: {last.run} and {other.header.run} differ in "
                f"{', '.join(changed)}",
                hint=f"name the run, the newest first: {runs}",
            )
    return last.run


def _candidate(store: Store, run: str) -> _Candidate:
    """The run with the time of its plan, which a copy of the folder keeps; else of its manifest."""
    header = manifest.read_header(store, run)
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        plan = cast("dict[str, Any]", json.loads(read(store, plan_key(run)) or b"{}"))
        created = datetime.fromisoformat(plan["created"])
        return _Candidate(header, created if created.tzinfo else created.replace(tzinfo=UTC))
    entries = store.list(manifest_header_key(run))
    return _Candidate(header, entries[0].modified if entries else datetime.min.replace(tzinfo=UTC))


def _not_ended(run: str) -> Problem:
    return Problem(
        f"run {run} has no dataset yet: it has not finished",
        hint=f"embedfleet resume {run} finishes it; embedfleet status {run} shows how far it is",
    )
