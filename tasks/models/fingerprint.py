"""Which model exactly: a fingerprint of what a folder holds, or the commit of a model of the hub.

Two machines may have other weights under one path, and a folder may change between two runs. So a plan records the
fingerprint, the manifest of its run holds it, and a worker whose model has another one does not begin.

A folder's fingerprint is over the bytes of every file that decides vectors: weights, tokenizer, modules, pooling,
prompts, own code. Reading them costs about a second for each 0.5 to 2 GB, once: `DigestCache` remembers a file by its
size and times. A model of the hub is pinned to a commit, and its files are loaded from that commit alone. The base of
an adapter lies elsewhere, so its fingerprint is a part of the adapter's.
"""

# huggingface_hub is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import time_ns
from uuid import uuid4

import msgspec

from tasks.errors import Problem
from tasks.models.describe import adapter_of
from tasks.models.files import BEGINNINGS, HASH_MODEL, BadModel, ModelFiles

HUB = "hub:"  # begins the fingerprint of a model of the hub; the commit follows
CONTENT = "sha256:"  # begins the fingerprint of a folder
BASE = "+"  # in the fingerprint of an adapter, before that of its base
COMMIT = re.compile(r"[0-9a-f]{40}")
CONCURRENT_FILES = 4
# A file that changed a moment ago may change again within one tick of its clock, so its digest is not remembered.
SETTLED_NANOSECONDS = 2 * 10**9

# What no engine reads: other formats of the same weights, what training left behind, and texts for people.
UNREAD_FOLDERS = re.compile(r"\..*|__pycache__|onnx|openvino|coreml|checkpoint-\d+|eval|runs", re.IGNORECASE)
UNREAD_FILES = re.compile(
    r"\..*|(README|LICENSE|NOTICE|CHANGELOG).*|(optimizer|scheduler|scaler|training_args|rng_state).*"
    r"|trainer_state\.json|.*\.(md|onnx|onnx_data|h5|msgpack|ot|tflite|gguf|mlmodel|png|jpe?g|gif|svg|webp|pdf|csv|log)",
    re.IGNORECASE,
)
PICKLED = (".bin", ".pt", ".pth", ".ckpt")  # read, if at all, only where a folder has no safetensors
# Of a repository: what a download for an engine leaves out.
NOT_DOWNLOADED = (
    "*.onnx", "*.onnx_data", "onnx/*", "openvino/*", "coreml/*", "*.h5", "*.msgpack", "*.ot", "*.tflite", "*.gguf",
    "*.bin", "*.pt", "*.pth", "*.ckpt", "*.md", "*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.webp", "*.pdf",
)  # fmt: skip


class ModelChanged(Problem):
    """The model is not the one that was planned with."""


@dataclass(slots=True)
class DigestCache:
    """SHA-256 of files by path, size, times and inode, in one JSON file. Without a file it remembers nothing."""

    file: Path | None
    clock: Callable[[], int] = time_ns  # nanoseconds since 1970
    known: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if self.file is not None:
            with suppress(OSError, ValueError, msgspec.MsgspecError):
                self.known = msgspec.json.decode(self.file.read_bytes(), type=dict[str, str])

    def digest(self, path: Path) -> str:
        """The SHA-256 of a file, from memory where the file is unchanged."""
        stat = path.stat()
        key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}|{stat.st_ino}"
        if key not in self.known:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if self.clock() - max(stat.st_mtime_ns, stat.st_ctime_ns) < SETTLED_NANOSECONDS:
                return digest
            self.known[key] = digest
        return self.known[key]

    def save(self) -> None:
        """Write down what was learnt; a home that cannot be written costs time at the next start, and nothing else."""
        if self.file is None:
            return
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            beside = self.file.with_name(f"{self.file.name}.{uuid4().hex}")
            beside.write_bytes(msgspec.json.encode(self.known))
            beside.replace(self.file)


def users_cache() -> DigestCache:
    """The cache of this user: model-digests.json in $EMBEDFLEET_CACHE, else in ~/.cache/embedfleet."""
    named = os.environ.get("EMBEDFLEET_CACHE")
    with suppress(RuntimeError):  # a user without a home
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embedfleet"
        return DigestCache((Path(named) if named else home) / "model-digests.json")
    return DigestCache(None)


def fingerprint_of(model: str, digests: DigestCache | None = None) -> str | None:
    """The fingerprint of a model: a folder's by its content, else the commit that the hub has now.

    An adapter's is followed by that of its base, `BASE` between them. None: the model is `hash`, which has no files, or
    neither the hub nor its local cache name a commit.

    Raises:
        BadModel: it is an adapter, and its base is neither here nor known to the hub.
    """
    if model == HASH_MODEL:
        return None
    known = users_cache() if digests is None else digests
    folder = Path(model) if Path(model).is_dir() else _cached_commit(model)
    if folder is None:
        return None
    own = _content(folder, known) if folder == Path(model) else HUB + folder.name
    return own + _base_of(folder, known)


def pinned(model: str, fingerprint: str | None) -> str:
    """The model as an engine must load it, checked: see `located`.

    Raises:
        ModelChanged: the folder or the base of the adapter is another model, or this machine has no such folder.
        Problem: the hub cannot be reached, or has the commit no more.
    """
    check_model(model, fingerprint)
    return located(model, fingerprint)


def located(model: str, fingerprint: str | None) -> str:
    """Where the files of a model are, unchecked.

    A folder stays as it is. Of a model of the hub it is the folder with the files of the pinned commit, downloaded
    where they are not in the cache. Without a fingerprint (a run of an earlier version) it is the model as it is named.
    """
    if fingerprint is not None and is_pinned_commit(model, fingerprint):
        return _snapshot(model, fingerprint.removeprefix(HUB).partition(BASE)[0])
    return model


def is_pinned_commit(model: str, fingerprint: str | None) -> bool:
    """Whether the model is a commit of the hub, which is downloaded, and no folder, which is checked."""
    return fingerprint is not None and fingerprint.startswith(HUB) and not Path(model).is_dir()


def check_model(model: str, fingerprint: str | None) -> None:
    """Check that a folder still holds the model of this fingerprint, and an adapter's base is still the same.

    A model of the hub is pinned, and not checked.

    Raises:
        ModelChanged: it holds another, or is not there.
    """
    if fingerprint is None or model == HASH_MODEL:
        return
    if Path(model).is_dir():
        found = fingerprint_of(model)
        what = f"has the fingerprint {short(found)}"
    elif fingerprint.startswith(HUB):
        own, _, base = fingerprint.partition(BASE)
        if not base:
            return
        found = own + _base_of(Path(located(model, fingerprint)), users_cache())
        what = f"has the fingerprint {short(found)}"
    else:
        found, what = None, "is not there"
    if found != fingerprint:
        raise ModelChanged(
            f"the model at {model} {what}, and the plan was made with {short(fingerprint)}",
            hint="put the planned model back there, on every machine; or plan again: another model is another run",
        )


def short(fingerprint: str | None) -> str:
    """A fingerprint as it is shown."""
    if fingerprint is None:
        return "unknown"
    parts = (part.partition(":") for part in fingerprint.split(BASE))
    return BASE.join(f"{kind}:{value[:12]}" for kind, _, value in parts)


def _base_of(folder: Path, known: DigestCache) -> str:
    """The base of an adapter as it stands in a fingerprint; "" for a model that is none, or that is in its base."""
    adapter = adapter_of(str(folder))
    if adapter is None or Path(adapter.base).resolve() == folder.resolve():
        return ""
    if Path(adapter.base).is_dir():
        return BASE + _content(Path(adapter.base), known)
    commit = _cached_commit(adapter.base)
    if commit is None:
        raise BadModel(
            f"the base {adapter.base} of the adapter {folder} is no folder here, and the hub does not give it",
            hint="name the base by a folder, or by a hub id, as base_model_name_or_path in adapter_config.json",
        )
    return BASE + HUB + commit.name


def _content(folder: Path, known: DigestCache) -> str:
    """The SHA-256 over names and digests of all files that may decide vectors."""
    files = sorted(_deciding_files(folder))
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most plans name a model of the hub

    with ThreadPoolExecutor(CONCURRENT_FILES) as pool:
        digests = list(pool.map(known.digest, (folder / name for name in files)))
    known.save()
    whole = hashlib.sha256()
    for name, digest in zip(files, digests, strict=True):
        whole.update(name.encode("utf-8", "surrogateescape") + b"\0" + digest.encode() + b"\n")
    return CONTENT + whole.hexdigest()


def _deciding_files(folder: Path) -> Iterator[str]:
    """The files, relative to the folder and with forward slashes. Links are followed, each folder once."""
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else [one for one in folders if not UNREAD_FOLDERS.fullmatch(one)]
        if real in seen:
            continue
        seen.add(real)
        safe = any(name.endswith(".safetensors") for name in names)
        for name in names:
            path = Path(parent) / name
            unread = UNREAD_FILES.fullmatch(name) or (safe and name.endswith(PICKLED))
            if not unread and path.is_file():
                yield path.relative_to(folder).as_posix()


def _cached_commit(model: str) -> Path | None:
    """The folder in this machine's cache of the commit of a model's main branch: as the hub has it now, else the cache.

    Files that a model may begin with are asked for, because their place in the cache names the commit that they are of.
    """
    found: list[Path] = []
    with suppress(BadModel):  # the hub has no such model
        files = ModelFiles(model)
        for name in BEGINNINGS:
            with suppress(BadModel):  # the model has no such file, or neither the hub nor the cache gives it
                found.append(files.path(name).parent)
    return found[0] if found and COMMIT.fullmatch(found[0].name) else None


@cache
def _snapshot(model: str, commit: str) -> str:
    """The folder with the files of a commit."""
    from huggingface_hub import constants, snapshot_download  # noqa: PLC0415 - only for hub ids
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415

    try:
        return str(
            snapshot_download(
                model,
                revision=commit,
                ignore_patterns=list(NOT_DOWNLOADED),
                # Said here as well: huggingface_hub 1.33 asks the hub for the list of files and fails when it is offline.
                local_files_only=constants.HF_HUB_OFFLINE,
            )
        )
    except (HFValidationError, HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Problem(
            f"cannot get the commit {commit[:12]} of model {model!r}: {reason}",
            hint="check that the hub can be reached, and that the repository still has this commit",
        ) from error
