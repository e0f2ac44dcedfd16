"""Where the chunks of a text may end. Pure: types alone."""

from typing import Literal, get_args

ChunkBy = Literal["tokens", "sentences", "markdown"]
CHUNK_BY: tuple[ChunkBy, ...] = get_args(ChunkBy)
