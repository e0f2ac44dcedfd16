"""Files of a model: in its folder, or downloaded from the hub (or in its cache) at a revision."""
# huggingface_hub is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
from pathlib import Path
from typing import Any

from tasks.errors import Problem

HASH_MODEL = "hash"  # stands for no model: for tests, and to measure the pipeline without one
MAX_JSON_BYTES = 2**26  # of a settings file; the largest real ones, with a whole vocabulary, have 10 MiB
DAMAGED = "download or copy the model again: this file is damaged"


class BadModel(Problem):
    """The model cannot be used; the message says why."""


class ModelFileMissing(BadModel):
    """The model does not have the file."""


def model_file(model: str, name: str, revision: str | None = None) -> Path:
    """A file of a model: in its folder, or downloaded from the hub (or in its cache).

    `revision` is a commit, tag or branch of the hub; None: the newest. A folder has no revisions.

    Raises:
        ModelFileMissing: the model has no such file.
        BadModel: the hub cannot be reached.
    """
    folder = Path(model)
    if folder.is_dir():
        if (folder / name).is_file():
            return folder / name
        raise ModelFileMissing(
            f"no {name} in {folder}", hint="name a model folder as sentence-transformers saves it"
        )
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - the hub is asked only for hub ids
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(hf_hub_download(model, name, revision=revision))
    except (OSError, ValueError, HFValidationError, EntryNotFoundError) as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise ModelFileMissing(f"model {model!r} has no {name}", hint="name another model") from error
        raise _unreachable(model, name, error) from error


def model_config(model: str, name: str, revision: str | None = None) -> dict[str, Any]:
    """The object in a JSON file of the model; {} when the model does not have it.

    Raises:
        BadModel: the file is not JSON, or holds something else than an object.
    """
    found = model_json(model, name, revision)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadModel(f"{name} of {model} is not a JSON object", hint=DAMAGED)
    return found


def model_json(model: str, name: str, revision: str | None = None) -> Any:
    """What a JSON file of the model holds; None when the model does not have it.

    Raises:
        BadModel: the file is not JSON, or far larger than any such file.
    """
    try:
        path = model_file(model, name, revision)
    except ModelFileMissing:
        return None
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise BadModel(f"{path} has {size:,} bytes, which is too much for a settings file", hint=DAMAGED)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{path} is not JSON: {error or type(error).__name__}", hint=DAMAGED) from error


def file_names(model: str, revision: str | None = None) -> frozenset[str] | None:
    """The names of all files of a model, with their folders as in `1_Pooling/config.json`.

    None when the hub cannot be asked: its cache may hold a part of the files.
    """
    folder = Path(model)
    if folder.is_dir():
        return _names_in(folder)
    from huggingface_hub import HfApi  # noqa: PLC0415 - as above

    try:
        return frozenset(HfApi().list_repo_files(model, revision=revision))
    except Exception:  # noqa: BLE001 - the hub's own errors, and those of its HTTP library, which differs by version
        return None


class ModelFiles:
    """The files of one model at one revision. Files that the model does not list are not asked for."""

    def __init__(self, model: str, revision: str | None = None) -> None:
        self.model = model
        self.revision = revision
        self.names = file_names(model, revision)  # None: unknown

    def has(self, name: str) -> bool:
        if self.names is not None:
            return name in self.names
        try:
            model_file(self.model, name, self.revision)
        except ModelFileMissing:
            return False
        return True

    def path(self, name: str) -> Path:
        return model_file(self.model, name, self.revision)

    def json(self, name: str) -> dict[str, Any]:
        return model_config(self.model, name, self.revision) if self._possible(name) else {}

    def json_of_any_kind(self, name: str) -> Any:
        return model_json(self.model, name, self.revision) if self._possible(name) else None

    def _possible(self, name: str) -> bool:
        return self.names is None or name in self.names


def _names_in(folder: Path) -> frozenset[str]:
    depth = len(folder.parts)
    return frozenset(
        path.relative_to(folder).as_posix()
        for pattern in ("*", "*/*", "*/*/*")
        for path in folder.glob(pattern)
        if path.is_file() and not any(part.startswith(".") for part in path.parts[depth:])
    )


def _unreachable(model: str, what: str, error: Exception) -> BadModel:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadModel(
        f"cannot get {what} of model {model!r}: {reason}",
        hint="name a local model folder, or check that the hub can be reached",
    )
