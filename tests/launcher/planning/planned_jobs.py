"""Jobs over a declared corpus, and plans of them, for the tests of the planner."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.errors import Problem
from launcher.jobs import parse
from launcher.planning import planner
from launcher.planning.plan import Plan
from launcher.planning.request import PlanOptions
from pricing.offer import Offer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
QWEN = "Alibaba-NLP/gte-Qwen2-7B-instruct"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def offer(usd: str = "0.755", **changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "cloud": "gcp",
        "region": "us-central1",
        "zone": None,
        "instance_type": "g2-standard-4",
        "gpu": "L4",
        "gpus": 1.0,
        "vcpus": 4,
        "memory_gb": 16.0,
        "spot": False,
        "usd_per_hour": Decimal(usd),
        "as_of": date(2026, 11, 20),
        "source": "a test",
    }
    return Offer(**fields | changes)


L4 = (offer(), offer("0.297", spot=True))


def declared(
    extra: str = "", *, documents: str = "1M", tokens: str = "2000", model: str = MINILM, region: str = ""
) -> str:
    where = f", region: {region}" if region else ""
    return (
        f"name: what-if\ncorpus: {{documents: {documents}, tokens_per_document: {tokens}{where}}}\n"
        f"model: {model}\n{extra}\n"
    )


def showcase(limits: str, extra: str = "speed: {L4: 897}") -> str:
    """The published run: 29.5M documents of 102 tokens."""
    return declared(
        f"limits: {{gpus: [L4], machines: 406, {limits}}}\n{extra}",
        documents="29.5e6",
        tokens="102",
        model=QWEN,
    )


def made(
    text: str, folder: Path, offers: tuple[Offer, ...] = L4, now: datetime = NOW, **changes: Any
) -> Plan:
    options = PlanOptions(on=changes.pop("on", None), probe_seconds=0.1, offers=offers, **changes)
    return planner.make_plan(parse.parse(text), folder, options, now, lambda _: None)


def refused(
    kind: type[Problem], text: str, folder: Path, offers: tuple[Offer, ...] = L4, now: datetime = NOW
) -> Problem:
    with pytest.raises(kind) as caught:
        made(text, folder, offers, now)
    return caught.value


def item(plan: Plan, name: str) -> float:
    return float(plan.chosen.items[name] or 0)
