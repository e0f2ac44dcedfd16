"""What `model:` of a job names: a folder, or a hub id.

Reads no file; looks whether folders exist.
"""

from pathlib import Path

from launcher.errors import Usage
from tasks.models.files import HASH_MODEL


def resolve(model: str, base: Path) -> str:
    """The model as an engine loads it: a folder by its full path, a hub id as it is. `base` is the job file's folder.

    Raises:
        Usage: it looks like a path, and there is no such folder, or it is a file. Downloading the repository of a
            stranger instead would be wrong.
    """
    folder = base / model
    if model != HASH_MODEL and folder.is_dir():
        return str(folder.absolute())
    if model != HASH_MODEL and folder.is_file():
        raise Usage(
            f"the model {folder.absolute()} is a file", hint="set `model:` to the folder that it lies in"
        )
    first, _, rest = model.partition("/")
    if model.startswith((".", "~", "/")) or "/" in rest or (rest and (base / first).is_dir()):
        raise Usage(f"no model folder at {folder.absolute()}", hint="set `model:` to a folder or to a hub id")
    return model
