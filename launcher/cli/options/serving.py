"""The command that serves queries of runs."""

import argparse

from launcher.cli.options.shared import Commands, add_json, add_runs_folder
from launcher.cli.options.types import (
    above_zero,
    cosine,
    mebibytes,
    milliseconds,
    path,
    port_or_free,
    positive,
    seconds_above_zero,
    variable,
)


def add_serve(commands: Commands) -> None:
    """`serve`."""
    serve = commands.add_parser(
        "serve", help="serve vectors for queries of a run, as OpenAI's API does; check or rent such a server"
    )
    serve.add_argument(
        "run",
        nargs="*",
        metavar="RUN|OUTPUT",
        help="what to serve, each by its own name (default: the newest run)",
    )
    serve.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1; any other needs --key")
    serve.add_argument(
        "--port", type=port_or_free, default=8_000, metavar="N", help="default 8000; 0: a free one"
    )
    serve.add_argument(
        "--key",
        type=variable,
        metavar="NAME",
        help="the environment variable that holds the key clients must send",
    )
    serve.add_argument(
        "--input-type", choices=["query", "document"], default="query",
        help="what a text is where the request does not say input_type (default query)",
    )  # fmt: skip
    serve.add_argument(
        "--route", action="append", default=[], metavar="FIELD=VALUE:RUN",
        help="which run answers model `auto`; the first rule that holds (default: the first run)",
    )  # fmt: skip
    _add_engine(serve)
    _add_caches(serve)
    _add_check(serve)
    _add_write(serve)
    add_runs_folder(serve)
    add_json(serve)


def _add_engine(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--engine", choices=["torch", "vllm", "packed"], help="default torch")
    serve.add_argument(
        "--threads", type=positive, metavar="N", help="of the engine on the CPU (default: its own)"
    )
    serve.add_argument(
        "--window-ms",
        type=milliseconds,
        default=5.0,
        metavar="MS",
        help="how long a text waits for others (default 5)",
    )
    serve.add_argument(
        "--queue",
        type=positive,
        default=1_024,
        metavar="N",
        help="texts that may wait (default 1024); then 429",
    )
    serve.add_argument(
        "--timeout",
        type=seconds_above_zero,
        default=30.0,
        metavar="SECONDS",
        help="of a request (default 30); then 504",
    )


def _add_caches(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--cache-mb",
        type=mebibytes,
        default=256,
        metavar="MIB",
        help="exact cache of vectors in memory (default 256; 0: none)",
    )
    serve.add_argument(
        "--cache-url",
        metavar="redis://HOST:PORT/DB",
        help="and in Redis or Valkey (default $EMBEDFLEET_CACHE_URL)",
    )
    serve.add_argument(
        "--semantic-cache", type=cosine, metavar="COSINE",
        help="answer /search by the result of a similar query; off by default, needs --queries",
    )  # fmt: skip
    serve.add_argument(
        "--queries", type=path, metavar="FILE.jsonl",
        help="queries of yours, by which the error of --semantic-cache is measured and printed",
    )  # fmt: skip


def _add_check(serve: argparse.ArgumentParser) -> None:
    check = serve.add_argument_group("check another server (nothing is served)")
    check.add_argument(
        "--check",
        metavar="URL",
        help="prove that it gives the run's vectors, and measure it; exit status 1 where not",
    )
    check.add_argument(
        "--model", metavar="NAME", help="its name there (default: the run's, or the only one there)"
    )
    check.add_argument(
        "--send", action="append", default=[], metavar="KEY=VALUE",
        help="a further field of every request, such as truncate_prompt_tokens=256",
    )  # fmt: skip
    check.add_argument(
        "--send-prompt", action="store_true", help="put the run's prompt before each text, as a client must"
    )
    check.add_argument(
        "--send-tokens", action="store_true", help="send token ids, cut as the run says, and no texts"
    )
    check.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    check.add_argument("--no-latency", action="store_true", help="measure no times")


def _add_write(serve: argparse.ArgumentParser) -> None:
    write = serve.add_argument_group("rent a server (nothing is served, nothing is rented)")
    write.add_argument(
        "--write",
        type=path,
        metavar="FILE.yaml",
        help="write a service of SkyServe with vLLM, and say what it costs",
    )
    write.add_argument(
        "--qps",
        type=above_zero,
        default=10.0,
        metavar="N",
        help="queries a second that it must take (default 10)",
    )
    write.add_argument(
        "--query-tokens", type=positive, default=32, metavar="N", help="of a query (default 32)"
    )
    write.add_argument("--offline", action="store_true", help="use the prices that came with this version")
