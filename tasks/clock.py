"""."""

from datetime import UTC, datetime


def utc() -> datetime:
    """This machine's clock, aware."""
    return datetime.now(UTC)
