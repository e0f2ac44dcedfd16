"""What a collection says of itself, and what a load may do to it. Pure.

The record lies in the store, in the comment or the metadata of the collection itself, so that it goes where the
collection goes. Vectors of two models never come into one collection: that is decided here.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

import msgspec

from launcher.errors import Problem
from tasks.models.fingerprint import short
from tasks.protocol.manifest import Header

SCHEMA = "embedfleet/collection/1"
SHA256_SHOWN = 16  # digits of `Contents.superseded`

# Of a run, besides its model: where one differs, a cosine between vectors of two runs means nothing, or something else.
SPACE = ("precision", "prompt", "dimensions", "dtype")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a collection holds. What a client needs to embed a query for it is here as well."""

    schema: str = SCHEMA
    run: str  # whose rows it holds, or will hold when it is complete
    collection: str  # its identity: another one under the same name has another
    load: str  # the last load, by which its ledger and receipts are filed
    complete: bool = False
    following: str | None = None  # the run whose difference from `run` is being loaded
    replaces: str | None = None  # the collection that served when the load began; None: it replaces none
    rows: int | None = None  # once complete
    refused: int = 0  # rows of the run that the store refused, and which are not in it
    # Beginnings of SHA-256 of files that its load wrote and the run no longer lists.
    superseded: tuple[str, ...] = ()
    # Columns of the source beside its vectors; None: an older version wrote it.
    kept: tuple[str, ...] | None = None
    model: str
    model_fingerprint: str | None = None
    precision: str | None = None
    prompt: str = ""  # before every document
    query_prompt: str | None = None  # before every query; None: not known
    dimensions: int
    dtype: str  # of the output of the run
    tokens: int | None = None  # longest piece
    normalized: bool = True  # every vector has length 1


class Action(Enum):
    """What a load does."""

    CREATE = "create"  # a new collection, or the rest of one
    REPLACE = "replace"  # a new one beside one that serves
    CHANGE = "change"  # the difference of two runs
    NOTHING = "nothing"  # the collection holds the run already


def contents_of(header: Header, dimensions: int, load: str, kept: tuple[str, ...] | None = None) -> Contents:
    """What a collection of this run will say, before it is complete."""
    return Contents(
        run=header.run,
        collection=load,
        load=load,
        kept=kept,
        model=header.model,
        model_fingerprint=header.model_fingerprint,
        precision=header.precision,
        prompt=header.prompt,
        query_prompt=header.query_prompt,
        dimensions=dimensions,
        dtype=header.dtype,
        tokens=header.tokens,
    )


def encode(contents: Contents) -> str:
    """The record as it is written into the store."""
    return msgspec.json.encode(contents).decode()


def decode(text: str | bytes) -> Contents | None:
    """What was written; None: it is nothing of ours."""
    try:
        found = msgspec.json.decode(text, type=Contents)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if found.schema == SCHEMA else None


def other_space(have: Contents, want: Contents) -> str | None:
    """Why the vectors of two runs cannot be compared; None: they can be."""
    known = have.model_fingerprint is not None and want.model_fingerprint is not None
    if have.model_fingerprint != want.model_fingerprint or (not known and have.model != want.model):
        was, now = ((f"{one.model}, fingerprint {short(one.model_fingerprint)}") for one in (have, want))
        return f"another model: {was}; the run's is {now}"
    for name in SPACE:
        was, now = getattr(have, name), getattr(want, name)
        if was != now:
            return f"vectors with other {name}: {was!r}, and the run's is {now!r}"
    return None


def decide(have: Contents | None, want: Contents, since: str | None, *, replace: bool, where: str) -> Action:
    """What a load of `want` into a collection that holds `have` does.

    Raises:
        Problem: it holds another model or another run, or is not what `since` says.
    """
    if replace:
        return Action.REPLACE if have is not None else Action.CREATE
    if have is None:
        if since is not None:
            raise Problem(
                f"{where} is not there, so that nothing can be added to run {since} in it",
                hint="leave --since out: that loads the whole run",
            )
        return Action.CREATE
    wrong = other_space(have, want)
    if wrong is not None:
        raise Problem(
            f"{where} holds {wrong}",
            hint="vectors of two models cannot be compared: name another table, or --replace this one by the run",
        )
    if have.run == want.run and have.following is None:
        if have.complete:
            return Action.NOTHING
        return Action.CREATE
    return _change(have, want, since, where)


def _change(have: Contents, want: Contents, since: str | None, where: str) -> Action:
    """A collection that holds another run of the same model."""
    if have.following is not None and have.following != want.run:
        raise Problem(
            f"{where} is between run {have.run} and run {have.following}",
            hint=f"embedfleet load {have.following} --since {have.run} finishes it; --replace loads run {want.run} anew",
        )
    if not have.complete:
        raise Problem(
            f"{where} holds a part of run {have.run}",
            hint=f"embedfleet load {have.run} finishes it; or --replace loads run {want.run} in its place",
        )
    if since is None:
        raise Problem(
            f"{where} holds run {have.run}, and not {want.run}",
            hint=f"--since {have.run} loads the difference; --replace loads all of it and takes its place",
        )
    if have.refused:
        raise Problem(
            f"{where} lacks {have.refused:,} rows of run {have.run}, which the store refused",
            hint=f"a difference would not show them: --replace loads run {want.run} whole",
        )
    if have.run != since:
        raise Problem(f"{where} holds run {have.run}, and not {since}", hint=f"--since {have.run}")
    return Action.CHANGE


def check_columns(have: Contents, kept: tuple[str, ...], where: str) -> None:
    """Check that a load goes on with the columns that a collection has: else some of its rows would lack some.

    Raises:
        Problem: it has others.
    """
    if have.kept is not None and set(have.kept) != set(kept):
        raise Problem(
            f"the rows of {where} have {_columns_text(have.kept)}, and this load has {_columns_text(kept)}",
            hint=f"--keep {','.join(have.kept) or 'none'}, as it began; or --replace loads all rows with others",
        )


def _columns_text(kept: tuple[str, ...]) -> str:
    return f"the kept columns {', '.join(kept)}" if kept else "no kept column"


def is_rest_of(held: Contents, contents: Contents) -> bool:
    """Whether a replacement that is not complete is this one, begun before: the same run with the same columns."""
    same_columns = held.kept is None or contents.kept is None or set(held.kept) == set(contents.kept)
    return held.run == contents.run and same_columns


def resumed(have: Contents, want: Contents) -> Contents:
    """What a collection says when a load of `want` begins in it, or goes on with the one that is under way."""
    under_way = have.following == want.following
    return replace(want, collection=have.collection, load=have.load if under_way else want.load)


def check_goes_on(have: Contents, contents: Contents, where: str) -> None:
    """Check that a load may begin in a collection, or go on: since it was planned, another may have ended there.

    Raises:
        Problem: a later load has begun meanwhile.
    """
    wanted = contents.following or contents.run
    if (have.following or have.run) == wanted:
        return
    if have.run == contents.run and have.following is None:
        return
    raise Problem(
        f"{where} holds run {have.following or have.run} by a load that began later than this one of run {wanted}: "
        "it is left as it is",
        hint=f"embedfleet load {wanted} --replace, if that run is to serve",
    )


def check_takes_place(serving: Contents | None, contents: Contents, where: str) -> None:
    """Check that a load may end: what serves is its own collection, or the one that it began to replace.

    A loader that was away while its load ended, and others after it, changes nothing.

    Raises:
        Problem: another load has taken that place meanwhile.
    """
    if serving is None or serving.collection == contents.replaces:
        return
    if serving.collection == contents.collection and contents.run == (serving.following or serving.run):
        return
    raise Problem(
        f"{where} holds run {serving.run} by a load that began later than this one of run {contents.run}: "
        "it is left as it is",
        hint=f"embedfleet load {contents.run} --replace, if that run is to serve",
    )


def is_beside(held: Contents | None, contents: Contents) -> bool:
    """Whether a collection says that another load of the same run is, or was, under way in it.

    So it is after two loaders that began at once, where each made the collection and the store let the last one do it.
    """
    if held is None or held.collection == contents.collection:
        return False
    return contents.run in (held.run, held.following)


def name_behind_alias(alias: str, contents: Contents, *, replace: bool) -> str:
    """The name of a new collection behind an alias.

    That of a first load is made of the run: loaders that begin at once make one collection, and the second finds the
    name taken.
    """
    suffix = contents.collection if replace else hashlib.sha256(contents.run.encode()).hexdigest()[:12]
    return f"{alias}__{suffix}"


def is_done(have: Contents | None, want: Contents) -> bool:
    """Whether a collection is what this very load makes of it: another of its loaders has ended it."""
    return have is not None and (have.run, have.load, have.complete, have.following) == (
        want.run,
        want.load,
        True,
        None,
    )


def is_part_of(have: Contents, run: str) -> bool:
    """Whether a collection holds a part of this run alone, and no more than a part."""
    return have.run == run and have.following is None and not have.complete


def completed(
    contents: Contents, run: str, rows: int, refused: int = 0, superseded: Collection[str] = ()
) -> Contents:
    """What a collection says when it holds all of a run, but for the rows that the store refused."""
    old = tuple(sorted(sha256[:SHA256_SHOWN] for sha256 in superseded))
    return replace(
        contents, run=run, following=None, complete=True, rows=rows, refused=refused, superseded=old
    )
