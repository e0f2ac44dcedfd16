"""Which GPUs hang on which instance type of AWS, GCP and Azure, where a price feed does not say or says it wrongly.

The table is `shapes.csv`; each row has its source, its date and whether the source was read or the figure recalled.
Feeds do get it wrong: one lists 12 GPUs on Azure's ND96isr_H100_v5, and all name a sixth of an A10 one GPU.
It knows no prices, and not where a type is sold.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO


@dataclass(frozen=True, slots=True)
class Shape:
    cloud: str
    instance_type: str
    gpu: str
    gpus: float  # a fraction where one GPU is cut into slices
    vcpus: int | None
    memory_gb: float | None


@cache
def shapes(cloud: str) -> tuple[Shape, ...]:
    """The machines of a cloud, in the order of the file. GCP's n1 types occur once for each GPU they may carry."""
    text = files("pricing.sources").joinpath("shapes.csv").read_text(encoding="utf-8")
    return tuple(
        Shape(
            cloud=row["cloud"],
            instance_type=row["instance_type"],
            gpu=row["gpu"],
            gpus=float(row["gpus"]),
            vcpus=int(row["vcpus"]) if row["vcpus"] else None,
            memory_gb=float(row["memory_gb"]) if row["memory_gb"] else None,
        )
        for row in csv.DictReader(StringIO(text))
        if row["cloud"] == cloud
    )


@cache
def by_type(cloud: str) -> dict[str, Shape]:
    """The machines whose instance type alone says which GPUs it has, which those of GCP's n1 family do not."""
    return {m.instance_type: m for m in shapes(cloud) if not m.instance_type.startswith("n1-")}
