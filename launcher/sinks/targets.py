"""The address of a vector store: which store, where, and which table or collection.

    postgresql://[USER@]HOST[:PORT][,HOST[:PORT]]/DATABASE?table=[SCHEMA.]TABLE
    milvus[+https]://HOST[:PORT]/[DATABASE/]COLLECTION
    qdrant[+https]://HOST[:PORT]/COLLECTION
    redis[s]://[USER@]HOST[:PORT]/INDEX
    chroma[+https]://HOST[:PORT]/COLLECTION
    opensearch[+https]://[USER@]HOST[:PORT]/INDEX
    elasticsearch[+https]://[USER@]HOST[:PORT]/INDEX
    weaviate[+https]://HOST[:PORT]/COLLECTION[?grpc=[HOST:]PORT]
    s3vectors://BUCKET/INDEX[?filter=COLUMN,COLUMN]
    turbopuffer://REGION/NAMESPACE[?filter=COLUMN,COLUMN]
    pinecone://INDEX-OR-HOST[:PORT]/NAMESPACE[?import=s3://BUCKET/FOLDER[&integration=ID]]
    FOLDER/NAME.lance, s3://BUCKET/PATH.lance, lance://...

An address holds no secret: it is printed, and stays in the history of a shell. Reads no file and no environment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import zip_longest
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from launcher.errors import Usage

Kind = Literal[
    "pgvector", "lance", "milvus", "qdrant", "redis", "chroma", "opensearch", "elasticsearch",
    "weaviate", "s3vectors", "turbopuffer", "pinecone",
]  # fmt: skip

SCHEMES: Mapping[str, Kind] = {
    "postgresql": "pgvector",
    "postgres": "pgvector",
    "pgvector": "pgvector",
    "lance": "lance",
    "milvus": "milvus",
    "milvus+https": "milvus",
    "qdrant": "qdrant",
    "qdrant+https": "qdrant",
    "redis": "redis",
    "rediss": "redis",
    "chroma": "chroma",
    "chroma+https": "chroma",
    "opensearch": "opensearch",
    "opensearch+https": "opensearch",
    "elasticsearch": "elasticsearch",
    "elasticsearch+https": "elasticsearch",
    "weaviate": "weaviate",
    "weaviate+https": "weaviate",
    "s3vectors": "s3vectors",
    "turbopuffer": "turbopuffer",
    "pinecone": "pinecone",
}
EXAMPLES: Mapping[Kind, str] = {
    "pgvector": "postgresql://localhost/DATABASE?table=docs",
    "lance": "vectors.lance, or s3://BUCKET/vectors.lance",
    "milvus": "milvus://localhost/docs",
    "qdrant": "qdrant://localhost/docs",
    "redis": "redis://localhost/docs",
    "chroma": "chroma://localhost/docs",
    "opensearch": "opensearch+https://USER@localhost/docs",
    "elasticsearch": "elasticsearch+https://localhost/docs",
    "weaviate": "weaviate://localhost/docs",
    "s3vectors": "s3vectors://BUCKET/docs",
    "turbopuffer": "turbopuffer://aws-us-east-1/docs",
    "pinecone": "pinecone://INDEX/docs",
}
# The names that `size --store` takes for the HNSW index that a store builds behind a load.
SIZED_AS: Mapping[Kind, str] = {
    "pgvector": "pgvector",
    "milvus": "milvus",
    "qdrant": "qdrant",
    "redis": "redis",
    "chroma": "chroma",
    "opensearch": "opensearch",
    "elasticsearch": "elasticsearch",
    "weaviate": "weaviate",
    "lance": "lance-sq",
    "s3vectors": "s3vectors",
    "turbopuffer": "turbopuffer",
    "pinecone": "pinecone",
}
# Services: the host is the name of a bucket, an index or a region, and these are the options of an address.
SERVICES: Mapping[Kind, frozenset[str]] = {
    "s3vectors": frozenset({"filter"}),
    "turbopuffer": frozenset({"filter"}),
    "pinecone": frozenset({"import", "integration"}),
}
# What `--secret` holds where an address has no user.
SECRETS: Mapping[Kind, str] = {
    "milvus": "user:password, or an API key",
    "qdrant": "an API key",
    "redis": "the password",
    "chroma": "a token",
    "opensearch": "the password of the user in the address",
    "elasticsearch": "the password of the user in the address, or an API key",
    "weaviate": "an API key",
}
# Stores that no test of ours has met, and what it was run against instead. Shown with every load.
NEVER_RUN: Mapping[Kind, str] = {
    "qdrant": "never run against a Qdrant server: only against its engine behind a server of ours",
    "opensearch": "never run against an OpenSearch: only against a server of ours, written from its documentation",
    "elasticsearch": "never run against an Elasticsearch: only against a server of ours, written from its documentation",
    "weaviate": "never run against a Weaviate server: only against a server of ours, over its client's gRPC stubs",
    "s3vectors": "never run against the service: only against moto's S3 Vectors with limits, faults and searches of ours",
    "turbopuffer": "never run against the service: only against a server of ours, made by the types of its client",
    "pinecone": "never run against the service: only against a server of ours, made by the models of its client",
}
WITH_USER: frozenset[Kind] = frozenset({"redis", "opensearch", "elasticsearch"})
# Of servers: the options of an address.
WITH_OPTIONS: Mapping[Kind, frozenset[str]] = {"weaviate": frozenset({"grpc"})}
WITH_DATABASE: frozenset[Kind] = frozenset({"milvus"})
# Of PostgreSQL's parameters those that say how to connect; the password is none of them.
CONNECTION_OPTIONS = (
    "sslmode",
    "sslrootcert",
    "connect_timeout",
    "application_name",
    "host",
    "port",
    "target_session_attrs",
)
# The values that libpq takes of some of them.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("prefer", "disable", "allow", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
# One of several hosts with its port, if it has one; an address of IPv6 is in brackets.
HOST = re.compile(r"(?:\[(?P<ip6>[^]]*)]|(?P<name>[^:]*))(?::(?P<port>.*))?")
PORTS = re.compile(r"(?:[0-9]{1,5})?(?:,(?:[0-9]{1,5})?)*")
# Small letters, because PostgreSQL makes them small wherever a name is not quoted.
TABLE = re.compile(r"(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,39}")
COLLECTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
SEARCH_INDEX = (re.compile(r"[a-z][a-z0-9_]{0,39}"), "small letters, digits and _, 40 at most")
# Names of stores that have rules of their own, and the rules in words.
NAMES: Mapping[Kind, tuple[re.Pattern[str], str]] = {
    "chroma": (
        re.compile(r"[A-Za-z][A-Za-z0-9_]{1,38}[A-Za-z0-9]"),
        "letters, digits and _, 3 to 40, _ neither first nor last",
    ),
    "opensearch": SEARCH_INDEX,
    "elasticsearch": SEARCH_INDEX,
    "weaviate": (
        re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}"),
        "letters, digits and _, 40 at most, the first a letter",
    ),
}
GRPC = re.compile(
    r"(?:[A-Za-z0-9.-]{1,253}:)?[0-9]{1,5}"
)  # the port of Weaviate's gRPC, with its host where it is another
SERVICE_COLLECTION = re.compile(r"[a-z0-9][a-z0-9.-]{1,38}[a-z0-9]")  # of all services; a replacement adds 13
ENVIRONMENT_HINT = "export PGPASSWORD, or name another variable: --secret NAME, in a job secret: $NAME"


@dataclass(frozen=True, slots=True)
class Target:
    """Where vectors go. `shown` is the address without what only one client needs; it identifies the target."""

    kind: Kind
    shown: str
    collection: str  # table, or path of a folder
    host: str | None = None
    port: int | None = None
    user: str | None = None
    database: str | None = None
    options: Mapping[str, str] = field(default_factory=dict[str, str])


def parse_target(word: str) -> Target:
    """The target that an address names.

    Raises:
        Usage: it names no store of ours, lacks a part, or holds a password.
    """
    scheme, separator, rest = word.partition("://")
    slashless = word.partition(":")[0]
    if not separator and slashless in SCHEMES and word != slashless:
        raise Usage(f"{word[:80]} is no address", hint=f"such as {EXAMPLES[SCHEMES[slashless]]}")
    if not separator or (scheme in ("s3", "gs") and _is_lance(rest)):
        return _lance(word)
    if scheme not in SCHEMES:
        near = get_close_matches(scheme, SCHEMES, n=1)
        raise Usage(
            f"no vector store {scheme}://",
            hint=f"did you mean {near[0]}://?" if near else f"one of {', '.join(EXAMPLES.values())}",
        )
    if SCHEMES[scheme] == "lance":
        return _lance(rest)
    if SCHEMES[scheme] == "pgvector":
        return _pgvector(_split(_with_hosts_as_parameters(word)))
    parts = _split(word)
    return _of_service(parts) if SCHEMES[scheme] in SERVICES else _of_server(parts)


def _is_lance(path: str) -> bool:
    return path.rstrip("/").endswith(".lance")


def _lance(path: str) -> Target:
    if not _is_lance(path):
        raise Usage(
            f"{path[:80]} is no vector store",
            hint=f"an address such as {EXAMPLES['pgvector']}, or a path that ends in .lance",
        )
    clean = path.rstrip("/")
    return Target("lance", clean, clean)


def _split(word: str) -> SplitResult:
    try:
        parts = urlsplit(word)
        _ = parts.port, parts.hostname
    except ValueError as error:
        raise Usage(
            f"the address cannot be read: {error}", hint="write HOST or HOST:PORT after ://"
        ) from None
    if parts.password is not None:  # not quoted
        hint = (
            ENVIRONMENT_HINT
            if SCHEMES[parts.scheme] == "pgvector"
            else "name a variable that holds it: --secret NAME, in a job secret: $NAME"
        )
        raise Usage("the address holds a password, which others could see", hint=hint)
    if parts.fragment:
        raise Usage("the address has a #", hint="write %23 for a # in a name")
    return parts


def _with_hosts_as_parameters(word: str) -> str:
    """The same address; of several hosts, as libpq takes them, with the parameters `host` and `port`."""
    scheme, _, rest = word.partition("://")
    place, slash, tail = rest.partition("/")
    user, at, hosts = place.rpartition("@")
    if "," not in hosts:
        return word
    each = [HOST.fullmatch(host) for host in hosts.split(",")]
    asked = "&" if "?" in tail else "?"
    names = ",".join(found["name"] or found["ip6"] or "" for found in each if found)
    ports = ",".join(found["port"] or "" for found in each if found)
    found = f"{scheme}://{user}{at}{slash}{tail}{asked}host={names}"
    return f"{found}&port={ports}" if ports.strip(",") else found


def _pgvector(parts: SplitResult) -> Target:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    table = options.pop("table", "")
    database = unquote(parts.path.strip("/"))
    example = EXAMPLES["pgvector"]
    if "password" in options:
        raise Usage("the address holds a password, which others could see", hint=ENVIRONMENT_HINT)
    unknown = sorted(options.keys() - set(CONNECTION_OPTIONS))
    if unknown:
        near = get_close_matches(unknown[0], [*CONNECTION_OPTIONS, "table"], n=1)
        raise Usage(
            f"the address has an unknown parameter {unknown[0]!r}",
            hint=f"did you mean {near[0]}?" if near else f"known: table, {', '.join(CONNECTION_OPTIONS)}",
        )
    for name, known in CHOICES.items():
        if options.get(name, known[0]) not in known:
            near = get_close_matches(options[name], known, n=1)
            raise Usage(
                f"{name}={options[name][:40]} is none of PostgreSQL's",
                hint=f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}",
            )
    if not PORTS.fullmatch(options.get("port", "")):
        raise Usage(
            f"port={options['port'][:60]} is no port", hint="a number, or one for each host: 5432,5433"
        )
    if not database or "/" in database:
        raise Usage("the address names no database", hint=f"such as {example}")
    if not TABLE.fullmatch(table):
        what = f"{table[:60]!r} cannot be the name of a table" if table else "the address names no table"
        raise Usage(
            what,
            hint=f"such as {example}: small letters, digits and _, 40 at most; SCHEMA.TABLE is possible",
        )
    user = unquote(parts.username) if parts.username else None
    host = options.pop("host", None) or parts.hostname
    places = _places(host or "", options.get("port") or str(parts.port or ""))
    shown = f"postgresql://{f'{user}@' if user else ''}{places}/{database}?table={table}"
    return Target("pgvector", shown, table, host, parts.port, user, database, options)


def _places(hosts: str, ports: str) -> str:
    """Hosts with their ports. One port is that of all hosts."""
    names, numbers = hosts.split(","), ports.split(",")
    if len(numbers) == 1:
        numbers *= len(names)
    return ",".join(
        f"{name}:{number}" if number else name for name, number in zip_longest(names, numbers, fillvalue="")
    )


def _of_server(parts: SplitResult) -> Target:
    kind = SCHEMES[parts.scheme]
    database, _, collection = unquote(parts.path.strip("/")).rpartition("/")
    example = EXAMPLES[kind]
    if not parts.hostname:
        raise Usage("the address names no host", hint=f"such as {example}")
    user = unquote(parts.username) if parts.username and kind in WITH_USER else None
    if (parts.username and not user) or (parts.query and kind not in WITH_OPTIONS):
        raise Usage(
            f"an address of {kind} has {'no' if user else 'neither user nor'} parameters",
            hint=f"--secret NAME: the variable holds {SECRETS[kind]}",
        )
    deep = "/" in database or (database and kind not in WITH_DATABASE)
    allowed, rules = NAMES.get(kind, (COLLECTION, "letters, digits and _, 40 at most"))
    if not allowed.fullmatch(collection) or deep:
        word = f"{database}/{collection}" if deep else collection
        raise Usage(
            f"{word[:60]!r} cannot be the name of a collection",
            hint=f"such as {example}: {rules}",
        )
    options = _options(parts, kind)
    if parts.scheme.endswith("+https") or parts.scheme == "rediss":
        options["tls"] = "1"
    port = f":{parts.port}" if parts.port else ""
    place = f"{f'{user}@' if user else ''}{parts.hostname}{port}"
    query = f"?{parts.query}" if parts.query else ""
    shown = f"{parts.scheme}://{place}/{f'{database}/' if database else ''}{collection}{query}"
    return Target(kind, shown, collection, parts.hostname, parts.port, user, database or None, options)


def _options(parts: SplitResult, kind: Kind) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = WITH_OPTIONS.get(kind, SERVICES.get(kind, frozenset[str]()))
    unknown = sorted(options.keys() - known)
    if unknown:
        raise Usage(
            f"the address has an unknown parameter {unknown[0][:40]!r}",
            hint=f"known: {', '.join(sorted(known)) or 'none'}",
        )
    if not GRPC.fullmatch(options.get("grpc", "1")):
        raise Usage(f"grpc={options['grpc'][:60]} names no port", hint="write ?grpc=PORT, or ?grpc=HOST:PORT")
    return options


def _of_service(parts: SplitResult) -> Target:
    kind = SCHEMES[parts.scheme]
    example = EXAMPLES[kind]
    collection = unquote(parts.path.strip("/"))
    if not parts.hostname:
        raise Usage("the address names no host", hint=f"such as {example}")
    if parts.username:
        raise Usage(f"an address of {kind} has no user", hint=f"such as {example}")
    if not SERVICE_COLLECTION.fullmatch(collection):
        raise Usage(
            f"{collection[:60]!r} cannot be the name of a collection",
            hint=f"such as {example}: small letters, digits, . and -, 3 to 40",
        )
    options = _options(parts, kind)
    port = f":{parts.port}" if parts.port else ""
    shown = f"{parts.scheme}://{parts.hostname}{port}/{collection}{f'?{parts.query}' if parts.query else ''}"
    return Target(kind, shown, collection, parts.hostname, parts.port, options=options)
