"""."""

from decimal import Decimal


def next_steps(run: str) -> str:
    """What to do about machines that go on by themselves."""
    return (
        f"embedfleet resume {run} to look after them again, embedfleet stop {run} to let them finish what they hold, "
        f"embedfleet down {run} to take them down"
    )


def dollars(spent: Decimal | None) -> str:
    return "$?" if spent is None else f"${spent:.2f}"
