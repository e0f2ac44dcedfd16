"""Rows as a pandas DataFrame; pandas is imported here alone."""

# pandas is optional
# pyright: reportMissingTypeStubs=false, reportMissingImports=false
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launcher.errors import Usage

if TYPE_CHECKING:
    import pandas as pd


def data_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """A DataFrame of these rows. `columns` are those that it has when there is no row.

    Raises:
        Usage: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError as error:
        raise Usage("pandas is not installed here", hint="pip install 'embedfleet[python]'") from error
    return pd.DataFrame(list(rows), columns=None if rows or columns is None else list(columns))
