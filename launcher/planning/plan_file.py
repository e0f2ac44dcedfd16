"""Read and write plan.json: text on one side, a SavedPlan on the other, and a digest that shows whether it was edited.

Light on purpose (no scipy, no pyarrow): every command that reads a run's plan imports it.
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
from launcher.planning.saved_plan import SCHEMA, SavedPlan, digest_of

PLAN_AGAIN = "make it again: embedfleet plan JOB.yaml -o plan.json"

Document = str | bytes | Mapping[str, Any]


class BadPlan(Problem):
    """The plan cannot be used, and why."""


def dump(plan: SavedPlan) -> dict[str, Any]:
    """The JSON object of plan.json, with the digest of what it holds. Money is text, unknown is null."""
    body: dict[str, Any] = json_values(plan)
    body.pop("digest")
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
    return _typed(check(_parsed(document)))


def read_recorded(document: Document) -> SavedPlan:
    """The plan that a ledger's run row holds. The digest is not checked: a ledger is not edited by hand.

    Raises:
        BadPlan: it is no plan, or lacks a field.
    """
    return _typed(_parsed(document))


def plan_in(path: Path) -> SavedPlan:
    """The plan in this file, unchanged since it was made.

    Raises:
        Usage: the file cannot be read.
        BadPlan: it holds no plan, or one that was edited.
    """
    text = files.read(path)
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPlan(
            f"{path} is not JSON: {error}", hint="name two plans: embedfleet plan -o writes one"
        ) from error
    return read(body)


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


def _parsed(document: Document) -> Any:
    if isinstance(document, Mapping):
        return document
    try:
        return json.loads(document)
    except (ValueError, RecursionError) as error:
        raise BadPlan(f"the plan is not JSON: {error}", hint=PLAN_AGAIN) from error


def _typed(body: Any) -> SavedPlan:
    try:
        return msgspec.convert(body, SavedPlan)
    except msgspec.ValidationError as error:
        raise BadPlan(f"the plan cannot be read: {error}", hint=PLAN_AGAIN) from error


def _json_value(value: Any) -> Any:
    """Decimal and dates as text, in full: `str` would write a small amount with an exponent."""
    match value:
        case Mapping():
            return {key: _json_value(inner) for key, inner in cast("Mapping[str, Any]", value).items()}
        case Decimal():
            return f"{value:f}"
        case date():  # a datetime is one too
            return value.isoformat()
        case str():
            return value
        case Sequence():
            return [_json_value(inner) for inner in cast("Sequence[Any]", value)]
        case _:
            return value
