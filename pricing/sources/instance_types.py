"""The GPUs of instance types of AWS, GCP and Azure, because price feeds omit them or have them wrong.

The table is `shapes.csv`; each row has its source, its date and whether the source was read or the figure recalled.
Errors in feeds do occur: one lists 12 GPUs on Azure's ND96isr_H100_v5, and all count a sixth of an A10 as one GPU.
Knows no prices, nor the regions that offer a type.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO


@dataclass(frozen=True, slots=True)
class InstanceType:
    """An instance type and its GPUs: a row of shapes.csv."""

    cloud: str
    instance_type: str
    gpu: str
    gpus: float  # a fraction where one GPU is cut into slices
    vcpus: int | None
    memory_gb: float | None


@cache
def instance_types(cloud: str) -> tuple[InstanceType, ...]:
    """The instance types of a cloud, in the order of the file. GCP's n1 types occur once for each GPU they may have."""
    text = files("pricing.sources").joinpath("shapes.csv").read_text(encoding="utf-8")
    return tuple(
        InstanceType(
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
def gpus_by_instance_type(cloud: str) -> dict[str, InstanceType]:
    """Instance types by name, without GCP's n1 family, whose types do not determine the GPUs."""
    return {m.instance_type: m for m in instance_types(cloud) if not m.instance_type.startswith("n1-")}
