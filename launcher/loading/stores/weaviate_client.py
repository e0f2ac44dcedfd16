"""Connections to Weaviate, REST and gRPC, and its errors."""

# weaviate-client is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingModuleSource=false
import contextlib
import logging
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import httpx
from weaviate import WeaviateClient
from weaviate.classes.init import AdditionalConfig, Auth, GrpcConfig, Timeout
from weaviate.connect import ConnectionParams
from weaviate.exceptions import (
    AuthenticationFailedError,
    InsufficientPermissionsError,
    UnexpectedStatusCodeError,
    WeaviateBaseError,
    WeaviateInsertManyAllFailedError,
    WeaviateQueryError,
    WeaviateRetryError,
)

from launcher.errors import Problem
from launcher.loading.stores.common.backpressure import Busy, Rejected
from launcher.loading.stores.common.tls import checked_authorities
from launcher.sinks.targets import Target

TIMEOUT = Timeout(init=30, query=60, insert=120)  # seconds
GRPC_PORT, TLS_PORT = 50_051, 443
CLOUD = ".weaviate.cloud"  # whose gRPC is at another name, behind TLS's own port
BUSY_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
    }
)
# Of an error that a batch says of one object: the server's state and not the object's, so that it is sent again.
BUSY_WORDS = re.compile(
    r"not enough memory|memory pressure|read-?only|deadline exceeded|context canceled|unavailable|too many requests|"
    r"connection refused|no leader|leader not found|shutting down|replicas|timed? ?out|status code: 5",
    re.IGNORECASE,
)
TOO_LARGE = "larger than max"  # of a message, which halving helps
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"


def connected(target: Target, api_key: str | None) -> Any:
    """A client that is connected on both ports.

    Raises:
        Problem: one of them does not answer, or the key is refused.
    """
    logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)  # it logs each object that failed
    params = _params(target)
    authorities = checked_authorities(target, TLS_PORT, "weaviate")
    credentials = (
        None if authorities is None else grpc.ssl_channel_credentials(Path(authorities).read_bytes())
    )
    with problems():
        client = WeaviateClient(
            connection_params=params,
            auth_client_secret=Auth.api_key(api_key) if api_key else None,
            additional_config=_config(credentials),
            skip_init_checks=True,  # they ask a registry of packages for the newest client
        )
        try:
            client.connect()
            _check_grpc(params, credentials)
        except (
            KeyError,
            TypeError,
            AttributeError,
        ) as error:  # of an answer that lacks what its client reads
            client.close()
            raise Problem(
                f"what answers at {target.host} is no Weaviate: {error}",
                hint="see that the address is that of the server, and not of a page before it",
            ) from error
        except BaseException:
            client.close()
            raise
        return client


@contextlib.contextmanager
def answers_of_a_batch() -> Generator[None]:
    """Errors of a whole batch as `Busy` or `Rejected`; others pass."""
    try:
        yield
    except WeaviateInsertManyAllFailedError as error:
        raise_if_busy(str(error))
        raise Rejected(_said(error)) from error
    except WeaviateRetryError as error:
        raise Busy(_said(error)) from error
    except WeaviateQueryError as error:
        if TOO_LARGE in str(error):
            raise Rejected(_said(error)) from error
        if _code(error) in BUSY_CODES:
            raise Busy(_said(error)) from error
        raise_if_busy(str(error))
        raise


def _params(target: Target) -> Any:
    """REST and gRPC of a server: two ports, and at Weaviate's own cloud two names."""
    host, tls = target.host or "localhost", bool(target.options.get("tls"))
    cloud = host.endswith(CLOUD)
    place, _, port = target.options.get("grpc", "").rpartition(":")
    return ConnectionParams.from_params(
        http_host=host,
        http_port=target.port or (TLS_PORT if tls else 8080),
        http_secure=tls,
        grpc_host=place or (f"grpc-{host}" if cloud else host),
        grpc_port=int(port or (TLS_PORT if cloud else GRPC_PORT)),
        grpc_secure=tls,
    )


def _config(credentials: Any) -> Any:
    """Time limits, and whose certificates are accepted where a user says it: by REST, of SSL_CERT_FILE, and by gRPC."""
    if credentials is None:
        return AdditionalConfig(timeout=TIMEOUT)
    return AdditionalConfig(timeout=TIMEOUT, trust_env=True, grpc_config=GrpcConfig(credentials=credentials))


def _check_grpc(params: Any, credentials: Any) -> None:
    """Check that the second port answers, before a load waits for it.

    Raises:
        Problem: nothing answers there.
    """
    place = f"{params.grpc.host}:{params.grpc.port}"
    channel = (
        grpc.secure_channel(place, credentials or grpc.ssl_channel_credentials())
        if params.grpc.secure
        else grpc.insecure_channel(place)
    )
    with channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=TIMEOUT.init)
        except grpc.FutureTimeoutError as error:
            raise Problem(
                f"Weaviate's gRPC cannot be reached at {place}",
                hint="it is a port of its own: weaviate://HOST:PORT/COLLECTION?grpc=PORT, or ?grpc=HOST:PORT",
            ) from error


def _code(error: BaseException) -> Any:
    """The gRPC status behind an error of the client, which does not hand it on."""
    behind = error.__cause__ or error.__context__
    return behind.code() if isinstance(behind, grpc.Call) else None


def raise_if_busy(said: str) -> None:
    """Raise `Busy` where an error says that the server cannot write now."""
    if BUSY_WORDS.search(said):
        raise Busy(said.strip()[:300])


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextlib.contextmanager
def problems() -> Generator[None]:
    """Errors of Weaviate as problems of two lines."""
    try:
        yield
    except (AuthenticationFailedError, InsufficientPermissionsError) as error:
        raise Problem(
            f"Weaviate refuses the key: {_said(error)}", hint="--secret NAME: the variable holds an API key"
        ) from error
    except UnexpectedStatusCodeError as error:
        refused = error.status_code in (401, 403)
        raise Problem(
            f"Weaviate {'refuses the key' if refused else 'refused'}: {_said(error)}",
            hint="--secret NAME: the variable holds an API key" if refused else AGAIN,
        ) from error
    except (WeaviateBaseError, httpx.HTTPError) as error:
        raise Problem(
            f"Weaviate does not do what it is asked: {_said(error)}",
            hint=f"see that the server runs; {AGAIN}",
        ) from error
