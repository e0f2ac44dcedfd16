"""Offers of one machine, from which tests of prices derive theirs by `dataclasses.replace`."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from pricing.offer import Offer

L4 = Offer(
    cloud="aws",
    region="us-east-1",
    zone=None,
    instance_type="g6.xlarge",
    gpu="L4",
    gpus=1.0,
    vcpus=4,
    memory_gb=16.0,
    spot=False,
    usd_per_hour=Decimal("0.8048"),
    as_of=date(2026, 11, 28),
    source="a test",
)
L4_SPOT = replace(L4, spot=True, usd_per_hour=Decimal("0.4"))
G2_SPOT = Offer(
    cloud="gcp",
    region="us-central1",
    zone=None,
    instance_type="g2-standard-8",
    gpu="L4",
    gpus=1.0,
    vcpus=8,
    memory_gb=32.0,
    spot=True,
    usd_per_hour=Decimal("0.3400"),
    as_of=date(2026, 11, 20),
    source="a test",
)
