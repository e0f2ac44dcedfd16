"""The server: reads requests one by one, applies faults, and answers."""

import asyncio
import json
import os
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, replace
from email.utils import format_datetime
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.objectserver import gcs, s3
from tests.support.objectserver.admin import PATH, Admin, flags
from tests.support.objectserver.buckets import Bucket, Buckets
from tests.support.objectserver.faults import Fault, Faults, Requests, Settings
from tests.support.objectserver.wire import HEAD, Broken, Reader, Reply, Request, send


class Server:
    """Runs on one event loop. Data outlives a stop: the same server can be started again."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.buckets = Buckets()
        self.faults = Faults()
        self.settings = Settings()
        self.kinds: Counter[str] = Counter()
        self.bytes_in = 0
        self.bytes_out = 0
        self.port = 0
        self._lines: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, limit=HEAD, backlog=512, reuse_address=True
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and abort all connections."""
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            line.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()

    async def _serve(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        reader = Reader(stream, writer, self.folder)
        try:
            with suppress(Broken, ConnectionError, asyncio.CancelledError):
                while await self._answer(await reader.request(), writer):
                    pass
        finally:
            self._lines.discard(writer)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether the connection stays open."""
        if request.path.startswith(PATH):
            await send(writer, self._admin(request), date=self._date())
            return True
        dialect: ModuleType = gcs if gcs.speaks(request) else s3
        kind: str = dialect.kind(request)
        self.kinds[kind] += 1
        self.bytes_in += request.body.size
        struck = self.faults.strike(kind, "/".join(dialect.place(request)))
        if struck.seconds:
            await asyncio.sleep(struck.seconds)
        reply = self._outcome(request, dialect, struck.fault)
        if reply is None:
            writer.transport.abort()
            return False
        cut = struck.fault.cut if struck.fault else None
        drip = struck.fault.drip if struck.fault else None
        self.bytes_out += await send(writer, reply, date=self._date(), cut=cut, drip=drip)
        if cut is not None:
            writer.close()
        return cut is None

    def _outcome(self, request: Request, dialect: ModuleType, fault: Fault | None) -> Reply | None:
        """The answer; None: the connection breaks."""
        self.buckets.skew = self.settings.skew
        reply: Reply | None = None
        if fault is None or fault.after or fault.cut is not None or fault.drip is not None:
            reply = dialect.answer(request, self.buckets, self.settings)
        if fault is None or fault.cut is not None or fault.drip is not None:
            return reply
        if fault.status:
            code = fault.code or {
                503: "SlowDown",
                409: "ConditionalRequestConflict",
                403: "AccessDenied",
            }.get(fault.status, "InternalError")
            return dialect.problem(fault.status, code, request)
        return None

    def _date(self) -> str:
        return format_datetime(self.buckets.now(), usegmt=True) if self.settings.date else ""

    def _admin(self, request: Request) -> Reply:
        body: dict[str, Any] = json.loads(bytes(request.body) or b"{}")
        found: Any = {}
        match request.path.removeprefix(PATH):
            case "faults":
                self.faults.set(flags(body["faults"]), body["seed"])
            case "settings":
                self.settings = replace(self.settings, **body)
            case "buckets":
                for name in body["make"]:
                    self.buckets.all.setdefault(name, Bucket())
            case "forget":
                self.forget()
            case "requests":
                found = asdict(self.requests())
            case "writes":
                prefix = request.query.get("prefix", "")
                found = {key: n for key, n in self.buckets.writes.items() if key.startswith(prefix)}
            case _:
                return Reply(404, body=b"no such word")
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(found).encode())

    def requests(self) -> Requests:
        return Requests(dict(self.kinds), self.bytes_in, self.bytes_out)

    def forget(self) -> None:
        self.buckets, self.faults, self.settings = Buckets(), Faults(), Settings()
        self.kinds, self.bytes_in, self.bytes_out = Counter(), 0, 0


class Running:
    """A server in a thread of this process, for a test: `with Running() as server:`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.server = Server(folder)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="object server", daemon=True)

    @property
    def address(self) -> str:
        return self.server.address

    @property
    def admin(self) -> Admin:
        return Admin(self.address)

    def __enter__(self) -> Self:
        self._thread.start()
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def up(self) -> None:
        """Listen again at the same port."""
        asyncio.run_coroutine_threadsafe(self.server.start(self.server.port), self.loop).result(30)

    def down(self) -> None:
        """Take the endpoint down: stop listening and abort all connections."""
        asyncio.run_coroutine_threadsafe(self._down(), self.loop).result(30)

    async def _down(self) -> None:
        await self.server.stop()
        here = asyncio.current_task(self.loop)
        lines = [task for task in asyncio.all_tasks(self.loop) if task is not here]
        await asyncio.gather(*lines, return_exceptions=True)


def environment(address: str) -> dict[str, str]:
    """Environment variables by which the SDKs of S3 and GCS find the server, with credentials for it alone."""
    assert urlsplit(address).hostname == "127.0.0.1", address
    return {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback-secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "STORAGE_EMULATOR_HOST": address,
    }
