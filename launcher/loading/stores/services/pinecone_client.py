"""Connections to Pinecone, and its errors."""

# pinecone is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
import contextlib
from collections.abc import Generator
from typing import Any

from pinecone import Pinecone
from pinecone.errors.exceptions import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    PineconeConnectionError,
    PineconeError,
    PineconeTimeoutError,
    UnauthorizedError,
)

from launcher.errors import Problem
from launcher.sinks.targets import Target

TIMEOUT = 60.0  # seconds of a request
AGAIN = "run the same command again: rows are written under their ids, so none comes twice"


def connected(target: Target, api_key: str | None) -> Any:
    """The index that a target names. Errors are those of pinecone, and ValueError where there is no key."""
    with Pinecone(api_key=api_key or "", timeout=TIMEOUT) as client:
        return client.index(**_named(target))


def _named(target: Target) -> dict[str, str]:
    """The index by its name, or by its host, which has a dot or a port. Pinecone Local has no TLS."""
    host = target.host or ""
    if "." not in host and host != "localhost" and target.port is None:
        return {"name": host}
    scheme = "http" if host in ("localhost", "127.0.0.1") else "https"
    return {"host": f"{scheme}://{host}{f':{target.port}' if target.port else ''}"}


@contextlib.contextmanager
def problems() -> Generator[None]:
    """Errors of Pinecone as problems of two lines."""
    try:
        yield
    except (UnauthorizedError, ForbiddenError) as error:
        raise Problem(
            f"Pinecone refuses the key: {error}"[:300], hint="--secret NAME: the variable holds an API key"
        ) from error
    except NotFoundError as error:
        raise Problem(
            f"Pinecone has no such index: {error}"[:300],
            hint="make it with the dimensions of the run and the metric cosine: cloud and region are yours to choose",
        ) from error
    except ApiError as error:
        raise Problem(f"Pinecone refused: {error}"[:300], hint=AGAIN) from error
    except (PineconeConnectionError, PineconeTimeoutError) as error:
        raise Problem(f"Pinecone cannot be reached: {error}"[:300], hint=AGAIN) from error
    except PineconeError as error:
        if isinstance(error, ValueError):
            raise
        raise Problem(f"Pinecone answered what its client cannot read: {error}"[:300], hint=AGAIN) from error
