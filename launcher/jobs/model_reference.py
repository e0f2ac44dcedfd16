"""What `model:` of a job names: a folder, or a hub id.

Reads no file; looks whether folders exist.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from launcher.errors import Usage
from tasks.models.files import HASH_MODEL

# A name, or the name of a user or an organisation before it. Each begins and ends with a letter or a digit.
_HUB_ID = re.compile(r"\w(?:[\w.-]{0,94}\w)?(?:/\w(?:[\w.-]{0,94}\w)?)?", re.ASCII)
SEEN_NAMES = 1_000  # of a folder, among which a similar name is looked for


def resolve(model: str, base: Path) -> str:
    """The model as an engine loads it: a folder by its full path, a hub id as it is. `base` is the job file's folder.

    Raises:
        Usage: it cannot be a hub id, and there is no such folder, or it is a file. Downloading the repository of a
            stranger instead would be wrong.
    """
    folder = base / model
    if model != HASH_MODEL and _is(folder, Path.is_dir):
        return str(folder.absolute())
    if model != HASH_MODEL and _is(folder, Path.is_file):
        raise Usage(
            f"the model {folder.absolute()} is a file", hint="set `model:` to the folder that it lies in"
        )
    first, _, rest = model.partition("/")
    if not _HUB_ID.fullmatch(model) or (rest and _is(base / first, Path.is_dir)):
        near = next(_similar(folder), None)
        raise Usage(
            f"no model folder at {folder.absolute()}",
            hint=f"did you mean {near}?"
            if near
            else "set `model:` to a folder or to a hub id, as BAAI/bge-m3",
        )
    return model


def _similar(missing: Path) -> Iterator[Path]:
    """Folders whose last existing part is like that of a folder that is not there."""
    missing = missing.absolute()
    for parent, name in zip(
        missing.parents, [missing.name, *(p.name for p in missing.parents)], strict=False
    ):
        if not _is(parent, Path.is_dir):
            continue
        with suppress(OSError):  # a folder that this user may not list
            folders = [
                one.name for one, _ in zip(parent.iterdir(), range(SEEN_NAMES), strict=False) if one.is_dir()
            ]
            spelled = {one.casefold(): one for one in folders}
            for near in get_close_matches(name.casefold(), spelled, 1):
                yield parent / spelled[near]
        return


def _is(path: Path, question: Callable[[Path], bool]) -> bool:
    """Whether a path is of a kind; a name that the system cannot have is of none."""
    try:
        return question(path)
    except (OSError, ValueError):  # too long, or with a null byte
        return False
