"""The borders of this program: what reads bytes from outside, real bytes to begin with, and which errors are refusals.

A reader raises nothing but refusals: errors that name the file or the object, of which a command makes two lines.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import io
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.cli.bill_files import read_bill
from launcher.errors import Problem
from launcher.fleet.backends import skypilot_client
from launcher.fleet.backends.skypilot_status import machine_status
from launcher.fleet.monitoring.heartbeats import summarize, worker_health
from launcher.jobs import job as jobs
from launcher.jobs.parse import parse
from launcher.ledger.ledger import Ledger
from launcher.output.taken_over import read_base
from launcher.planning.saved import plan_file
from launcher.reports import report_json
from pricing.book import price_book
from pricing.sources import azure, gcp, skypilot
from pricing.sources.result import SourceUnavailable
from tasks.formats.parquet.parquet_reader import read_small_table
from tasks.formats.read import read_rows
from tasks.formats.rows import Columns
from tasks.models.describe import describe
from tasks.protocol import control, crash_marker, heartbeat, keys, lease, manifest, receipt
from tasks.protocol.shard import Kind, Slice
from tasks.stores.base import ObjectChanged
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.worker.monitoring.preemption_notice import MetadataAnswer, NoAnswer, NoticeWatcher
from tests.fuzz.border import Border, Place
from tests.fuzz.parquet_borders import parquet_borders
from tests.support.documents import pdf, word
from tests.support.paths import DATA
from tests.support.recorded_http import Recorded
from tests.support.runs import version

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN = "small-c8cff65a"
PROTOCOL = DATA / "protocol"


JOB = b"""name: a
corpus: {path: in, text: text, id: id}
model: hash
output: {path: out, dtype: float16}
limits: {deadline: 6h, budget: $300, gpus: [L4, H100], regions: ['us-*']}
quota: {aws: {us-east-1: {L4: {spot: 64}}}}
"""
DECLARED_JOB = b"""name: b
corpus: {documents: 29.5M, lengths: [[0.5, 100], [0.5, 300]]}
model: {name: x, layers: 2}
chunk: {tokens: 512, overlap: 50}
"""


def stored(key: str, body: bytes) -> MemoryStore:
    store = MemoryStore()
    store.put(key, body)
    return store


def protocol(*names: str) -> tuple[bytes, ...]:
    return tuple((PROTOCOL / name).read_bytes() for name in names)


def borders(place: Place) -> list[Border]:
    """All borders; `place` is for those that read files."""
    return [
        *_documents(place),
        *_launcher(place),
        *_prices(place),
        *_corpus(place),
        *parquet_borders(place),
        *_machines(),
        _model(place),
    ]


def _documents(place: Place) -> Iterator[Border]:
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


def _launcher(place: Place) -> Iterator[Border]:
    plans = tuple((DATA / "plans" / name).read_bytes() for name in ("local.json", "cloud.json"))

    def job(body: bytes) -> object:
        return parse(body.decode("utf-8", "replace"))

    def recorded(body: bytes) -> object:
        plan = plan_file.read_recorded(body)
        return jobs.load(plan.work.job), plan_file.dump(plan)

    def signed(body: bytes) -> object:
        """A plan that someone edited and signed again."""
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            return plan_file.read(body)
        if isinstance(found, dict):
            found.pop("digest", None)
            try:
                found = plan_file.signed(found)
            except (ValueError, RecursionError):
                return None
        return plan_file.read(json.dumps(found))

    def bill(body: bytes) -> object:
        return read_bill(place.file("bill", body), "reviews-0a1b2c3d")

    yield Border("job file", (JOB, DECLARED_JOB), job)
    yield Border("plan of a ledger", plans, recorded)
    yield Border("plan.json", plans, signed)
    yield Border(
        "report.json", (b'{"schema": "embedfleet/report/1", "run": "a", "work": {}}',), report_json.read
    )
    yield Border("ledger file", _ledgers(place), _ledger_reader(place))
    yield Border("bill", _bills(), bill)


def _ledger_reader(place: Place) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            (place.root / name).unlink(missing_ok=True)
        with Ledger.open(place.file("ledger.db", body)) as ledger:
            found: list[object] = [ledger.speeds.matching(), ledger.machines.cold_starts()]
            for run in ledger.runs.all():
                found += [
                    ledger.shards.receipts(run.id),
                    ledger.shards.leases(run.id),
                    ledger.shards.progress(run.id),
                ]
                found += [
                    ledger.machines.of_run(run.id),
                    ledger.machines.lives(run.id),
                    ledger.costs.prices(run.id),
                ]
                found += [
                    ledger.costs.charges(run.id),
                    ledger.notifications.of_run(run.id),
                    ledger.runs.events(run.id),
                ]
        return found

    return read


def _ledgers(place: Place) -> tuple[bytes, ...]:
    bodies: list[bytes] = []
    for script in sorted((DATA / "ledgers").glob("*.sql")):
        path = place.root / "seed.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script.read_text(encoding="utf-8"))
            connection.execute("PRAGMA journal_mode = DELETE")
        bodies.append(path.read_bytes())
    return tuple(bodies)


def _bills() -> tuple[bytes, ...]:
    focus = (
        b"BilledCost,BillingCurrency,ChargePeriodStart,ServiceName,Tags\n"
        b'0.1,USD,2026-11-02T08:00:00Z,Compute Engine,"{""embedfleet-run"": ""reviews-0a1b2c3d""}"\n'
    )
    cur = (
        b"line_item_unblended_cost,line_item_currency_code,line_item_usage_start_date,product_product_name,"
        b"resource_tags_user_embedfleet_run\n1.5,USD,2026-11-02T08:00:00Z,EC2,reviews-0a1b2c3d\n"
    )
    table = pa.table(
        {
            "BilledCost": [1.25],
            "BillingCurrency": ["USD"],
            "ChargePeriodStart": [NOW],
            "ServiceName": ["EC2"],
            "Tags": ['{"embedfleet-run": "reviews-0a1b2c3d"}'],
        }
    )
    return focus, cur, gzip.compress(focus), _parquet(table)


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _prices(place: Place) -> Iterator[Border]:
    prices = DATA / "prices"

    def catalog(body: bytes) -> object:
        text = body.decode("utf-8", "replace")
        return [
            skypilot.parse_catalog(cloud, text, date(2026, 11, 1), "test")
            for cloud in ("aws", "gcp", "lambda")
        ]

    def answers(body: bytes) -> Recorded:
        asked: list[str] = []

        def answer(url: str, _params: Mapping[str, str]) -> bytes:
            asked.append(url)
            return body if len(asked) < 99 else b'{"Items": []}'

        return Recorded(answer)

    catalogs = tuple(path.read_bytes() for path in sorted(prices.glob("skypilot/v*/*/vms.csv"))[:4])
    yield Border(
        "price book",
        (price_book.offers_csv(price_book.load()[:3]).encode(),),
        lambda body: price_book.load(place.file("book.csv", body)),
        (price_book.BadBookError,),
    )
    yield Border("SkyPilot's catalog", catalogs, catalog, (skypilot.UnreadableCatalogError,))
    yield Border(
        "GCP's prices",
        tuple(
            (prices / "gcp" / name).read_bytes()
            for name in ("skus-1.json", "skus-2.json", "machine-types.json")
        ),
        lambda body: gcp.fetch(NOW, answers(body), {"GOOGLE_API_KEY": "secret"}),
        (SourceUnavailable,),
    )
    yield Border(
        "Azure's prices",
        tuple((prices / "azure" / name).read_bytes() for name in ("a10.json", "t4-page-1.json", "none.json")),
        lambda body: azure.fetch(NOW, answers(body)),
        (SourceUnavailable,),
    )


def _corpus(place: Place) -> Iterator[Border]:
    rows = [{"id": f"r{n}", "text": f"some text {n}", "doc": {"text": "inner"}} for n in range(20)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    table = pa.table({"id": [row["id"] for row in rows], "text": [row["text"] for row in rows]})
    tabular = b'id,text\n1,"hello, world"\n2,"a ""quoted"" word"\n3,plain\n'
    arrow = io.BytesIO()
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    kinds: dict[Kind, tuple[str, tuple[bytes, ...]]] = {
        "jsonl": ("a.jsonl", (lines,)),
        "json": ("a.json", (json.dumps(rows).encode(), lines)),
        "csv": ("a.csv", (tabular,)),
        "tsv": ("a.tsv", (tabular.replace(b",", b"\t"),)),
        "text": ("a.txt", (b"one\ntwo\n\xc3\xa4 three\n",)),
        "parquet": ("a.parquet", (_parquet(table),)),
        "arrow": ("a.arrow", (arrow.getvalue(),)),
        "html": ("a.html", (b"<title>t</title><p>one <b>two</b><script>x</script><table><td>a</table>",)),
        "pdf": ("a.pdf", (pdf(["one", "two"], title="t"),)),
        "docx": ("a.docx", (word(["one", "two"], title="t"),)),
    }
    for kind, (name, seeds) in kinds.items():
        yield Border(f"corpus: {kind}", seeds, _rows_reader(place, name, kind), (Problem, ObjectChanged))
    zipped = tuple(gzip.compress(body) for body in (lines, lines * 50))
    yield Border("corpus: gzip", zipped, _rows_reader(place, "a.jsonl.gz", "jsonl"), (Problem, ObjectChanged))
    yield Border("dataset.parquet", (_parquet(table),), _small_table, (pa.ArrowException, OSError))


def _small_table(body: bytes) -> object:
    return read_small_table(body).to_pylist()


def _rows_reader(place: Place, name: str, kind: Kind) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        path = place.file(f"corpus/{name}", body)
        piece = Slice(name, version(path), kind)
        return list(read_rows(FolderStore(path.parent), piece, Columns("text", "id")))

    return read


def _machines() -> Iterator[Border]:
    class Metadata:
        """A metadata service that answers everything with one body."""

        def __init__(self, body: bytes) -> None:
            self.body = body

        def ask(self, path: str, headers: Mapping[str, str], method: str = "GET") -> MetadataAnswer:
            del path, headers, method
            return MetadataAnswer(200, self.body, NOW)

    def notice(body: bytes) -> object:
        seen: list[object] = []

        def warn(why: str, seconds: float) -> None:
            seen.append((why, seconds))

        for cloud in ("aws", "gcp", "azure"):
            service: Any = Metadata(body)
            watcher = NoticeWatcher(cloud, warn, seen.append, service, say=seen.append)
            try:
                watcher.poll()
            except NoAnswer:
                continue
        return seen

    def answer(body: bytes) -> object:
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            return None
        records: list[Any] = found if isinstance(found, list) else [found]
        listed = skypilot_client.jobs_of([SimpleNamespace(**one) for one in records if _named(one)])
        return [machine_status(job, 1.0, "spot") for job in listed]

    job = {
        "job_id": 7, "job_name": "small-l0m0-1", "status": "RUNNING", "recovery_count": 1, "cloud": "AWS",
        "region": "us-east-1", "zone": "us-east-1a", "start_at": 1.7e9, "last_recovered_at": 1.7e9 + 5, "end_at": None,
        "failure_reason": None, "labels": {"embedfleet-run": "small"},
    }  # fmt: skip
    ended = job | {"status": "FAILED", "end_at": 1.7e9 + 9, "failure_reason": "it\nfailed"}
    events = [
        b'{"action": "terminate", "time": "2026-11-23T12:02:00Z"}',
        b'{"Events": [{"EventType": "Preempt", "Resources": ["a"], "NotBefore": "Mon, 23 Nov 2026 12:02:00 GMT"}]}',
        b"TRUE",
    ]
    yield Border("preemption notice", tuple(events), notice, ())
    yield Border("SkyPilot's jobs", tuple(json.dumps([one]).encode() for one in (job, ended)), answer)


def _named(record: object) -> bool:
    return isinstance(record, dict) and all(isinstance(key, str) for key in record)


def _model(place: Place) -> Border:
    files = {
        "config.json": {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "hidden_size": 64,
            "max_position_embeddings": 512,
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 64, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "q: "}, "default_prompt_name": None},
        "tokenizer_config.json": {"model_max_length": 512, "tokenizer_class": "BertTokenizer"},
        "adapter_config.json": {},
    }
    names = list(files)
    seeds: Sequence[bytes] = [name.encode() + b"\n" + json.dumps(files[name]).encode() for name in names]

    def read(body: bytes) -> object:
        """One of the model's files, by the first line, is what the rest says; the others are whole."""
        head, _, rest = body.partition(b"\n")
        name = head.decode(errors="replace")
        folder = place.root / "model"
        shutil.rmtree(folder, ignore_errors=True)
        for other, content in files.items():
            if other != "adapter_config.json":
                place.file(f"model/{other}", json.dumps(content).encode())
        if name in names:
            place.file(f"model/{name}", rest)
        return describe(str(folder))

    return Border("model folder", tuple(seeds), read)
