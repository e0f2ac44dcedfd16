"""."""

from pathlib import Path

from launcher.errors import Usage
from tasks.engines.tokenizer import HASH_MODEL


def resolve(model: str, base: Path) -> str:
    """A folder beside the job file by its full path; a hub id as it is.

    Raises:
        Usage: it reads like a path, and there is no such folder: a stranger's repository must not be asked for.
    """
    folder = base / Path(model).expanduser()
    if model != HASH_MODEL and folder.is_dir():
        return str(folder.absolute())
    first, _, rest = model.partition("/")
    if model.startswith((".", "~", "/")) or "/" in rest or (rest and (base / first).is_dir()):
        raise Usage(f"no model folder at {folder.absolute()}", hint="set `model:` to a folder or to a hub id")
    return model
