"""Input files of a corpus, written for a test, and what its listing found of them."""

from pathlib import Path

from launcher.corpus.files.listing import Listing


def put(root: Path, *names: str, body: bytes = b'{"text": "one"}\n') -> None:
    """Write files of one body below `root`, with the folders that they are in."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def names(listing: Listing) -> list[str]:
    """The files that are read."""
    return [file.path for file in listing.files]


def left_out(listing: Listing) -> dict[str, int]:
    """How many names of each kind are not read."""
    return {one.kind: one.files for one in listing.left_out}
