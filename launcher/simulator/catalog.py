"""The traces that --traces may name: those that come with embedfleet, a generated market, or a file."""

from difflib import get_close_matches
from importlib.resources import as_file, files
from pathlib import Path

from launcher.errors import Usage
from launcher.simulator.synthetic import SyntheticMarket, synthetic_traces
from launcher.simulator.trace_files import read_traces
from launcher.simulator.traces import TraceSet

SYNTHETIC = "synthetic"
SHIPPED = {
    "aws-l4-2025": "4 x L4, AWS, Dec 2025",
    "aws-v100-2023": "V100, AWS, Feb to Mar 2023",
}
DEFAULT = "aws-l4-2025"
FORMS = f"{', '.join(SHIPPED)}, {SYNTHETIC}[:falls=0.25,returns=0.35,places=8], or a file"
MOST_PLACES = 200


def find_traces(word: str, seed: int) -> TraceSet:
    """The traces that a word of the command line names.

    Raises:
        Usage: there are none of that name, or the file cannot be used.
    """
    if word in SHIPPED:
        with as_file(files("launcher") / "data" / "traces" / f"{word}.csv.gz") as path:
            found = read_traces(path)
        return TraceSet(word, SHIPPED[word], found.places)
    name, _, options = word.partition(":")
    if name == SYNTHETIC:
        return synthetic_traces(_market(options, word), seed)
    file, _, source = word.partition("#")
    if not Path(file).exists() and not Path(word).exists():
        near = get_close_matches(word, [*SHIPPED, SYNTHETIC], n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise Usage(f"no traces {word!r}{guess}", hint=f"--traces takes {FORMS}")
    return read_traces(Path(word)) if Path(word).exists() else read_traces(Path(file), source)


def _market(options: str, word: str) -> SyntheticMarket:
    """The market of `synthetic:falls=0.5,places=4`."""
    given: dict[str, float] = {}
    for part in options.split(",") if options else []:
        key, _, value = part.partition("=")
        try:
            given[key.strip()] = float(value)
        except ValueError:
            given[key.strip()] = -1.0
    known = SyntheticMarket()
    falls, returns, places = (
        given.pop("falls", known.falls),
        given.pop("returns", known.returns),
        given.pop("places", known.places),
    )
    right = 0 < falls <= 60 and 0 < returns <= 60 and 1 <= places <= MOST_PLACES and places == int(places)
    if given or not right:
        raise Usage(
            f"cannot read --traces {word!r}",
            hint=f"such as {SYNTHETIC}:falls=0.25,returns=0.35,places=8; rates are times an hour, up to 60",
        )
    return SyntheticMarket(falls, returns, int(places))
