"""Addresses of vector stores: what they name, what is refused, and that no secret is quoted."""

import pytest

from launcher.errors import Usage
from launcher.sinks.targets import parse_target


def test_address_of_postgresql_names_host_database_and_table() -> None:
    found = parse_target("postgresql://ann@db.example:5433/my%20db?table=app.docs&sslmode=require")
    assert (found.kind, found.host, found.port, found.user) == ("pgvector", "db.example", 5433, "ann")
    assert (found.database, found.collection, found.options) == ("my db", "app.docs", {"sslmode": "require"})
    assert found.shown == "postgresql://ann@db.example:5433/my db?table=app.docs"


@pytest.mark.parametrize(
    ("place", "host", "port", "shown"),
    [
        ("a:5432,b:5433", "a,b", "5432,5433", "a:5432,b:5433"),
        ("a,b", "a,b", None, "a,b"),
        ("a:5432,b", "a,b", "5432,", "a:5432,b"),
        ("[::1]:5432,[::2]", "::1,::2", "5432,", "::1:5432,::2"),
    ],
)
def test_postgresql_may_have_several_hosts(place: str, host: str, port: str | None, shown: str) -> None:
    target = parse_target(f"postgresql://me@{place}/docs?table=notes&target_session_attrs=read-write")
    assert (target.host, target.options.get("port"), target.user, target.database) == (
        host,
        port,
        "me",
        "docs",
    )
    assert target.options["target_session_attrs"] == "read-write"
    assert target.shown == f"postgresql://me@{shown}/docs?table=notes"
    words = f"host={host}" + (f"&port={port}" if port else "")
    assert parse_target(f"postgresql://me@/docs?table=notes&{words}").shown == target.shown


def test_host_may_be_left_to_the_client() -> None:
    found = parse_target("postgresql:///docs?table=docs&host=/var/run/postgresql")
    assert (found.host, found.port) == ("/var/run/postgresql", None)
    assert parse_target("postgresql:///docs?table=docs").host is None


@pytest.mark.parametrize("word", ["out/docs.lance", "lance://out/docs.lance", "out/docs.lance/"])
def test_path_of_lance(word: str) -> None:
    assert (parse_target(word).kind, parse_target(word).collection) == ("lance", "out/docs.lance")


def test_address_of_milvus() -> None:
    found = parse_target("milvus://db.example:19531/papers/docs")
    assert (found.kind, found.host, found.port, found.database) == ("milvus", "db.example", 19531, "papers")
    assert (found.collection, found.options) == ("docs", {})
    assert parse_target("milvus+https://db.example/docs").options == {"tls": "1"}


def test_address_of_qdrant() -> None:
    found = parse_target("qdrant://db.example:6334/docs")
    assert (found.kind, found.host, found.port, found.collection) == ("qdrant", "db.example", 6334, "docs")
    assert parse_target("qdrant+https://db.example/docs").options == {"tls": "1"}


def test_address_of_redis() -> None:
    found = parse_target("rediss://ann@db.example/docs")
    assert (found.kind, found.user, found.collection, found.options) == ("redis", "ann", "docs", {"tls": "1"})
    assert found.shown == "rediss://ann@db.example/docs"
    assert parse_target("redis://db.example/docs").options == {}


def test_address_of_chroma() -> None:
    found = parse_target("chroma+https://db.example:8001/docs")
    assert (found.kind, found.port, found.collection, found.options) == ("chroma", 8001, "docs", {"tls": "1"})


def test_address_of_a_service() -> None:
    found = parse_target("s3vectors://my-bucket/docs?filter=lang,year")
    assert (found.kind, found.host, found.collection) == ("s3vectors", "my-bucket", "docs")
    assert (found.options, found.shown) == (
        {"filter": "lang,year"},
        "s3vectors://my-bucket/docs?filter=lang,year",
    )
    found = parse_target("pinecone://papers/docs?import=s3://bucket/a/b&integration=one")
    assert (found.host, found.port) == ("papers", None)
    assert found.options == {"import": "s3://bucket/a/b", "integration": "one"}
    found = parse_target("turbopuffer://aws-us-east-1/docs")
    assert (found.kind, found.host, found.collection) == ("turbopuffer", "aws-us-east-1", "docs")


def test_address_of_weaviate_has_a_second_port() -> None:
    found = parse_target("weaviate+https://db.example/docs?grpc=grpc.db.example:443")
    assert (found.kind, found.collection, found.port) == ("weaviate", "docs", None)
    assert found.options == {"grpc": "grpc.db.example:443", "tls": "1"}
    assert parse_target(found.shown) == found


def test_addresses_of_opensearch_and_elasticsearch() -> None:
    found = parse_target("opensearch+https://ann@db.example/docs")
    assert (found.kind, found.user, found.collection, found.options) == (
        "opensearch",
        "ann",
        "docs",
        {"tls": "1"},
    )
    assert parse_target("elasticsearch://db.example:9201/docs").port == 9201


@pytest.mark.parametrize("word", ["s3://bucket/docs.lance", "lance://s3://bucket/docs.lance"])
def test_bucket_of_lance(word: str) -> None:
    assert parse_target(word).collection == "s3://bucket/docs.lance"


@pytest.mark.parametrize(
    ("word", "said", "hint"),
    [
        ("mysql://h/d?table=t", "no vector store mysql://", "postgresql://"),
        ("postgrseql://h/d?table=t", "no vector store", "did you mean postgresql://?"),
        ("out/docs", "is no vector store", "ends in .lance"),
        ("s3://bucket/docs", "no vector store s3://", "s3://BUCKET/vectors.lance"),
        ("", "is no vector store", "ends in .lance"),
        ("lance:docs.lance", "lance:docs.lance is no address", "such as vectors.lance"),
        ("qdrant:localhost/docs", "is no address", "such as qdrant://localhost/docs"),
        ("postgresql://h/?table=t", "names no database", "such as"),
        ("postgresql://h/d", "names no table", "such as"),
        ("postgresql://h/d?table=Docs", "cannot be the name of a table", "small letters"),
        ("postgresql://h/d?table=do cs", "cannot be the name of a table", "40 at most"),
        ("postgresql://h/d?table=" + "t" * 41, "cannot be the name of a table", "40 at most"),
        ("postgresql://h/d?table=t&sslmod=x", "unknown parameter 'sslmod'", "did you mean sslmode?"),
        ("postgresql://h:port/d?table=t", "cannot be read", "HOST:PORT"),
        ("postgresql://h:1,i:port/d?table=t", "port=1,port is no port", "one for each host"),
        (
            "postgresql://h/d?table=t&target_session_attrs=readwrite",
            "is none of PostgreSQL's",
            "did you mean read-write?",
        ),
        ("postgresql://h/d?table=t&sslmode=on", "sslmode=on is none", "one of prefer"),
        ("postgresql://h/d?table=t#x", "has a #", "%23"),
        ("milvus://h", "cannot be the name of a collection", "milvus://localhost/docs"),
        ("milvus:///docs", "names no host", "milvus://localhost/docs"),
        ("milvus://ann@h/docs", "neither user nor parameters", "user:password"),
        ("qdrant://h/a/docs", "'a/docs' cannot be the name of a collection", "qdrant://localhost/docs"),
        ("qdrant://ann@h/docs", "neither user nor parameters", "an API key"),
        ("redis://h/0/docs", "'0/docs' cannot be the name of a collection", "redis://localhost/docs"),
        ("redis://ann@h/docs?db=1", "has no parameters", "the password"),
        ("chroma://h/do", "'do' cannot be the name of a collection", "3 to 40"),
        ("chroma://h/docs_", "cannot be the name of a collection", "neither first nor last"),
        ("s3vectors:///docs", "names no host", "s3vectors://BUCKET/docs"),
        ("s3vectors://b/Docs", "cannot be the name of a collection", "small letters"),
        ("s3vectors://b/a/docs", "cannot be the name of a collection", "small letters"),
        ("s3vectors://ann@b/docs", "has no user", "s3vectors://BUCKET/docs"),
        ("turbopuffer://r/docs?filtr=a", "unknown parameter 'filtr'", "known: filter"),
        ("opensearch://h/Docs", "cannot be the name of a collection", "small letters"),
        ("elasticsearch://h/docs?x=1", "neither user nor parameters", "an API key"),
        ("weaviate://h/docs?grpcs=1", "unknown parameter 'grpcs'", "known: grpc"),
        ("weaviate://h/docs?grpc=far", "names no port", "?grpc=HOST:PORT"),
        ("weaviate://h/_docs", "cannot be the name of a collection", "the first a letter"),
        ("milvus://h/a/b/docs", "cannot be the name of a collection", "40 at most"),
    ],
)
def test_wrong_address_is_refused_with_what_to_do(word: str, said: str, hint: str) -> None:
    with pytest.raises(Usage) as refused:
        parse_target(word)
    assert said in str(refused.value)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    "word", ["postgresql://ann:s3cret@h/d?table=t", "postgresql://h/d?table=t&password=s3cret"]
)
def test_password_in_an_address_is_refused_and_not_quoted(word: str) -> None:
    with pytest.raises(Usage, match="holds a password") as refused:
        parse_target(word)
    assert "s3cret" not in refused.value.two_lines()
    assert "PGPASSWORD" in refused.value.hint


def test_password_in_an_address_of_another_store_has_its_own_hint() -> None:
    with pytest.raises(Usage, match="holds a password") as refused:
        parse_target("redis://:s3cret@h/docs")
    assert refused.value.hint == "name a variable that holds it: --secret NAME, in a job secret: $NAME"
