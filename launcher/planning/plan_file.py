"""."""

import json
from pathlib import Path
from typing import Any

from launcher.files import read
from launcher.planning import plan as plans


def plan_in(path: Path) -> dict[str, Any]:
    """The plan in this file, unchanged since it was made."""
    try:
        return plans.check(json.loads(read(path)))
    except ValueError as error:
        raise plans.BadPlan(
            f"{path} is not JSON: {error}", hint="name two plans: embedfleet plan -o writes one"
        ) from error
