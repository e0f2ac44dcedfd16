"""Documents of the version before are read, and written again with the same bytes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tasks.errors import Problem
from tasks.protocol import documents, manifest, receipt, shard
from tasks.protocol.keys import control_key, manifest_header_key, manifest_slab_key
from tasks.protocol.lease import LeaseBody
from tasks.protocol.messages import control, crash_marker, heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat, HeldLease
from tasks.protocol.receipt import PartReceipt, Receipt, ReceiptFile
from tasks.stores.memory import MemoryStore
from tests.support.paths import ROOT

# Made by the last version without msgspec, at commit 2ef2231: a run of two workers, one of which was stopped. The files
# with parts, with a failure and with a crash were made by its `dump` functions.
BEFORE = ROOT / "tests" / "data" / "protocol"
RUN = "small-c8cff65a"


@dataclass(frozen=True)
class Note:
    text: str
    at: datetime
    count: int = 0


NOTE = b'{"schema": "note/1", "text": "a", "at": "2026-01-01T00:00:00Z", "count": %b}'


TEXT: dict[str, Any] = {
    "ascii_only": False,
    "without_none": ("cold_start",),
    "without_zero": ("cut_short", "retry"),
}
LATER: dict[str, Any] = {
    "without_none": ("place", "model_fingerprint", "dimensions", "versions"),
    "without_zero": ("tokens_open", "cold_start"),
}
HEADER: dict[str, Any] = {
    "indent": 1,
    "without_none": ("csv", "join", "model_fingerprint", "precision", "by", "splitter", "query_prompt"),
    "without_zero": ("plain_ids", "normalized", "text_hash", "hash_as_text", "reuse", "readers", "repeats"),
}
KINDS: list[tuple[str, Any, str | None, dict[str, Any]]] = [
    ("receipt.json", Receipt, receipt.SCHEMA, TEXT),
    ("receipt-after-part.json", Receipt, receipt.SCHEMA, TEXT),
    ("receipt-failed.json", Receipt, receipt.SCHEMA, TEXT),
    ("part.json", PartReceipt, receipt.PART_SCHEMA, TEXT),
    ("files.json", tuple[ReceiptFile, ...], None, {}),
    ("worker.json", Heartbeat, heartbeat.SCHEMA, LATER),
    ("worker-lost.json", Heartbeat, heartbeat.SCHEMA, LATER),
    ("lease.json", LeaseBody, None, {}),
    ("control.json", control.Control, control.SCHEMA, {}),
    ("run.json", manifest.Header, manifest.SCHEMA, HEADER),
    ("engine.json", list[str], None, {}),
]


@pytest.mark.parametrize(("name", "kind", "schema", "how"), KINDS, ids=[name for name, *_ in KINDS])
def test_a_document_of_the_version_before_keeps_its_bytes(
    name: str, kind: Any, schema: str | None, how: dict[str, Any]
) -> None:
    body = (BEFORE / name).read_bytes()
    found: object = documents.decode(body, kind, "a document", schema)
    assert documents.encode(found, schema, **how) == body


def test_documents_are_written_as_the_version_before_wrote_them() -> None:
    for name in ("receipt.json", "receipt-after-part.json", "receipt-failed.json"):
        body = (BEFORE / name).read_bytes()
        assert receipt.dump(receipt.load(body)) == body
    body = (BEFORE / "part.json").read_bytes()
    assert receipt.dump_part(receipt.load_part(body)) == body
    body = (BEFORE / "worker-lost.json").read_bytes()
    assert heartbeat.dump(heartbeat.load(body)) == body
    text = (BEFORE / "files.json").read_text(encoding="utf-8")
    assert receipt.dump_files(receipt.load_files(text)) == text


@pytest.mark.parametrize("name", ["slab-00000.jsonl", "slab-00001.jsonl"])
def test_shards_of_the_version_before_keep_their_bytes(name: str) -> None:
    body = (BEFORE / name).read_bytes()
    assert b"\n".join(shard.dump(shard.load(line)) for line in body.splitlines()) == body


def test_a_run_of_the_version_before_is_read() -> None:
    store = MemoryStore()
    store.put(manifest_header_key(RUN), (BEFORE / "run.json").read_bytes())
    store.put(manifest_slab_key(RUN, 0), (BEFORE / "slab-00000.jsonl").read_bytes())
    store.put(control_key(RUN), (BEFORE / "control.json").read_bytes())
    header = manifest.read_header(store, RUN)
    assert (header.model, header.ttl, header.keep) == ("hash", 60.0, ())
    assert [one.position for one in manifest.all_shards(store, header)] == [0, 1, 2]
    assert control.read_command(store, RUN) == "drain"


def test_a_receipt_of_the_version_before_is_read() -> None:
    found = receipt.load((BEFORE / "receipt-after-part.json").read_bytes())
    assert found.started == datetime(2026, 11, 28, 19, 47, 44, 953887, tzinfo=UTC)
    assert [file.rows for file in found.earlier] == [11]
    assert found.earlier == receipt.load_part((BEFORE / "part.json").read_bytes()).files


def test_a_heartbeat_of_the_version_before_is_read() -> None:
    found = heartbeat.load((BEFORE / "worker-lost.json").read_bytes())
    claimed = datetime(2026, 11, 28, 19, 47, 38, 467691, tzinfo=UTC)
    assert found.leases == [HeldLease("00000", "ba21b6c7a2a984e0", 2, claimed)]
    assert found.ready == datetime(2026, 11, 28, 19, 47, 38, tzinfo=UTC)
    assert found.machine["gpu"] == "NVIDIA L4"


def test_a_crash_marker_of_the_version_before_is_read() -> None:
    assert crash_marker.marked(BEFORE) == {"_embedfleet/small-c8cff65a/leases/00000/ba21b6c7a2a984e0/000002"}


def test_unknown_fields_are_ignored() -> None:
    body = b'{"schema": "note/1", "text": "a", "at": "2026-01-01T00:00:00+00:00", "newer": [1]}'
    assert documents.decode(body, Note, "a note", "note/1") == Note("a", datetime(2026, 1, 1, tzinfo=UTC))


def test_times_are_written_with_their_offset() -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert documents.encode(Note("ß", moment), "note/1", ascii_only=False) == (
        '{"schema": "note/1", "text": "ß", "at": "2026-01-01T00:00:00+02:00", "count": 0}'.encode()
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not a note: Expecting value"),
        (b"\xff", "not a note: "),
        (b"[1]", "not a note: Expected `object`, got `array`"),
        (b"[" * 100_000, "not a note: "),
        (b'{"text": "a"}', "not a note of schema note/1"),
        (b'{"schema": "note/2", "text": 1}', "not a note of schema note/1"),
        (b'{"schema": "note/1", "text": "a"}', "not a note: Object missing required field `at`"),
        (
            b'{"schema": "note/1", "text": "a", "at": "2026-01-01T00:00:00Z", "count": "1"}',
            r"not a note: Expected `int`, got `str` - at `\$.count`",
        ),
        (b'{"schema": "note/1", "text": "a", "at": "yesterday"}', "not a note: Invalid RFC3339"),
        (NOTE % b"NaN", "not a note: NaN is no number"),
        (NOTE % b"-Infinity", "not a note: -Infinity is no number"),
        (NOTE % b'1, "count": 2', "not a note: 'count' is given twice"),
        (NOTE % str(10**25).encode(), "not a note: "),
        (NOTE % (b"9" * 5_000), "not a note: "),
        (NOTE.replace(b"Z", b"") % b"1", "not a note: the time 2026-01-01 00:00:00 has no zone"),
        (
            NOTE.replace(b"2026", b"0001") % b"1",
            "not a note: the time 0001-01-01 00:00:00.* is out of the range",
        ),
        (
            NOTE.replace(b"2026", b"9999") % b"1",
            "not a note: the time 9999-01-01 00:00:00.* is out of the range",
        ),
    ],
)
def test_an_unreadable_document_is_a_problem_that_says_why(body: bytes, why: str) -> None:
    with pytest.raises(documents.BadDocument, match=why) as problem:
        documents.decode(body, Note, "a note", "note/1")
    assert isinstance(problem.value, Problem)
    assert isinstance(problem.value, ValueError)
    assert "use the version of embedfleet that wrote it" in problem.value.hint


def test_a_document_larger_than_any_of_ours_is_not_parsed() -> None:
    with pytest.raises(documents.BadDocument, match=r"not a note: it has 67,108,865 bytes"):
        documents.decode(b" " * (documents.MAX_DOCUMENT_BYTES + 1), Note, "a note")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "../precious.txt"),
        ("key", "/etc/passwd"),
        ("key", "data/../../precious.parquet"),
        ("key", "data/a\x1b[2J.parquet"),
        ("quarantine", "../precious.txt"),
        ("quarantine", "_embedfleet/../data/a.jsonl"),
        ("quarantine", "data/a.parquet"),
        ("shard", ".."),
        ("worker", "a/b"),
        ("worker", "\udcff"),
        ("documents", -1),
        ("tokens", 2**63),
        ("stages", {"engine": -1.0}),
    ],
)
def test_a_receipt_that_would_lead_elsewhere_or_overflow_is_refused(field: str, value: object) -> None:
    body = json.loads((BEFORE / "receipt.json").read_bytes()) | {field: value}
    with pytest.raises(documents.BadDocument, match="not a receipt: "):
        receipt.load(json.dumps(body).encode())


def test_a_file_name_that_is_not_utf_8_survives() -> None:
    found = shard.load((BEFORE / "slab-00001.jsonl").read_bytes().splitlines()[1])
    assert [piece.path for piece in found.slices] == ["bad-\udcff.txt"]
