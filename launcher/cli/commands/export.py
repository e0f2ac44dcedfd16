"""`embedfleet export`: write the vectors of a run to one file or folder."""

from argparse import Namespace

from rich.text import Text

from launcher.cli.console import show
from launcher.cli.named_dataset import named_dataset
from launcher.format import count, plain, size
from launcher.vectors.export import ExportDocument, export


def run(arguments: Namespace) -> int:
    """Write the dataset, whole or not at all, and say what was written."""
    found = export(named_dataset(arguments), arguments.to, arguments.vectors, arguments.format)
    show(found, export_text, as_json=arguments.json)
    return 0


def export_text(found: ExportDocument) -> Text:
    """What was written, and the line that reads it."""
    words = (
        f"{count(found.rows)} vectors of {count(found.dimensions)} dimensions, {found.dtype}, "
        f"{size(found.bytes)}: {', '.join(map(plain, found.files))}\n"
    )
    return Text.assemble(words, ("Read  ", "bold"), (read_line(found), "cyan"))


def read_line(found: ExportDocument) -> str:
    """A line of Python that reads an exported file."""
    target = plain(found.to)
    return {
        "parquet": f'import pyarrow.parquet as pq; table = pq.read_table("{target}")',
        "npy": f'import numpy as np; vectors = np.load("{target}", mmap_mode="r")',
        "lance": f'import lance; dataset = lance.dataset("{target}")',
        "milvus": f'import pyarrow.parquet as pq; table = pq.read_table("{target}")',
        "huggingface": f'import datasets; dataset = datasets.load_from_disk("{target}")',
    }[found.format]
