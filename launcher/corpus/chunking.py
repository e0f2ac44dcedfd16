"""What looking at a job's input gives: the profile, and where there are files, the listing and the sample.

Also what has to be known before looking: which model is meant, and how it cuts texts. Reads no corpus itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.corpus.profile import Profile
from launcher.errors import Usage
from launcher.jobs.job import Job
from tasks.engines.base import limit
from tasks.engines.tokenizer import HASH, Cut

if TYPE_CHECKING:
    from launcher.corpus.listing import Listing
    from launcher.corpus.sampling import Sampled


@dataclass(frozen=True, slots=True)
class Looked:
    """The corpus as it was found: files and sample where there are any."""

    profile: Profile
    listing: "Listing | None" = None
    sampled: "Sampled | None" = None
    shards: int | None = None
    shard_tokens: int | None = None


def resolve(model: str, base: Path) -> str:
    """A folder beside the job file by its full path; a hub id as it is.

    Raises:
        Usage: it reads like a path, and there is no such folder: a stranger's repository must not be asked for.
    """
    folder = base / Path(model).expanduser()
    if model != HASH and folder.is_dir():
        return str(folder.absolute())
    first, _, rest = model.partition("/")
    if model.startswith((".", "~", "/")) or "/" in rest or (rest and (base / first).is_dir()):
        raise Usage(f"no model folder at {folder.absolute()}", hint="set `model:` to a folder or to a hub id")
    return model


def cut_of(job: Job, model: str) -> Cut:
    """How this job cuts texts, with the model's own maximum where the job says nothing."""
    chunk = job.chunk
    if chunk.tokens is not None:
        return Cut(limit(model, chunk.tokens), chunk.overlap, job.prompt)
    return Cut(limit(model, chunk.truncate), None, job.prompt)
