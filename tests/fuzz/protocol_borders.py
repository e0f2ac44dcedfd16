"""Borders of the documents that launcher and workers leave in the store."""

from collections.abc import Iterator

from launcher.fleet.monitoring.heartbeats import summarize, worker_health
from launcher.output.taken_over import read_base
from tasks.protocol import keys, lease, manifest, receipt
from tasks.protocol.messages import control, crash_marker, heartbeat
from tasks.stores.memory import MemoryStore
from tests.fuzz.border import Border, Place
from tests.support.paths import DATA

RUN = "small-c8cff65a"
PROTOCOL = DATA / "protocol"


def stored(key: str, body: bytes) -> MemoryStore:
    store = MemoryStore()
    store.put(key, body)
    return store


def protocol(*names: str) -> tuple[bytes, ...]:
    return tuple((PROTOCOL / name).read_bytes() for name in names)


def protocol_borders(place: Place) -> Iterator[Border]:
    """The borders of this module."""

    def crash(body: bytes) -> object:
        place.file(crash_marker.NAME, body)
        return crash_marker.marked(place.root)

    def beat(body: bytes) -> object:
        return summarize([worker_health(heartbeat.load(body), 1.0)])

    lease_key = keys.lease_key(RUN, "00000", "0" * 16, 1)
    yield Border(
        "receipt", protocol("receipt.json", "receipt-after-part.json", "receipt-failed.json"), receipt.load
    )
    yield Border("part", protocol("part.json"), receipt.load_part)
    yield Border(
        "files of a receipt",
        protocol("files.json"),
        lambda body: receipt.load_files(body.decode(errors="replace")),
    )
    yield Border("heartbeat", protocol("worker.json", "worker-lost.json"), beat)
    yield Border(
        "lease", protocol("lease.json"), lambda body: lease.holder(stored(lease_key, body), lease_key)
    )
    yield Border(
        "control",
        protocol("control.json"),
        lambda body: control.read_command(stored(keys.control_key(RUN), body), RUN),
        (),
    )
    yield Border("crash marker", protocol("engine.json"), crash, ())
    yield Border(
        "manifest header",
        protocol("run.json"),
        lambda body: manifest.read_header(stored(keys.manifest_header_key(RUN), body), RUN),
    )
    yield Border(
        "manifest slab",
        protocol("slab-00000.jsonl", "slab-00001.jsonl"),
        lambda body: manifest.read_slab(stored(keys.manifest_slab_key(RUN, 0), body), RUN, 0, 3),
    )
    yield Border(
        "shards of earlier runs",
        (b'{"r-1": ["0123456789abcdef"]}',),
        lambda body: read_base(stored(keys.base_dataset_key(RUN), body), RUN),
    )
