"""Faults of GCS, with real sign-ins at a token server on loopback; logs and errors hold no secrets."""
# google-api-core comes without types
# pyright: reportUnknownVariableType=false

import io
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.api_core.exceptions import RetryError, from_http_status
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption
from urllib3.exceptions import ProtocolError

from tasks.stores.base import (
    OutcomeUnknown,
    PermissionDenied,
    Store,
    StoreError,
    StoreUnreachable,
    Unauthenticated,
    read,
)
from tasks.stores.gcs import GcsStore
from tasks.stores.gcs_errors import translate
from tasks.stores.retry import PATIENCE, TransientError
from tests.support.buckets import found_by
from tests.support.objectserver import Fault, Running

TOKEN = "ya29.not-a-real-token"
CALLS: list[Callable[[Store], object]] = [
    lambda store: store.create("k", b"1"),
    lambda store: store.put("k", b"1"),
    lambda store: store.get("k"),
    lambda store: store.list(""),
    lambda store: store.now(),
]
NAMES = ["create", "put", "get", "list", "now"]


class Tokens:
    """A token server that gives a token, or answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.given = 0
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                tokens.given += 1
                good = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
                bad = {"error": "invalid_grant", "error_description": f"{TOKEN} has been revoked"}
                body = json.dumps(good if tokens.status == 200 else bad).encode()
                self.send_response(tokens.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name for it
                """Not to stderr."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    found = Tokens()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def secret() -> str:
    """The key of a service account."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def store(
    server: Running, tokens: Tokens, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> GcsStore:
    """Signed in to a service account, as on a rented machine."""
    found_by(server.address, monkeypatch)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", server.address)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    path = tmp_path / "account.json"
    account = {
        "type": "service_account",
        "project_id": "p",
        "client_email": "worker@p.iam",
        "private_key_id": "1",
        "private_key": secret,
        "token_uri": tokens.url,
    }
    path.write_text(json.dumps(account), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    server.admin.make("bucket")
    return GcsStore("bucket", "out", 0.5)


# --- credentials


def test_one_sign_in_serves_all_calls(store: GcsStore, tokens: Tokens) -> None:
    for call in CALLS:
        call(store)
    assert tokens.given == 1


def test_an_expired_token_is_renewed(store: GcsStore, server: Running, tokens: Tokens) -> None:
    store.put("k", b"1")
    server.admin.faults(Fault(status=401, times=1))
    store.put("k", b"2")
    assert read(store, "k") == b"2"
    assert tokens.given == 2


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_unknown_credentials_are_reported(
    store: GcsStore, server: Running, call: Callable[[Store], object]
) -> None:
    server.admin.faults(Fault(status=401))
    with pytest.raises(
        Unauthenticated, match=r"the credentials for gs://bucket/out/.* are not known .* expired \(401\)"
    ) as refusal:
        call(store)
    assert refusal.value.hint.startswith("sign in again (gcloud auth application-default login)")


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_revoked_credentials_are_reported(
    store: GcsStore, tokens: Tokens, call: Callable[[Store], object]
) -> None:
    tokens.status = 400
    with pytest.raises(
        Unauthenticated, match=r"the credentials for gs://bucket/out/.* have expired or were revoked"
    ):
        call(store)


def test_an_unreachable_token_server_is_retried(store: GcsStore, tokens: Tokens) -> None:
    tokens.server.shutdown()
    tokens.server.server_close()
    with pytest.raises(StoreUnreachable, match="the credentials could not be renewed"):
        store.put("k", b"1")


def test_missing_credentials_are_reported(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    found_by(server.address, monkeypatch)  # the SDK sends no credentials to an emulator
    server.admin.faults(Fault(status=401))
    with pytest.raises(Unauthenticated, match="no credentials for gs://bucket/out/k"):
        GcsStore("bucket", "out", 0.5).put("k", b"1")


@pytest.mark.parametrize("text", ["{", "{}", '{"type": "service_account"}', '{"type": "unheard of"}'])
def test_a_broken_key_file_is_reported_without_its_content(
    store: GcsStore, tmp_path: Path, text: str
) -> None:
    (tmp_path / "account.json").write_text(text, encoding="utf-8")
    with pytest.raises(Unauthenticated) as refusal:
        store.put("k", b"1")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in refusal.value.hint


def test_a_missing_key_file_is_reported(store: GcsStore, tmp_path: Path) -> None:
    (tmp_path / "account.json").unlink()
    with pytest.raises(Unauthenticated, match="no credentials for gs://bucket"):
        store.put("k", b"1")


# --- what it asks for


def test_an_absent_object_costs_one_request(store: GcsStore, server: Running) -> None:
    store.put("k", b"1")
    assert all(store.get(f"absent-{n}") is None for n in range(3))
    assert server.admin.requests().by_kind == {"put": 1, "get": 3}


def test_no_permission_on_the_bucket_itself_is_needed(store: GcsStore, server: Running) -> None:
    server.admin.faults(Fault(on="bucket", status=403))
    for call in CALLS:
        call(store)
    assert "bucket" not in server.admin.requests().by_kind


def test_listings_go_page_by_page(store: GcsStore, server: Running) -> None:
    for number in range(5):
        store.put(f"k{number}", b"")
    before = server.admin.requests()
    assert [e.key for e in store.list("k", after="k1")] == ["k2", "k3", "k4"]
    assert server.admin.requests().minus(before).by_kind == {"list": 1}


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded"])
def test_a_rate_limit_is_retried(store: GcsStore, server: Running, reason: str) -> None:
    server.admin.faults(Fault(status=403, code=reason, times=2))
    patient = GcsStore(store.bucket, "out", PATIENCE)  # two pauses alone may take 0.6 s
    patient.put("k", b"1")
    assert read(patient, "k") == b"1"


# --- what errors mean


def answered(status: int, reason: str) -> Exception:
    """An error as the SDK raises it after an upload: the reason is in the response only."""
    body = {"error": {"code": status, "message": TOKEN, "errors": [{"reason": reason}]}}
    response = requests.Response()
    response.status_code = status
    response.raw = io.BytesIO(json.dumps(body).encode())
    return from_http_status(
        status, f"https://host/o?upload_id={TOKEN}", errors=[{"reason": reason}], response=response
    )


BROKEN = [
    requests.exceptions.ConnectionError(TOKEN),
    RetryError(TOKEN, cause=ConnectionResetError(TOKEN)),
    requests.exceptions.ReadTimeout(TOKEN),
    requests.exceptions.ChunkedEncodingError(TOKEN),
    requests.exceptions.ProxyError(TOKEN),
    ProtocolError(TOKEN),
    ConnectionResetError(TOKEN),
    DataCorruption(None, TOKEN),
    auth.TransportError(TOKEN),
    answered(503, "backendError"),
    answered(429, "rateLimitExceeded"),
    answered(408, ""),
]


@pytest.mark.parametrize("error", BROKEN, ids=lambda e: type(e).__name__)
def test_network_errors_are_transient(error: Exception) -> None:
    found = translate(error, "put", "gs://bucket/k")
    assert isinstance(found, TransientError)
    assert TOKEN not in str(found)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (answered(403, "forbidden"), PermissionDenied, "access denied"),
        (answered(403, "accountDisabled"), StoreError, "billing account of its project is not active"),
        (answered(400, "required"), StoreError, "the requester pay"),
        (answered(400, "invalid"), StoreError, "400 invalid"),
        (auth.RefreshError(TOKEN), Unauthenticated, "expired or were revoked"),
        (auth.DefaultCredentialsError(TOKEN), Unauthenticated, "no credentials"),
        (auth.MalformedError(TOKEN), Unauthenticated, "cannot be read"),
        (requests.exceptions.SSLError(f"CERTIFICATE_VERIFY_FAILED {TOKEN}"), StoreError, "not trusted"),
        (requests.exceptions.MissingSchema(TOKEN), StoreError, "not a URL"),
    ],
)
def test_errors_for_people_hold_no_secrets(error: Exception, kind: type[StoreError], told: str) -> None:
    found = translate(error, "list", "gs://bucket/k")
    assert isinstance(found, StoreError)
    assert type(found) is kind
    assert told in str(found)
    assert TOKEN not in f"{found} {found.hint}"


# --- secrets


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault(status=403),
        Fault(status=401),
        Fault(status=503),
        Fault(drop=True),
        Fault(drop=True, after=True),
    ],
    ids=["well", "denied", "unknown", "overloaded", "dropped", "lost"],
)
def test_logs_and_errors_hold_no_keys(
    store: GcsStore,
    server: Running,
    tmp_path: Path,
    secret: str,
    caplog: pytest.LogCaptureFixture,
    fault: Fault | None,
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 17_000_000)
    server.admin.faults(*([fault] if fault else []))
    told: list[str] = []

    def upload(store: Store) -> None:
        store.put("large", tmp_path / "large")

    with caplog.at_level(logging.DEBUG):
        for call in [*CALLS, upload]:
            try:
                call(store)
            except (StoreError, OutcomeUnknown) as error:
                told.append("".join(traceback.format_exception(error)))
    assert bool(told) == (fault is not None)
    assert TOKEN not in "\n".join(told)
    assert TOKEN not in caplog.text
    assert "upload_id" not in caplog.text, "whoever knows it may write the object"
    for line in secret.splitlines()[1:-1]:
        assert line not in caplog.text
        assert line not in "\n".join(told)
