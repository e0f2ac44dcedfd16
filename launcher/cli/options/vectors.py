"""Commands about vectors: search a dataset, export it, measure how good it is, and load it into a vector store."""

import argparse

from launcher.cli.options.shared import Commands, add_json, add_runs_folder
from launcher.cli.options.types import dollars, location, names, path, positive, variable, whole_numbers

FORMATS = ("parquet", "npy", "lance", "huggingface", "milvus")  # of `launcher.vectors.export_formats`
RUN_HELP = "its name or the beginning of it, or an output path such as vectors or s3://BUCKET/vectors"


def add_export(commands: Commands) -> None:
    """`export`."""
    export = commands.add_parser("export", help="write the vectors of a run to one file or folder")
    export.add_argument("run", nargs="?", metavar="RUN|OUTPUT", help=f"{RUN_HELP} (default: the newest run)")
    export.add_argument(
        "--to", type=path, required=True, metavar="FILE|DIR",
        help="ends in .parquet, .npy (and .ids.parquet beside it) or .lance; else a folder for Hugging Face datasets. "
        "What exists is never overwritten",
    )  # fmt: skip
    export.add_argument(
        "--format",
        choices=FORMATS,
        help="default: by the name of FILE|DIR; milvus: Parquet that Milvus imports",
    )
    export.add_argument(
        "--vectors",
        choices=["float32", "stored"],
        help="float32, or the numbers as they are stored (default: float16 as it is, all else as float32)",
    )
    add_runs_folder(export)
    add_json(export)


def add_search(commands: Commands) -> None:
    """`search`."""
    search = commands.add_parser("search", help="find the vectors of a run that are nearest to a text")
    search.add_argument("run", nargs="?", metavar="RUN|OUTPUT", help=f"{RUN_HELP} (default: the newest run)")
    search.add_argument("query", metavar="QUERY", help="the text")
    search.add_argument("-k", type=positive, default=10, metavar="N", help="how many (default 10)")
    search.add_argument(
        "--prompt",
        metavar="TEXT",
        help="put before the query (default: the model's own prompt for queries, else that of the run)",
    )
    search.add_argument(
        "--no-text", action="store_true", help="do not read the texts of what is found from the corpus"
    )
    add_runs_folder(search)
    add_json(search)


def add_evaluate(commands: Commands) -> None:
    """`evaluate`."""
    evaluate = commands.add_parser(
        "evaluate", help="measure retrieval with the vectors of a run, and with cheaper forms of them"
    )
    evaluate.add_argument(
        "run", nargs="?", metavar="RUN|OUTPUT", help=f"{RUN_HELP} (default: the newest run)"
    )
    evaluate.add_argument(
        "--queries",
        type=path,
        required=True,
        metavar="FILE",
        help="queries.jsonl of BEIR: _id and text a line",
    )
    evaluate.add_argument(
        "--qrels",
        type=path,
        required=True,
        metavar="FILE",
        help="qrels of BEIR: query, document, score, between tabs",
    )
    evaluate.add_argument(
        "--keep", type=float, default=0.99, metavar="SHARE", help="of nDCG@10 that is enough (default 0.99)"
    )
    evaluate.add_argument(
        "--dimensions", type=whole_numbers, metavar="N,N",
        help="measure vectors shortened to these (default: halves, where the model was trained for fewer dimensions)",
    )  # fmt: skip
    evaluate.add_argument(
        "--prompt", metavar="TEXT", help="put before the queries (default: the run's prompt for queries)"
    )
    evaluate.add_argument(
        "--allow-missing",
        action="store_true",
        help="judged documents that the run does not have are not found",
    )
    add_runs_folder(evaluate)
    add_json(evaluate)


def add_load(commands: Commands) -> None:
    """`load`."""
    load = commands.add_parser(
        "load", help="load the vectors of a run into a vector store, each row exactly once"
    )
    load.add_argument("run", nargs="?", metavar="RUN|OUTPUT", help=f"{RUN_HELP} (default: the newest run)")
    load.add_argument(
        "--to", type=_target, metavar="TARGET",
        help="default: the job's sink. postgresql://HOST/DATABASE?table=TABLE (pgvector), milvus://, qdrant://, "
        "redis://, chroma:// or weaviate://HOST/COLLECTION, s3vectors://BUCKET/INDEX, turbopuffer://REGION/NAMESPACE, "
        "pinecone://INDEX/NAMESPACE, or a path or s3://BUCKET/PATH that ends in .lance",
    )  # fmt: skip
    load.add_argument(
        "--secret", type=_variable, metavar="NAME",
        help="the environment variable with the password or key; PGPASSWORD and PGPASSFILE hold anyway",
    )  # fmt: skip
    _add_rows(load)
    load.add_argument(
        "--follow",
        action="store_true",
        help="load a run that goes on: each shard when it is done, the rest and the index at its end",
    )
    load.add_argument(
        "--parent", type=int, help=argparse.SUPPRESS
    )  # the launcher that starts it, and ends it
    _add_machines(load)
    load.add_argument("--of", help=argparse.SUPPRESS)  # of a loader on a machine: the run in OUTPUT
    load.add_argument("--share", help=argparse.SUPPRESS)  # and the identity of the load
    load.add_argument("--parallel", type=positive, default=2, metavar="N", help="files at once (default 2)")
    load.add_argument(
        "--dry-run", action="store_true", help="say what would be done, how large it is and how long it takes"
    )
    load.add_argument(
        "--verify",
        action="store_true",
        help="compare the store with the dataset: rows, numbers, searches, recall",
    )
    add_runs_folder(load)
    add_json(load)


def _add_rows(load: argparse.ArgumentParser) -> None:
    """Which rows and columns are loaded, and into which index."""
    what = load.add_mutually_exclusive_group()
    what.add_argument(
        "--since", metavar="RUN", help="the run that the table holds: write what is new, delete what is gone"
    )
    what.add_argument(
        "--replace", action="store_true",
        help="load beside the table that is there, and take its place when all rows are there",
    )  # fmt: skip
    load.add_argument(
        "--index", metavar="INDEX",
        help="hnsw, hnsw,m=32,ef_construction=128, or none (default: as the job's sink says, else hnsw)",
    )  # fmt: skip
    load.add_argument(
        "--keep", type=_kept, metavar="NAME,...", help="kept columns to load, or none (default: all)"
    )


def _add_machines(load: argparse.ArgumentParser) -> None:
    """The machines that load, where they are rented."""
    rented = load.add_argument_group("machines", "rent machines that load, beside the store")
    rented.add_argument(
        "--on",
        metavar="CLOUD[/REGION[/ZONE]]",
        help="such as aws/us-east-1: rent machines without a GPU there",
    )
    rented.add_argument("--loaders", type=positive, default=2, metavar="N", help="how many (default 2)")
    rented.add_argument("--yes", action="store_true", help="rent without asking; needs --max-cost")
    rented.add_argument("--max-cost", type=dollars, metavar="$X", help="end them when they have cost this")
    rented.add_argument(
        "--usd-per-hour", type=dollars, metavar="$X", help="of one machine, where the price is not known"
    )
    rented.add_argument(
        "--pass", dest="passed", type=variable, action="append", default=[], metavar="NAME",
        help="an environment variable that they need, as a secret; several: give it again",
    )  # fmt: skip


def _target(word: str) -> str:
    """An address, which the command itself parses, or a path."""
    return word if "://" in word else location(word)


def _kept(word: str) -> tuple[str, ...]:
    return () if word == "none" else names(word)


def _variable(word: str) -> str:
    if not word.removeprefix("$"):
        raise argparse.ArgumentTypeError("the variable is empty here: quote '$NAME', or write NAME")
    return variable(word.removeprefix("$"))
