"""Write the JSON Schemas of job.yaml and of all --json outputs: `python -m scripts.schemas [FOLDER]`, or docs/schemas.

The schemas come from the types that the commands print. Descriptions are the docstrings of the types and the comments
of their fields. Every key of a document is required, because a document holds all of its keys; an unknown value is null.
The exceptions are keys of a plan that came later than its schema (`LATER_KEYS`).
"""

import inspect
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec

from launcher.cli.commands.init import InitDocument
from launcher.cli.documents import FinishDocument, LedgerDocument, RefreshDocument
from launcher.cli.streams import ERROR_SCHEMA
from launcher.costs.bills.reconcile import ReconcileDocument
from launcher.diagnostics.checks import DoctorDocument
from launcher.documents.bench import BenchDocument
from launcher.documents.evaluation import EvaluateDocument
from launcher.documents.launch import LaunchDocument, LaunchPreview
from launcher.documents.replay import ReplayDocument
from launcher.documents.serve_check import CheckDocument
from launcher.documents.serve_write import ServiceDocument
from launcher.documents.simulation import SimulationDocument
from launcher.documents.status import StatusReport
from launcher.fleet.orphan_check import DownReport
from launcher.index_sizes.document import SizeDocument
from launcher.jobs.job_schema import SHIPPED, job_schema
from launcher.loading.documents import LoadDocument, LoadPreview, RentedLoadDocument
from launcher.output.verification.verify_report import VerifyReport
from launcher.planning.saved import plan_file
from launcher.planning.saved.plan_diff_document import DiffDocument
from launcher.planning.saved.saved_plan import LATER_KEYS, LATER_PLACE_KEYS, SavedPlan
from launcher.reports.document import ReportDocument
from launcher.reports.lists.price_list import PriceRow
from launcher.reports.lists.run_comparison import CompareDocument
from launcher.reports.lists.run_list import RunListDocument
from launcher.throughput.table import SpeedRow
from launcher.vectors.export import ExportDocument
from launcher.vectors.search import SearchResult

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "schemas"
JOB = "job.json"  # of job.yaml, which is no output
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE_TYPES = ("string", "integer", "number", "boolean", "null")
FIELD = re.compile(r"^\s+(\w+): [^#]*#\s*(.+)$")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """What the source says about a field, and msgspec's schema does not."""

    comment: str | None
    is_time: bool


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """What a command prints with --json: a document of this type, or a list of such rows."""

    command: str
    type: Any
    schema: str | None = None  # its name where the type has no field `schema`


OUTPUTS: Mapping[str, JsonOutput] = {
    "bench": JsonOutput("bench --json", BenchDocument),
    "compare": JsonOutput("compare A B --json", CompareDocument),
    "diff": JsonOutput("diff A B --json", DiffDocument),
    "doctor": JsonOutput("doctor --json", DoctorDocument),
    "down": JsonOutput("down --json", DownReport),
    "evaluate": JsonOutput("evaluate --json", EvaluateDocument),
    "export": JsonOutput("export --json", ExportDocument),
    "finish": JsonOutput("finish --json", FinishDocument),
    "init": JsonOutput("init --json", InitDocument),
    "launch": JsonOutput("launch --json", LaunchDocument),
    "launch-preview": JsonOutput("launch --dry-run --json", LaunchPreview),
    "load": JsonOutput("load --json", LoadDocument),
    "load-on": JsonOutput("load --on --json", RentedLoadDocument),
    "load-preview": JsonOutput("load --dry-run --json", LoadPreview),
    "ledger-rebuild": JsonOutput("ledger rebuild --json", LedgerDocument),
    "plan": JsonOutput("plan --json", SavedPlan, plan_file.SCHEMA),
    "prices": JsonOutput("prices --json", list[PriceRow]),
    "prices-refresh": JsonOutput("prices refresh --json", RefreshDocument),
    "report": JsonOutput("report --json", ReportDocument),
    "report-all": JsonOutput("report --all --json", RunListDocument),
    "resume": JsonOutput("resume --json", LaunchDocument),
    "runs": JsonOutput("runs --json", RunListDocument),
    "report-reconcile": JsonOutput("report --reconcile FILE --json", ReconcileDocument),
    "search": JsonOutput("search --json", SearchResult),
    "size": JsonOutput("size --json", SizeDocument),
    "simulate": JsonOutput("simulate JOB.yaml --json", SimulationDocument),
    "serve-check": JsonOutput("serve --check URL --json", CheckDocument),
    "simulate-replay": JsonOutput("simulate --replay RUN --json", ReplayDocument),
    "serve-write": JsonOutput("serve --write FILE --json", ServiceDocument),
    "speed": JsonOutput("speed --json", list[SpeedRow]),
    "status": JsonOutput("status --json", StatusReport),
    "verify": JsonOutput("verify --json", VerifyReport),
}

# Not of a type: `try`, its key, is no name of Python.
ERROR: Json = {
    "$schema": DIALECT,
    "title": "embedfleet COMMAND --json, of any command that fails before it has printed its document",
    "type": "object",
    "properties": {
        "schema": {"const": ERROR_SCHEMA},
        "error": {"type": "string", "description": "what happened"},
        "try": {"type": "string", "description": "what to do next"},
        "code": {
            "type": "integer",
            "description": "the exit status, see docs/exit-codes.md; 0: there was nothing to do",
        },
    },
    "required": ["schema", "error", "try", "code"],
}


def json_schema(output: JsonOutput) -> Json:
    """The JSON Schema of an output."""
    (reference,), components = msgspec.json.schema_components([output.type], ref_template="#/$defs/{name}")
    fields = dict(_fields(output.type))
    definitions = {name: _definition(body, fields) for name, body in sorted(components.items())}
    root = str(reference.get("$ref", "")).rpartition("/")[2]
    schema: Json = {"$schema": DIALECT, "title": f"embedfleet {output.command}"}
    if not root:  # a list
        return schema | reference | {"$defs": definitions}
    document = definitions.pop(root)
    properties = document["properties"]
    name = output.schema or properties["schema"]["default"]
    properties = {"schema": {"const": name}} | {
        key: value for key, value in properties.items() if key != "schema"
    }
    required = ["schema", *(key for key in document["required"] if key != "schema")]
    document |= {"properties": properties, "required": required}
    document.pop("title")
    return schema | document | ({"$defs": definitions} if definitions else {})


def texts() -> dict[str, str]:
    """The text of each schema file, by its name."""
    schemas = {name: json_schema(output) for name, output in OUTPUTS.items()} | {"error": ERROR}
    found = {f"{name}.json": schema for name, schema in schemas.items()} | {JOB: job_schema()}
    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in found.items()}


def main(folder: Path) -> None:
    """Write all schemas, and remove those of outputs that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    written = texts()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    for path in folder.glob("*.json"):
        if path.name not in written:
            path.unlink()
    if folder == FOLDER:
        SHIPPED.write_text(written[JOB], encoding="utf-8")


def _definition(body: Json, fields: Mapping[tuple[str, str], Field]) -> Json:
    """A component of msgspec's schema, with all properties required, formats of times and descriptions of fields."""
    properties: dict[str, Json] = {}
    own = {name: field for (title, name), field in fields.items() if title == body["title"]}
    for key, field in own.items():  # in their order
        value = _short(body["properties"][key])
        if key != "schema":
            value.pop("default", None)
        if field.is_time:
            value["format"] = "date-time"
        if field.comment:
            value["description"] = _json_words(field.comment)
        properties[key] = value
    description = (
        {"description": _json_words(inspect.cleandoc(body["description"]))} if "description" in body else {}
    )
    later = {key for _, name, key in LATER_KEYS if name == body["title"]}
    if body["title"] == "MachinePlace":
        later |= {*LATER_PLACE_KEYS}
    required = [key for key in properties if key not in later]
    return body | description | ({"properties": properties, "required": required} if properties else {})


def _short(value: Json) -> Json:
    """`anyOf` of a simple type and null as one list of types, and whole numbers or any numbers as numbers."""
    choices = value.get("anyOf", [])
    types = [choice.get("type") for choice in choices]
    if not choices or any(kind not in SIMPLE_TYPES for kind in types):
        return dict(value)
    rest = {key: inner for choice in choices for key, inner in choice.items() if key != "type"}
    if "number" in types and "integer" in types:
        types.remove("integer")
    others = {key: inner for key, inner in value.items() if key != "anyOf"}
    return {"type": types[0] if len(types) == 1 else types} | rest | others


def _json_words(text: str) -> str:
    """A description with the words of JSON."""
    return re.sub(r"\bNone\b", "null", text)


def _fields(kind: Any) -> Iterator[tuple[tuple[str, str], Field]]:
    """The fields of a type and of all types in it, by the names of class and field."""
    for found in _dataclasses(kind, set()):
        comments = dict(_comments(found))
        for name, annotation in inspect.get_annotations(found, eval_str=True).items():
            is_time = datetime in (annotation, *getattr(annotation, "__args__", ()))
            yield (found.__name__, name), Field(comments.get(name), is_time)


def _comments(found: type) -> Iterator[tuple[str, str]]:
    """The comments that stand behind the fields of a class."""
    for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(found)).readline):
        match = FIELD.match(token.line) if token.type == tokenize.COMMENT else None
        if match:
            yield match[1], match[2]


def _dataclasses(kind: Any, seen: set[Any]) -> Iterator[type]:
    """The dataclasses that a type is made of."""
    if kind in seen:
        return
    seen.add(kind)
    if is_dataclass(kind):
        yield cast("type", kind)
        for annotation in inspect.get_annotations(cast("type", kind), eval_str=True).values():
            yield from _dataclasses(annotation, seen)
    for argument in getattr(kind, "__args__", ()):
        yield from _dataclasses(argument, seen)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
