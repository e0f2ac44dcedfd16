"""The clock of this machine. Leases expire by the store's clock instead: see `Store.now`."""

from datetime import UTC, datetime


def utc() -> datetime:
    """The current time with its time zone, UTC."""
    return datetime.now(UTC)
