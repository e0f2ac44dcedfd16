"""The JSON Schema of job.yaml, made of the table of keys: editors complete and check job files by it.

It accepts every file that the parser accepts. The parser refuses more: what two keys say together, and units.
"""

from pathlib import Path
from typing import Any

from launcher.jobs.keys import SECTIONS, TOP, Form, Key

Json = dict[str, Any]
FILE = "job.schema.json"
SHIPPED = Path(__file__).parents[1] / "data" / FILE  # in the package, beside other data
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SOURCE = ("path",)
DECLARED = ("documents", "tokens_per_document")
AMOUNT = r"^\$?\s*[0-9][0-9_,]*(\.[0-9]+)?([eE][+-]?[0-9]+)?\s?[kKMBGT]?$"

SCALARS: dict[Form, Json] = {
    "text": {"type": "string"},
    "path": {"type": "string", "minLength": 1},
    "count": {"type": ["integer", "number", "string"], "minimum": 1, "pattern": AMOUNT},
    "count0": {"type": ["integer", "number", "string"], "minimum": 0, "pattern": AMOUNT},
    "number": {"type": ["number", "string"], "pattern": AMOUNT},
    "flag": {"type": "boolean"},
    "dollars": {"type": ["number", "string"], "minimum": 0, "pattern": AMOUNT},
    "duration": {"type": "string"},
    "per cent": {"type": "string", "pattern": r"^[0-9]{1,2}(\.[0-9]{1,4})?\s?%$"},
    "free": {"type": "object"},
    "header": {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]},
    "opt_in": {"anyOf": [{"type": ["boolean", "string"]}, {"type": "array", "items": {"type": "string"}}]},
    "lengths": {
        "anyOf": [
            {"type": ["number", "string"]},
            {"type": "array", "items": {"type": "array", "items": {"type": ["number", "string"]}}},
        ]
    },
}


def job_schema() -> Json:
    """The schema of a whole job file."""
    return {
        "$schema": DIALECT,
        "title": "embedfleet job.yaml",
        "description": "What to embed, with which model, where the vectors go, and what the run may cost.",
        **_section(TOP),
    }


def _section(section: str) -> Json:
    keys = SECTIONS[section]
    required = [key.name for key in keys if key.required]
    found: Json = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: _property(key) for key in keys},
    }
    if section == "corpus":  # it is read, or only declared
        found["anyOf"] = [{"required": list(names)} for names in (SOURCE, DECLARED)]
    return found | ({"required": required} if required else {})


def _property(key: Key) -> Json:
    return {"description": key.what, **_value(key), **({"examples": [key.example]} if key.example else {})}


def _value(key: Key) -> Json:
    words = {"enum": list(key.words)} if key.words else {}
    if key.form == "mapping":
        section = _section(key.name)
        return {"anyOf": [{"type": "string", "minLength": 1}, section]} if key.also else section
    if key.form == "mappings":
        return {"type": "array", "minItems": 1, "items": _section(key.name)}
    if key.form == "texts":
        item = words or {"type": "string"}
        return {"anyOf": [item, {"type": "array", "minItems": 1, "items": item}]}
    return words or SCALARS[key.form]
