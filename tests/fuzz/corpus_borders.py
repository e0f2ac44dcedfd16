"""Borders of a corpus: its files in every format."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import io
import json
from collections.abc import Callable, Iterator

import pyarrow as pa

from launcher.errors import Problem
from tasks.formats.parquet.parquet_reader import read_small_table
from tasks.formats.read import read_rows
from tasks.formats.rows import Columns
from tasks.protocol.shard import Kind, Slice
from tasks.stores.base import ObjectChanged
from tasks.stores.folder import FolderStore
from tests.fuzz.border import Border, Place, parquet_bytes
from tests.support.documents import pdf, word
from tests.support.runs import version


def corpus_borders(place: Place) -> Iterator[Border]:
    """The borders of this module."""
    rows = [{"id": f"r{n}", "text": f"some text {n}", "doc": {"text": "inner"}} for n in range(20)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    table = pa.table({"id": [row["id"] for row in rows], "text": [row["text"] for row in rows]})
    tabular = b'id,text\n1,"hello, world"\n2,"a ""quoted"" word"\n3,plain\n'
    arrow = io.BytesIO()
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    kinds: dict[Kind, tuple[str, tuple[bytes, ...]]] = {
        "jsonl": ("a.jsonl", (lines,)),
        "json": ("a.json", (json.dumps(rows).encode(), lines)),
        "csv": ("a.csv", (tabular,)),
        "tsv": ("a.tsv", (tabular.replace(b",", b"\t"),)),
        "text": ("a.txt", (b"one\ntwo\n\xc3\xa4 three\n",)),
        "parquet": ("a.parquet", (parquet_bytes(table),)),
        "arrow": ("a.arrow", (arrow.getvalue(),)),
        "html": ("a.html", (b"<title>t</title><p>one <b>two</b><script>x</script><table><td>a</table>",)),
        "pdf": ("a.pdf", (pdf(["one", "two"], title="t"),)),
        "docx": ("a.docx", (word(["one", "two"], title="t"),)),
    }
    for kind, (name, seeds) in kinds.items():
        yield Border(f"corpus: {kind}", seeds, _rows_reader(place, name, kind), (Problem, ObjectChanged))
    zipped = tuple(gzip.compress(body) for body in (lines, lines * 50))
    yield Border("corpus: gzip", zipped, _rows_reader(place, "a.jsonl.gz", "jsonl"), (Problem, ObjectChanged))
    yield Border("dataset.parquet", (parquet_bytes(table),), _small_table, (pa.ArrowException, OSError))


def _small_table(body: bytes) -> object:
    return read_small_table(body).to_pylist()


def _rows_reader(place: Place, name: str, kind: Kind) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        path = place.file(f"corpus/{name}", body)
        piece = Slice(name, version(path), kind)
        return list(read_rows(FolderStore(path.parent), piece, Columns("text", "id")))

    return read
