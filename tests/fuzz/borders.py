"""The borders of this program: what reads bytes from outside, real bytes to begin with, and which errors are refusals.

A reader raises nothing but refusals: errors that name the file or the object, of which a command makes two lines.
"""

from tests.fuzz.border import Border, Place
from tests.fuzz.corpus_borders import corpus_borders
from tests.fuzz.launcher_borders import launcher_borders
from tests.fuzz.machine_borders import machine_borders
from tests.fuzz.model_borders import model_border
from tests.fuzz.parquet_borders import parquet_borders
from tests.fuzz.price_borders import price_borders
from tests.fuzz.protocol_borders import protocol_borders


def borders(place: Place) -> list[Border]:
    """All borders; `place` is for those that read files."""
    return [
        *protocol_borders(place),
        *launcher_borders(place),
        *price_borders(place),
        *corpus_borders(place),
        *parquet_borders(place),
        *machine_borders(),
        model_border(place),
    ]
