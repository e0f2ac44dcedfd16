"""Files of a model: in its folder, or downloaded from the hub (or in its cache) at a revision."""
# huggingface_hub is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import Problem

HASH_MODEL = "hash"  # stands for no model: for tests, and to measure the pipeline without one
HASH_DIMENSIONS = 32  # of its vectors
MAX_JSON_BYTES = 2**26  # of a settings file; the largest real ones, with a whole vocabulary, have 10 MiB
HUB_SECONDS = 10.0  # until the hub must have answered what files a model has
BEGINNINGS = ("config.json", "modules.json", "adapter_config.json")  # every model has one of these
WHOLE = (
    ".gitattributes"  # every repository has it, and only who downloads a repository whole has it in the cache
)
DAMAGED = "download or copy the model again: this file is damaged"


class BadModel(Problem):
    """The model cannot be used; the message says why."""


class ModelFileMissing(BadModel):
    """The model does not have the file."""


def model_file(model: str, name: str, revision: str | None = None, *, cached: bool = False) -> Path:
    """A file of a model: in its folder, or downloaded from the hub (or in its cache).

    `revision` is a commit, tag or branch of the hub; None: the newest. A folder has no revisions. `cached`: the hub is
    known not to answer, so only its cache is looked at.

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

    if cached and _is_known_absent(model, name, revision):
        raise ModelFileMissing(f"model {model!r} has no {name}", hint="name another model")
    try:
        return Path(hf_hub_download(model, name, revision=revision, local_files_only=cached))
    except (OSError, ValueError, HFValidationError, EntryNotFoundError) as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise ModelFileMissing(f"model {model!r} has no {name}", hint="name another model") from error
        raise _unreachable(model, name, error, cached=cached) from error


def model_config(
    model: str, name: str, revision: str | None = None, *, cached: bool = False
) -> dict[str, Any]:
    """The object in a JSON file of the model; {} when the model does not have it.

    Raises:
        BadModel: the file is not JSON, or holds something else than an object.
    """
    found = model_json(model, name, revision, cached=cached)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadModel(f"{name} of {model} is not a JSON object", hint=DAMAGED)
    return found


def model_json(model: str, name: str, revision: str | None = None, *, cached: bool = False) -> Any:
    """What a JSON file of the model holds; None when the model does not have it.

    Raises:
        BadModel: the file is not JSON, or far larger than any such file.
    """
    try:
        path = model_file(model, name, revision, cached=cached)
    except ModelFileMissing:
        return None
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise BadModel(f"{path} has {size:,} bytes, which is too much for a settings file", hint=DAMAGED)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{path} is not JSON: {error or type(error).__name__}", hint=DAMAGED) from error


@dataclass(frozen=True, slots=True)
class FileNames:
    """What is known of the files of a model. `names` None: unknown. `cached`: the hub does not answer."""

    names: frozenset[str] | None
    cached: bool = False


def file_names(model: str, revision: str | None = None) -> FileNames:
    """The names of all files of a model, with their folders as in `1_Pooling/config.json`.

    They are unknown when the hub cannot be asked and its cache may hold a part of the files only.

    Raises:
        BadModel: the hub has no such model, and its cache neither.
    """
    folder = Path(model)
    if folder.is_dir():
        return FileNames(_names_in(folder))
    from huggingface_hub import HfApi  # noqa: PLC0415 - as above
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError  # noqa: PLC0415

    # Of the HTTP library, which differs by version: the hub's own error is one of its kind in every version.
    http_errors = tuple(kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception))
    try:
        # One request without retries; list_repo_files tries for half a minute.
        found = HfApi().model_info(model, revision=revision, timeout=HUB_SECONDS).siblings
        return FileNames(None if found is None else frozenset(one.rfilename for one in found))
    except RepositoryNotFoundError as error:
        if _is_cached(model):
            return FileNames(_names_in_cache(model, revision), cached=True)
        raise BadModel(
            f"the hub has no model {model!r}, or does not show it without a token",
            hint="check the name, or name a folder; for a private or gated model export HF_TOKEN",
        ) from error
    except HfHubHTTPError:  # it answers, though not this time
        return FileNames(None)
    except (OSError, ValueError, *http_errors):
        return FileNames(_names_in_cache(model, revision), cached=True)


class ModelFiles:
    """The files of one model at one revision. Files that the model does not list are not asked for.

    Where the hub does not answer, its cache alone is looked at: every file that is asked for would be tried for half a
    minute.
    """

    def __init__(self, model: str, revision: str | None = None) -> None:
        self.model = model
        self.revision = revision
        known = file_names(model, revision)
        self.names = known.names  # None: unknown
        self._cached = known.cached

    def has(self, name: str) -> bool:
        if self.names is not None:
            return name in self.names
        try:
            self.path(name)
        except ModelFileMissing:
            return False
        return True

    def path(self, name: str) -> Path:
        return model_file(self.model, name, self.revision, cached=self._cached)

    def json(self, name: str) -> dict[str, Any]:
        if not self._possible(name):
            return {}
        return model_config(self.model, name, self.revision, cached=self._cached)

    def json_of_any_kind(self, name: str) -> Any:
        if not self._possible(name):
            return None
        return model_json(self.model, name, self.revision, cached=self._cached)

    def _possible(self, name: str) -> bool:
        return self.names is None or name in self.names


def _is_cached(model: str) -> bool:
    return any(isinstance(_in_cache(model, name), str) for name in BEGINNINGS)


def _is_known_absent(model: str, name: str, revision: str | None) -> bool:
    """Whether the cache remembers that the hub said of this file that there is none."""
    from huggingface_hub import _CACHED_NO_EXIST  # noqa: PLC0415 - as above

    return _in_cache(model, name, revision) is _CACHED_NO_EXIST


def _in_cache(model: str, name: str, revision: str | None = None) -> Any:
    """What the cache has of a file: its path, that the hub has none, or None."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - as above
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    try:
        return try_to_load_from_cache(model, name, revision=revision)
    except HFValidationError:  # it can be no id of the hub
        return None


def _names_in_cache(model: str, revision: str | None) -> frozenset[str] | None:
    """The names of all files of a model that was downloaded whole, as `hf download MODEL` does.

    None: the cache may hold a part of the files, as a library leaves it that loaded the model, or a download that was cut
    off. Then a file that is not there may be one that decides the vectors.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - as above
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    try:
        snapshot = Path(snapshot_download(model, revision=revision, local_files_only=True))
    except (OSError, ValueError, HFValidationError):
        return None
    cut_off = any((snapshot.parent.parent / "blobs").glob("*.incomplete"))
    return _names_in(snapshot) if (snapshot / WHOLE).is_file() and not cut_off else None


def _names_in(folder: Path) -> frozenset[str]:
    depth = len(folder.parts)
    return frozenset(
        path.relative_to(folder).as_posix()
        for pattern in ("*", "*/*", "*/*/*")
        for path in folder.glob(pattern)
        if path.is_file() and not any(part.startswith(".") for part in path.parts[depth:])
    )


def _unreachable(model: str, what: str, error: Exception, *, cached: bool) -> BadModel:
    from huggingface_hub import constants  # noqa: PLC0415 - as above

    if constants.HF_HUB_OFFLINE:
        return BadModel(
            f"no folder {model!r}, and no {what} of a model of this name in the hub's cache, "
            "which alone is looked at because HF_HUB_OFFLINE is set",
            hint="name a model folder by its path, or unset HF_HUB_OFFLINE for a model of the hub",
        )
    reason = "it does not answer" if cached else (str(error).splitlines() or [type(error).__name__])[0]
    return BadModel(
        f"no folder {model!r}, and the hub does not give {what} of a model of this name: {reason}",
        hint="name a model folder by its path, or check that the hub can be reached",
    )
