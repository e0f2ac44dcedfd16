"""The price sources that can be asked now, by name; each is one file, and none is asked before it is called."""

from collections.abc import Callable
from datetime import datetime

from pricing.sources import aws, azure, gcp, skypilot
from pricing.sources.result import Fetched, Unanswered

__all__ = ["SOURCES", "Fetched", "Unanswered"]

SOURCES: dict[str, Callable[[datetime], Fetched]] = {
    "skypilot": skypilot.fetch,
    "aws": aws.fetch,
    "gcp": gcp.fetch,
    "azure": azure.fetch,
}
