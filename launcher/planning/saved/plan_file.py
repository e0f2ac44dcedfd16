"""Read and write plan.json: text on one side, a SavedPlan on the other, and a digest that shows whether it was edited.

Light on purpose (no numpy, no pyarrow): every command that reads a run's plan imports it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec

from launcher import files
from launcher.errors import Problem
from launcher.format import plural
from launcher.planning.saved.saved_plan import (
    LATER_FIGURES,
    LATER_KEYS,
    LATER_PLACE_KEYS,
    SCHEMA,
    SavedPlan,
    digest_of,
)
from tasks.protocol import documents
from tasks.protocol.bounds import out_of_bounds

PLAN_AGAIN = "make it again: embedfleet plan JOB.yaml -o plan.json"
REBUILD = "move the ledger away, then: embedfleet ledger rebuild OUTPUT"
MAX_MACHINES = 1_000_000  # of a group, and workers of a machine; more is damage

Document = str | bytes | Mapping[str, Any]


class BadPlan(Problem):
    """The plan cannot be used, and why."""


def dump(plan: SavedPlan) -> dict[str, Any]:
    """The JSON object of plan.json, with the digest of what it holds. Money is text, unknown is null."""
    body: dict[str, Any] = json_values(plan)
    body.pop("digest")
    for section, _, key in LATER_KEYS:
        found: Any = body.get(section, []) if section else body
        for one in cast("list[dict[str, Any]]", found if isinstance(found, list) else [found]):
            if one[key] is None or (not one[key] and key not in LATER_FIGURES):
                del one[key]
    for place in (place for group in body["lots"] for place in group["places"]):
        for key in LATER_PLACE_KEYS:
            if place[key] is None:
                del place[key]
    return signed(body)


def json_values(document: object) -> Any:
    """A dataclass with money and dates as JSON values: both become text, and tuples become lists."""
    return _json_value(msgspec.to_builtins(document, builtin_types=(Decimal, datetime, date)))


def with_digest(plan: SavedPlan) -> SavedPlan:
    """The plan with the digest of what it holds."""
    return replace(plan, digest=dump(plan)["digest"])


def signed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a plan with its digest added."""
    return {**body, "digest": digest_of(body)}


def read(document: Document) -> SavedPlan:
    """The plan that `dump` wrote, unchanged.

    Raises:
        BadPlan: it is no plan, is of another version, lacks a field, or was edited after it was made.
    """
    return _typed(check(_parsed(document, PLAN_AGAIN)), PLAN_AGAIN)


def read_recorded(document: Document) -> SavedPlan:
    """The plan that a ledger's run row holds. The digest is not checked: a ledger is not edited by hand.

    Raises:
        BadPlan: it is no plan, or lacks a field.
    """
    return _typed(_parsed(document, REBUILD), REBUILD)


def indented(recorded: str) -> str:
    """The text of plan.json for the plan that a ledger's run row holds.

    Raises:
        BadPlan: it is not JSON.
    """
    return json.dumps(_parsed(recorded, REBUILD), indent=1) + "\n"


def compact(text: str | bytes) -> str:
    """The plan of this text in one line, as a ledger's run row holds it.

    Raises:
        BadPlan: it is not JSON.
    """
    return json.dumps(_parsed(text, PLAN_AGAIN))


def plan_in(path: Path) -> SavedPlan:
    """The plan in this file, unchanged since it was made.

    Raises:
        Usage: the file cannot be read.
        BadPlan: it holds no plan, or one that was edited.
    """
    text = files.read(path)
    try:
        return read(text)
    except BadPlan as error:
        raise BadPlan(f"{path}: {error}", hint=error.hint) from error


def check(body: Any) -> dict[str, Any]:
    """The JSON object of a plan, unchanged since it was made.

    Raises:
        BadPlan: it is no plan, is of another version, or was edited after it was made.
    """
    if not isinstance(body, Mapping) or "digest" not in body:
        raise BadPlan("this is not a plan", hint=PLAN_AGAIN)
    fields = dict(cast("Mapping[str, Any]", body))
    if fields.get("schema") != SCHEMA:
        raise BadPlan(
            f"the plan has schema {fields.get('schema')!r}, this version reads {SCHEMA!r}", hint=PLAN_AGAIN
        )
    digest = fields.pop("digest")
    if digest_of(fields) != digest:
        raise BadPlan("the plan was changed after it was made: its digest does not fit", hint=PLAN_AGAIN)
    return fields | {"digest": digest}


def _parsed(document: Document, hint: str) -> Any:
    """The JSON value of a plan, of bounded depth and size."""
    if isinstance(document, Mapping):
        body: Any = document
    else:
        try:
            body = documents.parse(document, "the plan")
        except documents.BadDocument as error:
            raise BadPlan(f"the plan is not JSON: {error.__cause__ or error}", hint=hint) from error
    if why := out_of_bounds(body):
        raise BadPlan(f"the plan cannot be read: {why}", hint=hint)
    return body


def _typed(body: Any, hint: str) -> SavedPlan:
    try:
        plan = documents.convert(body, SavedPlan, "a plan")
    except documents.BadDocument as error:
        raise BadPlan(f"the plan cannot be read: {error}", hint=hint) from error
    if not plan.lots:
        raise BadPlan("the plan cannot be read: it has no machines", hint=hint)
    for group in plan.lots:
        if not (1 <= group.machines <= MAX_MACHINES and 1 <= group.workers <= MAX_MACHINES):
            why = f"it has {plural(group.machines, 'machine')} of {plural(group.workers, 'worker')}"
            raise BadPlan(f"the plan cannot be read: {why}", hint=hint)
    return plan


def _json_value(value: Any) -> Any:
    """Decimal and dates as text, in full: `str` would write a small amount with an exponent."""
    match value:
        case None | str() | int() | float():  # most values, before what takes longer to recognise
            return value
        case Mapping():
            return {key: _json_value(inner) for key, inner in cast("Mapping[str, Any]", value).items()}
        case Decimal():
            return f"{value:f}"
        case date():  # a datetime is one too
            return value.isoformat()
        case Sequence():
            return [_json_value(inner) for inner in cast("Sequence[Any]", value)]
        case _:
            return value
