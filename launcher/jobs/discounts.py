"""Read the `discounts` of a job file."""

import re
from decimal import Decimal

from launcher.jobs.keys import COVERS, names
from launcher.jobs.yaml_fields import Field, choice, dollars, entries, mapping, report_missing, text
from pricing.account.discounts import Discount
from pricing.gpu import canonical, nearest

LIKE = "[{cloud: aws, off: 20%}]"
PER_CENT = re.compile(r"(\d{1,2}(?:\.\d{1,4})?)\s?%")
LEAST, MOST = Decimal("0.01"), Decimal(99)  # per cent
LEAST_USD = Decimal("0.0001")


def read_discounts(field: Field | None, clouds: tuple[str, ...]) -> tuple[Discount, ...]:
    """The discounts of a job, in the order of the file: the first that fits holds."""
    return tuple(_discount(entry, clouds) for entry in entries(field, LIKE))


def _discount(field: Field, clouds: tuple[str, ...]) -> Discount:
    at = mapping(field, names("discounts"), required=("cloud",))
    if ("off" in at) == ("usd_per_hour" in at) and at:
        field.reject("needs either off, such as 20%, or usd_per_hour, and not both")
    if "usd_per_hour" in at and "instance_type" not in at:
        report_missing(field, "instance_type")
    return Discount(
        cloud=choice(at.get("cloud"), clouds) or "",
        off=_share(at.get("off")),
        usd_per_hour=dollars(at.get("usd_per_hour"), LEAST_USD),
        covers=choice(at.get("covers"), COVERS) or "on-demand",
        gpu=_gpu(at.get("gpu")),
        instance_type=text(at.get("instance_type")),
        region=text(at.get("region")),
    )


def _share(field: Field | None) -> Decimal | None:
    """A share written as per cent: 20% is 0.2. A number alone could mean either, so it is refused."""
    if field is None:
        return None
    match = PER_CENT.fullmatch(field.node.value) if field.is_scalar else None
    value = Decimal(match[1]) if match else None
    if value is None or not LEAST <= value <= MOST:
        return field.reject(f"must be per cent from {LEAST} to {MOST} with its sign, such as 20% or 12.5%")
    return value / 100


def _gpu(field: Field | None) -> str | None:
    name = text(field)
    if field is None or name is None:
        return None
    near = nearest(name)
    return canonical(name) or field.reject(
        f"no GPU {name!r} is known" + (f"; did you mean {near[0]}?" if near else "")
    )
