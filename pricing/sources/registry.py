"""The price sources that `prices refresh` can ask, by name.

Importing a source makes no request.
"""

from collections.abc import Callable
from datetime import datetime

from pricing.sources import aws, azure, gcp, skypilot
from pricing.sources.result import FetchedPrices

SOURCES: dict[str, Callable[[datetime], FetchedPrices]] = {
    "skypilot": skypilot.fetch,
    "aws": aws.fetch,
    "gcp": gcp.fetch,
    "azure": azure.fetch,
}
