"""A job as a plan holds it, and the work of it, for tests of plans and of the names of runs."""

from collections.abc import Mapping
from typing import Any

from launcher.planning.saved.saved_plan import PlannedWork

JOB: Mapping[str, Any] = {
    "name": "reviews",
    "corpus": {"path": "reviews/*.jsonl", "text": "text", "id": "id"},
    "model": "hash",
    "chunk": {"tokens": 512, "overlap": 50, "truncate": None},
    "output": {"path": "vectors", "dtype": "float32", "dimensions": None},
    "limits": {"deadline_hours": 6.0, "budget": "300"},
    "quota": [],
    "local": {"workers": 2, "usd_per_hour": None},
    "engine": "auto",
    "prompt": "",
}
WORK = PlannedWork(JOB, "/jobs", "/jobs/reviews", "d1", "hash", "hash", 12, 2**14)
