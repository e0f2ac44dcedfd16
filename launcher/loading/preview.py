"""What a load would do: the columns, the index, the bytes and the hours. Writes nothing."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from launcher.format import hours_text
from launcher.index_sizes.size import IndexSize, VectorSet
from launcher.index_sizes.sizes import sizes
from launcher.loading.dataset_rows.difference import deleted_keys, difference
from launcher.loading.documents import LoadPreview
from launcher.loading.loader import LoadOptions, plan_load
from launcher.loading.vector_store import Element, Schema, VectorStore
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import NEVER_RUN, SERVICES, SIZED_AS, Target
from launcher.vectors.read_dataset import Dataset
from pricing.charges.storage import Dtype
from pricing.charges.vector_stores import constants

RENT_ABOVE = 20 * 10**9  # bytes, which a line of 100 Mbit/s takes an hour for, both ways
NO_ID = (
    "the job has no corpus.id: a row of a table, or of lines, has file and position as its id, so such a file "
    "deletes and adds all its rows when it changes"
)

# As the store holds the numbers, which may be another type than that of the output.
DTYPES: Mapping[Element, Dtype] = {"float32": "float32", "float16": "float16", "bits": "binary"}


@runtime_checkable
class Sized(Protocol):
    """A store whose tables and indexes have known sizes. Kept columns are left out."""

    def data_bytes(self, schema: Schema) -> int:
        """Bytes of the rows."""
        ...

    def index_bytes(self, schema: Schema, index: IndexSpec) -> int | None:
        """Bytes of the index; None: there is none."""
        ...

    def build_bytes(self, schema: Schema, index: IndexSpec) -> int | None:
        """Memory in which the index is built fastest; None: any will do."""
        ...


def preview(dataset: Dataset, target: Target, store: VectorStore, options: LoadOptions) -> LoadPreview:
    """What `load` would do with these arguments.

    Raises:
        Problem: it would refuse.
    """
    plan = plan_load(dataset, target, store, options)
    schema, rows = plan.schema, sum(file.rows for file in plan.files)
    size = sum(file.bytes for file in plan.files)
    sized = store if isinstance(store, Sized) else None
    whole = _in_store(target, store, schema, options.index, schema.rows)
    work = _in_store(target, store, schema, options.index, rows) if rows else None
    return LoadPreview(
        run=dataset.run,
        output=dataset.output,
        to=target.shown,
        store=target.kind,
        guarantee=store.guarantee,
        action=plan.action.value,
        since=plan.older and plan.older.run,
        files=len(plan.files),
        rows=rows,
        rows_to_delete=_rows_to_delete(plan.older, dataset),
        columns=store.columns(schema),
        index=store.describe_index(schema, options.index),
        data_bytes=sized.data_bytes(schema) if sized else None,
        index_bytes=sized.index_bytes(schema, options.index) if sized else None,
        build_memory_bytes=sized.build_bytes(schema, options.index) if sized else None,
        upload_bytes=size,
        ram_bytes=whole and whole.ram_bytes,
        disk_bytes=whole and whole.disk_bytes,
        build_core_hours=work and work.build_core_hours,
        hours=work and work.load_hours,
        usd=work and work.load_usd,
        usd_per_month=whole and whole.usd_per_month,
        rented=None,
        service=target.kind in SERVICES,
        notes=(
            *([NEVER_RUN[target.kind]] if target.kind in NEVER_RUN else []),
            *([_without_kept(schema)] if sized and schema.kept else []),
            *(_service_notes(target, work) if work is not None and work.service else []),
            *([_worth_renting(size)] if size > RENT_ABOVE else []),
            *([NO_ID] if dataset.header.id is None else []),
        ),
    )


def _rows_to_delete(older: Dataset | None, dataset: Dataset) -> int | None:
    """Rows of the older run that this one lacks; None: nothing is replaced."""
    return None if older is None else len(deleted_keys(older, dataset, difference(older, dataset)))


def _without_kept(schema: Schema) -> str:
    return f"the bytes leave out the kept columns {', '.join(schema.kept)}"


def _worth_renting(size: int) -> str:
    return f"{size / 1e9:,.0f} GB go through the machine that loads: --on rents some beside the store"


def _service_notes(target: Target, work: IndexSize) -> list[str]:
    """What a service says of its bill and its limits."""
    prices = [one for one in constants() if one.store == target.kind and one.unit == "USD"]
    notes = [f"prices: {one.source}, {one.as_of}" for one in prices]
    if work.load_hours_least is not None:
        notes.append(
            f"the load takes {hours_text(work.load_hours_least)} at least, by the service's own limit"
        )
    notes += work.notes
    return list(dict.fromkeys(notes))


def _in_store(
    target: Target, store: VectorStore, schema: Schema, index: IndexSpec, rows: int
) -> IndexSize | None:
    """What so many rows take in the store by `launcher.index_sizes`; None: it has no such index of the store."""
    name = SIZED_AS.get(target.kind)
    if (
        name is None
        or "import" in target.options
        or (  # the price of an import is not known here
            target.kind not in SERVICES and "hnsw" not in store.describe_index(schema, index).lower()
        )
    ):
        return None
    asked = VectorSet(rows, schema.dimensions, DTYPES[schema.element], index.m)
    found, _ = sizes(asked, [name])
    return next((one for one in found if one.store == name), None)
