"""The one text that names a row in a store whose rows have one: `id:chunk`, or a UUID where that does not fit. Pure."""

from uuid import UUID, uuid5

from launcher.loading.vector_store import Key, text_of_key

NAMESPACE = UUID("8c7d1f0a-3f55-4f0e-9b6e-0c7a51f9d2c4")


def uuid_of_key(key: Key) -> str:
    """The UUID of a key: always the same, and another one for every key."""
    return str(uuid5(NAMESPACE, f"{key.id}\0{key.chunk}"))


def hint_of_length(key: Key, most_bytes: int) -> str:
    """What to do about a row that is too long: the columns, or the id alone."""
    if len(key.id.encode()) > most_bytes // 2:
        return "the id takes most of it: shorten corpus.id and embed again, or leave it out of the job"
    return "--keep with fewer columns, or --keep none"


def name_of_key(key: Key, most_bytes: int, *, only_ascii: bool) -> str:
    """`id:chunk`, or a UUID of both where that is too long, empty, or has characters that the store does not take.

    An id that is itself such a UUID with a chunk behind it cannot be one of these: they have no colon.
    """
    text = text_of_key(key)
    if len(text.encode()) > most_bytes or "\0" in text or (only_ascii and not text.isascii()):
        return uuid_of_key(key)
    return text
