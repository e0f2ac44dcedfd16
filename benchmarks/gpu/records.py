"""What is had of each engine on each model: one JSON object a line, kept as it comes, and one object of all of them.

A record names model, engine and its `part`: `start`, `rate` (of one mean length), `worker`, `end`, or `failed`.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from benchmarks.gpu.plan import Cell

Record = dict[str, Any]


def read(file: Path | None) -> list[Record]:
    """The records of earlier calls; a line that a killed process left half written is none."""
    if file is None or not file.exists():
        return []
    found = [record_of(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [record for record in found if record is not None]


def record_of(line: str) -> Record | None:
    """What a process said in a line of its output; None where a library printed it."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    return cast("Record", found) if isinstance(found, dict) and "part" in found else None


def left(cell: Cell, records: Sequence[Record]) -> Cell | None:
    """What is still to be measured of it; None: nothing."""
    parts = _of(cell, records)
    means = tuple(mean for mean in cell.means if all(one.get("asked_mean_tokens") != mean for one in parts))
    worker = cell.worker and all(one["part"] != "worker" for one in parts)
    return replace(cell, means=means, worker=worker) if means or worker else None


def failed(cell: Cell, records: Sequence[Record]) -> bool:
    return any(one["part"] == "failed" for one in _of(cell, records))


def summary(cells: Sequence[Cell], records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """What is had of each cell, and what is missing, in words."""
    each: list[Record] = []
    missing: list[str] = []
    for cell in cells:
        parts = _of(cell, records)
        rest = left(cell, records)
        if parts:
            each.append({"model": cell.model, "engine": cell.engine} | _together(parts))
        if rest is None:
            if parts:
                each[-1].pop("failed", None)  # it was made good since
        else:
            why = next((one["why"] for one in reversed(parts) if one["part"] == "failed"), "not begun")
            lengths = ", ".join(map(str, rest.means))
            what = [
                *([f"texts of {lengths} tokens"] if lengths else []),
                *(["worker"] if rest.worker else []),
            ]
            missing.append(f"{cell.model} on {cell.engine}: {' and '.join(what)}: {why}")
    return each, missing


def _of(cell: Cell, records: Sequence[Record]) -> list[Record]:
    return [one for one in records if (one["model"], one["engine"]) == (cell.model, cell.engine)]


def _together(parts: Sequence[Record]) -> Record:
    """Parts as one object; of those that come once the first is kept: later calls find compiled code."""
    out: Record = {"rates": [], "worker": None}
    for part in parts:
        body = {key: value for key, value in part.items() if key not in ("part", "model", "engine")}
        match part["part"]:
            case "rate":
                out["rates"].append(body)
            case "worker":
                out["worker"] = body
            case "failed":
                out["failed"] = body["why"]
            case _:
                out = body | out
    return out
