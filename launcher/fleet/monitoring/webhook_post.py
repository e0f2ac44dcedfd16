"""Send one message to a webhook. Its address is a secret: no error, traceback or log contains it.

Knows neither runs nor the ledger.
"""

import http.client
import json
import os
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

from launcher.errors import Usage

TIMEOUT_SECONDS = 5.0  # for each step of a connection
ATTEMPT_SECONDS = 10.0  # in all; a server that answers byte by byte would keep each step short
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_URL_CHARACTERS = re.compile(r"[!-~]+")  # ASCII without spaces and control characters


def webhook_url(word: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The address that the job's `notify` names; None: the job has none.

    Raises:
        Usage: the variable is not set, or does not hold an https address.
    """
    if word is None:
        return None
    name = word.removeprefix("$")
    url = environ.get(name, "").strip()
    if not url:
        raise Usage(
            f"notify: the environment has no {name}", hint=f"export {name}=https://..., or leave notify out"
        )
    wrong = _fault(url)
    if wrong:
        raise Usage(f"notify: {name} {wrong}", hint=f"export {name}=https://...")
    return url


def _fault(url: str) -> str | None:
    """What is wrong with an address, in words that do not quote it."""
    if not _URL_CHARACTERS.fullmatch(url):
        return "holds a space or another character that no address has"
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port  # read here, because they are parsed when they are read
    except ValueError:  # its text quotes the address
        return "holds no address: its host or port cannot be read"
    if parts.username is not None or parts.password is not None:
        return "holds an address with a user name or a password, which are not sent"
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK)):
        return "holds no https address"
    return None


def post(url: str, text: str) -> str | None:
    """Send one message; return what went wrong, in a text without the address, or None."""
    result = ["it did not answer in time"]
    attempt = threading.Thread(target=lambda: result.append(_post(url, text)), daemon=True)
    attempt.start()
    attempt.join(ATTEMPT_SECONDS)
    return result[-1] or None


def _post(url: str, text: str) -> str:
    body = json.dumps({"text": text}).encode()
    try:
        request = urllib.request.Request(  # noqa: S310 - `webhook_url` has checked its scheme
            url, body, {"Content-Type": "application/json"}, method="POST"
        )
        with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:  # their texts may quote the address
        return f"it could not be reached ({type(error).__name__})"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: it would pass the secret on."""

    def redirect_request(self, *_arguments: object, **_named: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler())
