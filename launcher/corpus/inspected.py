"""A corpus as a plan knows it. Light on purpose: a corpus that is only declared needs no reader of files."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from launcher.corpus.samples.profile import Profile

if TYPE_CHECKING:  # these read files
    from launcher.corpus.files.listing import Listing
    from launcher.corpus.repeat_shares import CorpusRepeats
    from launcher.corpus.samples.sampling import CorpusSample


@dataclass(frozen=True, slots=True)
class InspectedCorpus:
    """A corpus as it was found, or as the job declares it; then there are no files."""

    profile: Profile
    listing: "Listing | None" = None
    sampled: "CorpusSample | None" = None
    shards: int | None = None
    shard_tokens: int | None = None
    repeats: "CorpusRepeats | None" = None  # None: not counted
