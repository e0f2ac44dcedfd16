"""Fuzz every border for a while and print JSON: inputs tried, refusals and tracebacks, by border.

    python -m tests.fuzz --seconds 300 [--border NAME] [--seed N]

The exit status is 1 where an input ended in an error that is no refusal; its edits are printed to repeat it.
"""

import argparse
import faulthandler
import json
import random
import subprocess
import sys
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field
from time import monotonic

from tests.fuzz.border import Border, Place
from tests.fuzz.borders import borders
from tests.fuzz.mutations import Edit, mutated

MOST_EDITS = 6
SLOW_SECONDS = 5.0  # one input may not take longer
HANGING_SECONDS = 60.0  # of a border's process beyond its time: then one input holds it up


@dataclass(slots=True)
class Result:
    """What became of the inputs of one border. `defects`: one example by the place of its error."""

    inputs: int = 0
    refused: int = 0
    tracebacks: int = 0
    slowest_seconds: float = 0.0
    defects: dict[str, str] = field(default_factory=dict[str, str])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=120.0, help="in all (default 120)")
    parser.add_argument("--border", action="append", help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not arguments.border:
        return _report(_each_in_a_process(arguments.seconds, arguments.seed), arguments.seed)
    faulthandler.enable()
    warnings.simplefilter("ignore")
    place = Place()
    try:
        chosen = [one for one in borders(place) if not arguments.border or one.name in arguments.border]
        each = arguments.seconds / max(1, len(chosen))
        found = {border.name: fuzz(border, each, arguments.seed) for border in chosen}
    finally:
        place.close()
    return _report(found, arguments.seed)


def _report(found: dict[str, Result], seed: int) -> int:
    """Print the results; the exit status."""
    inputs = sum(one.inputs for one in found.values())
    tracebacks = sum(one.tracebacks for one in found.values())
    body = {name: asdict(one) for name, one in found.items()}
    print(json.dumps({"inputs": inputs, "tracebacks": tracebacks, "seed": seed, "borders": body}, indent=1))
    return 1 if tracebacks or any(one.slowest_seconds > SLOW_SECONDS for one in found.values()) else 0


def _each_in_a_process(seconds: float, seed: int) -> dict[str, Result]:
    """Fuzz each border in a process of its own: a library may end the process by a signal."""
    place = Place()
    names = [border.name for border in borders(place)]
    place.close()
    found: dict[str, Result] = {}
    for name in names:
        words = ["--border", name, "--seconds", str(seconds / len(names)), "--seed", str(seed)]
        command = [sys.executable, "-m", "tests.fuzz", *words]
        patience = seconds / len(names) + HANGING_SECONDS
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience)
        except subprocess.TimeoutExpired:
            found[name] = Result(
                1, 0, 1, patience, {"hangs": f"no end after {patience:.0f} s; --seed {seed}"}
            )
            continue
        if done.returncode in {0, 1} and done.stdout:
            found[name] = Result(**json.loads(done.stdout)["borders"][name])
        else:
            place_of_it = next((line.strip() for line in done.stderr.splitlines() if "File " in line), "?")
            found[name] = Result(1, 0, 1, 0.0, {f"ended with {done.returncode}": place_of_it})
    return found


def fuzz(border: Border, seconds: float, seed: int) -> Result:
    """Try mutated inputs until the time is over."""
    dice, result, end = random.Random(f"{seed}/{border.name}"), Result(), monotonic() + seconds
    places: Counter[str] = Counter()
    while monotonic() < end:
        start, edits = dice.randrange(2**32), _edits(dice)
        body, began = mutated(border.seeds, start, edits), monotonic()
        try:
            border.read(body)
        except border.refusals:
            result.refused += 1
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            result.tracebacks += 1
            where = _place(error)
            places[where] += 1
            result.defects.setdefault(
                where, f"{type(error).__name__}: {error!s:.150}; start={start} edits={edits}"
            )
        result.inputs += 1
        result.slowest_seconds = max(result.slowest_seconds, round(monotonic() - began, 3))
    return result


def _edits(dice: random.Random) -> list[Edit]:
    def number() -> int:
        return dice.randrange(2**32)

    return [(number(), number(), number()) for _ in range(dice.randint(1, MOST_EDITS))]


def _place(error: Exception) -> str:
    """The line of ours that raised, without numbers that change."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    last = frames[-1]
    return f"{type(error).__name__} in {last.filename.rpartition('/')[2]}:{last.name}"


if __name__ == "__main__":
    sys.exit(main())
