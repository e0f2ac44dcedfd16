"""Paths and URLs as users write them: `~` and `$NAME` are replaced, and what no store can be is refused.

One rule for the paths of a job file, of the command line and of our environment variables. Touches no file.
"""

import os
import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(?:\$|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[^}]*)(?P<closed>\}?))")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
STORE_SCHEMES = ("file", "s3", "gs")
MEANT_SCHEMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}  # what other tools call a store
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expand(path: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the path with `~`, `~user`, `$NAME` and `${NAME}` replaced; `$$` stands for a dollar sign.

    A `~` that does not come first is a letter like any other, as in a shell. `environ` defaults to the environment.

    Raises:
        ValueError: it names a variable that is not set, or a user whom this machine does not know.
    """
    values = os.environ if environ is None else environ
    begin, separator, rest = path.rpartition("file://")
    if begin or not rest.startswith("~"):  # another URL, or no home
        return _variables(path, values)
    return begin + separator + _home(rest, values)


def check_location(location: str) -> str:
    """Return a path or a URL of a store as it is.

    Raises:
        ValueError: there is no store of this scheme, or the URL holds a user name or a password. Its text quotes neither.
    """
    found = _SCHEME.match(location)
    if not found:
        return location
    if holds_credentials(location):
        raise ValueError(
            "the URL holds a user name or a password, which would be in the plan and in the ledger; "
            "give credentials by the environment or the files of the cloud's own tools"
        )
    scheme = found[1]
    if scheme in STORE_SCHEMES:
        return location
    meant = MEANT_SCHEMES.get(scheme.lower(), scheme.lower())
    offer = f"; write {meant}://" if meant in STORE_SCHEMES else ""
    raise ValueError(f"no store for {scheme}://{offer or '; there are folders, s3:// and gs://'}")


def holds_credentials(url: str) -> bool:
    """Whether a URL, or a host without a scheme, has a user name or a password before it."""
    return "@" in re.split(r"[/?#]", url.partition("://")[2] or url, maxsplit=1)[0]


def _home(path: str, values: Mapping[str, str]) -> str:
    user, slash, rest = path.partition("/")
    home = values.get("HOME") if user == "~" else None
    found = home or os.path.expanduser(user)  # noqa: PTH111 - pathlib raises where the user is not known
    if found.startswith("~"):
        whose = f"the user {user[1:]!r} is" if user[1:] else "your home folder is"
        raise ValueError(
            f"{whose} not known on this machine; write the path in full, or ./{user} for a folder of that name"
        )
    return (found.rstrip("/") or "/") + slash + _variables(rest, values)


def _variables(path: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match["name"] or match["braced"]
        if name is None:
            return "$"
        if not _NAME.fullmatch(name) or (match["braced"] is not None and not match["closed"]):
            raise ValueError(f"{match[0]!r} is no variable; write ${{NAME}}, or $$ for a dollar sign")
        if not values.get(name):
            raise ValueError(
                f"${name} is not set in the environment; export {name}, or write $$ for a dollar sign"
            )
        return values[name]

    return _VARIABLE.sub(value, path)
