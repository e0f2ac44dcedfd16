"""Edits of real bytes: flips, cuts, splices, and for JSON fields that are gone, doubled or of another type.

An edit is three numbers, so that the same edits always give the same bytes and Hypothesis can shrink them.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

Edit = tuple[int, int, int]  # which kind of edit, where, and with what

ODD_BYTES = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\x1b[2J",
    b'"',
    b"{",
    b"[" * 200,
    b",",
    b"\n",
    b"NaN",
    b"1e999",
    b"-1",
    b"\xc3",
)
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**63, 10**30, float("nan"), float("inf"), "", "many", "\x00", "\ud800", "../../etc/passwd",
    "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00", "NaN", "1e400", [], [[]], {}, {"a": None}, ["a", 1], "x" * 5_000,
)  # fmt: skip


def mutated(seeds: Sequence[bytes], start: int, edits: Sequence[Edit]) -> bytes:
    """One of the seeds after these edits."""
    body = seeds[start % len(seeds)]
    for kind, place, what in edits:
        body = EDITS[kind % len(EDITS)](body, place, what, seeds)
    return body


def _flip(body: bytes, place: int, what: int, _seeds: Sequence[bytes]) -> bytes:
    if not body:
        return body
    at = place % len(body)
    return body[:at] + bytes([body[at] ^ (1 << what % 8)]) + body[at + 1 :]


def _cut(body: bytes, place: int, what: int, _seeds: Sequence[bytes]) -> bytes:
    at = place % (len(body) + 1)
    return body[:at] if what % 2 else body[at:]


def _insert(body: bytes, place: int, what: int, _seeds: Sequence[bytes]) -> bytes:
    at = place % (len(body) + 1)
    return body[:at] + ODD_BYTES[what % len(ODD_BYTES)] + body[at:]


def _remove(body: bytes, place: int, what: int, _seeds: Sequence[bytes]) -> bytes:
    at = place % (len(body) + 1)
    return body[:at] + body[at + 1 + what % 64 :]


def _splice(body: bytes, place: int, what: int, seeds: Sequence[bytes]) -> bytes:
    other = seeds[what % len(seeds)]
    return body[: place % (len(body) + 1)] + other[place % (len(other) + 1) :]


def _repeat(body: bytes, place: int, what: int, _seeds: Sequence[bytes]) -> bytes:
    at = place % (len(body) + 1)
    piece = body[at : at + 1 + what % 256]
    return body[:at] + piece * (2 + what % 5) + body[at:]


def _change_field(body: bytes, place: int, what: int, _seeds: Sequence[bytes]) -> bytes:
    """Another value at some place of a JSON document, or no field there; other bytes stay as they are."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body
    places = list(_places(found))
    if not places:
        return body
    container, key = places[place % len(places)]
    if what % (len(ODD_VALUES) + 1) == len(ODD_VALUES):
        del container[key]
    else:
        container[key] = ODD_VALUES[what % (len(ODD_VALUES) + 1)]
    return json.dumps(found).encode("utf-8", "surrogatepass")


def _double_field(body: bytes, place: int, what: int, _seeds: Sequence[bytes]) -> bytes:
    at = body.find(b"{", place % (len(body) + 1))
    end = body.find(b",", at)
    return (
        body
        if at < 0 or end < 0
        else body[: at + 1] + body[at + 1 : end + 1] * (1 + what % 3) + body[at + 1 :]
    )


def _places(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """Every list or object in a JSON value, with each of its keys."""
    if depth > 20:
        return []
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(cast("dict[str, Any]", value))
    elif isinstance(value, list):
        keys = list(range(min(20, len(cast("list[Any]", value)))))
    here: list[tuple[Any, Any]] = [(value, key) for key in keys]
    return here + [one for key in keys for one in _places(value[key], depth + 1)]


EDITS: tuple[Callable[[bytes, int, int, Sequence[bytes]], bytes], ...] = (
    _flip, _cut, _insert, _remove, _splice, _repeat, _change_field, _change_field, _change_field, _double_field,
)  # fmt: skip
